"""Pictures that a network makes of images: what goes in beside what comes out."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from cnnviz.analysis import files
from cnnviz.analysis.predictions import drawing
from cnnviz.images.sets import ImageSet
from cnnviz.networks import graph, head

LAYERS = keras.layers


def made(network: Any, spec: dict[str, Any], folder: Path) -> tuple[np.ndarray, np.ndarray]:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    sizes, labels = np.full((3, 2), 16, np.int32), np.zeros(3, np.int32)
    one = ImageSet(pixels, sizes, labels, np.array(list("abc")), np.array([], str))
    traced = graph.trace(network, (16, 16, 3))
    view = files.Pixels({"set": one}, (16, 16, 3))
    drawing.draw(traced, head.find(traced), spec, view, lambda name, i: pixels[list(i)].astype("float32"), folder)
    with np.load(folder / "outputs" / "set.npz", allow_pickle=False) as stored:
        np.testing.assert_allclose(stored["outputs"], network(pixels / np.float32(255)), rtol=1e-4, atol=1e-5)
    with Image.open(folder / "outputs" / "set.png") as picture:
        return pixels, np.asarray(picture.convert("RGB"))


@pytest.fixture
def unit(raw: dict[str, Any]) -> dict[str, Any]:
    return {**raw, "scale": [1 / 255] * 3}


def test_an_autoencoder_s_pictures_stand_below_the_images(unit: dict[str, Any], tmp_path: Path) -> None:
    inputs = keras.Input((16, 16, 3))
    x = LAYERS.UpSampling2D()(LAYERS.AveragePooling2D(2)(inputs))
    _, picture = made(keras.Model(inputs, LAYERS.Activation("sigmoid")(x)), unit, tmp_path)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100


def test_classes_of_places_have_a_colour_each_and_a_legend(unit: dict[str, Any], tmp_path: Path) -> None:
    inputs = keras.Input((16, 16, 3))
    conv = LAYERS.Conv2D(3, 1, activation="softmax")
    network = keras.Model(inputs, conv(LAYERS.AveragePooling2D(2)(inputs)))
    conv.set_weights([np.eye(3)[None, None] * 50, np.zeros(3)])  # the strongest colour
    _, picture = made(network, unit, tmp_path)
    for one in np.rint(drawing.colours(3) * 255):
        assert (np.abs(picture.astype(float) - one).max(-1) <= 1).sum() > 500


def test_colours_differ() -> None:
    table = drawing.colours(30)
    assert table.shape == (30, 3)
    assert ((table >= 0) & (table <= 1)).all()
    apart = np.linalg.norm(table[:, None] - table[None], axis=-1)[np.triu_indices(30, 1)]
    assert apart.min() > 0.05


def test_other_channels_stand_side_by_side(unit: dict[str, Any], tmp_path: Path) -> None:
    inputs = keras.Input((16, 16, 3))
    network = keras.Model(inputs, LAYERS.Conv2DTranspose(5, 2, strides=2)(LAYERS.Conv2D(4, 2, strides=2)(inputs)))
    _, picture = made(network, unit, tmp_path)
    assert picture.shape[0] > 900  # a row for the images, and one for each channel
