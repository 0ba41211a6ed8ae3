"""The default recipe for a layer of the stored VGG16, and what this device offers to compute it in."""

import dataclasses
import importlib
from pathlib import Path
from typing import Any

from cnnviz import device
from cnnviz.files import machine
from cnnviz.maximization import MaximizeSection, Settings, canvas
from cnnviz.maximization import settings as recipe

STORED = Path("artifacts/models/vgg16")
POLICY = "cnnviz.maximization.ascent.policy"


def precisions() -> list[str]:
    """float32 first: the others are held against it."""
    if device.here().gpu:
        return ["float32", "bfloat16", "float16"]
    return ["float32", "bfloat16"] if machine.processor().has_bfloat16 else ["float32"]


def settings(described: dict[str, Any], layer: str, precision: str, steps: int, size: int = 0) -> Settings:
    """size: of the canvas, by default as `make repro` would take it."""
    section = MaximizeSection()
    field = next(one["receptive_field"] for one in described["conv_layers"] if one["name"] == layer)
    height, width = described["input_shape"][:2]
    wanted = (size, size) if size else canvas.wanted(field, (height, width), section.max_size)
    found = recipe.settings_for(section, 0, canvas.pair(field), wanted)
    return dataclasses.replace(found, precision=precision, steps=steps, snapshots=())


def batches_of(count: int) -> None:
    """Let a card compute so many images at once, where they fit; a CPU takes as many as it is given."""
    importlib.import_module(POLICY).MOST = count
