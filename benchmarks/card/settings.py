"""The default recipe for a layer of the stored VGG16, and what this device offers to compute it in."""

import dataclasses
from pathlib import Path
from typing import Any

from cnnviz import device
from cnnviz.files import machine
from cnnviz.maximization import MaximizeSection, Settings, canvas
from cnnviz.maximization import settings as recipe
from cnnviz.maximization.ascent.policy import PLACE_AGREES, Policy

STORED = Path("artifacts/models/vgg16")


def precisions() -> list[str]:
    """float32 first: the others are held against it."""
    if device.here().gpu:
        return ["float32", "tf32", "bfloat16", "float16"]
    return ["float32", "bfloat16"] if machine.processor().has_bfloat16 else ["float32"]


def settings(described: dict[str, Any], layer: str, precision: str, steps: int, size: int = 0) -> Settings:
    """size: of the canvas, by default as `make repro` would take it."""
    section = MaximizeSection()
    field = next(one["receptive_field"] for one in described["conv_layers"] if one["name"] == layer)
    height, width = described["input_shape"][:2]
    wanted = (size, size) if size else canvas.wanted(field, (height, width), section.max_size)
    found = recipe.settings_for(section, 0, canvas.pair(field), wanted)
    return dataclasses.replace(found, precision=precision, steps=steps, snapshots=())


def batches_of(count: int, precision: str) -> Policy:
    """A card's policy, but for the number of images that are computed at once; a CPU does the same without XLA."""
    return Policy(count, precision not in PLACE_AGREES, device.here().gpu)
