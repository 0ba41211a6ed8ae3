"""The artifacts that the stage `maximize` reads, of a tiny network, made by the stages before it."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cnnviz import activations, images
from cnnviz.activations import FeatureMapsSection
from cnnviz.files import Stopwatch
from cnnviz.images import ImagesSection
from cnnviz.networks import store
from cnnviz.networks.scaling import scaling

SETS = ("shapes", "bands")


def write(network: Any, rng: np.random.Generator) -> Path:
    """Into the working folder, the model `tiny` and two image sets, of three channels and of five; `artifacts`."""
    artifacts = Path.cwd() / "artifacts"
    for name, shape in zip(SETS, ((40, 44, 3), (40, 44, 5)), strict=True):
        folder = Path("inputs/images", name)
        folder.mkdir(parents=True)
        for i in range(3):
            pixels = rng.integers(0, 256, shape, np.uint8)
            np.save(folder / f"{i}.npy", pixels) if shape[2] == 5 else Image.fromarray(pixels).save(folder / f"{i}.png")
    stored = artifacts / "models/tiny"
    stored.mkdir(parents=True)
    store.save("tiny", store.Loaded(network, "t", "file", "o", "l", "t", (24, 24, 3), scaling("unit", 3)), stored)
    sets = {name: {"folder": f"inputs/images/{name}"} for name in SETS}
    images.run(ImagesSection.model_validate({"sets": sets}), Path("artifacts"))
    activations.run("tiny", 1, FeatureMapsSection(images=[0]), SETS, Path("artifacts"), Stopwatch())
    return artifacts
