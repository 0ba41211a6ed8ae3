"""Borrowed filters do in their new place what they did in the old one."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import cnnviz
from cnnviz.errors import InputError
from cnnviz.filters.borrowing import Borrowed
from cnnviz.networks import preprocessing, store

ROOT = Path(__file__).parents[2]
LAYERS = keras.layers


def between(network: Any, start: str, end: str) -> Any:
    """The part of the nested network from one layer's input to another's output."""
    inner = network.get_layer("inner")
    return keras.Model(inner.get_layer(start).input, inner.get_layer(end).output)


def test_first_layer_is_kernel_bias_and_activation(tiny: Callable[..., Any], rng: np.random.Generator) -> None:
    network, images = tiny(), rng.normal(size=(2, 24, 24, 3)).astype("float32")
    layer = cnnviz.borrow(network, "first", [4, 1]).layer("lent")
    assert (layer.name, layer.trainable) == ("lent", False)
    wanted = network.get_layer("first")(images).numpy()[..., [4, 1]]
    np.testing.assert_allclose(layer(images), wanted, atol=1e-5)


def test_normalization_and_relu6_of_the_unit_come_along(tiny: Callable[..., Any], rng: np.random.Generator) -> None:
    network, maps = tiny(), rng.normal(size=(2, 9, 9, 6)).astype("float32") * 3
    layer = cnnviz.borrow(network, "expand").layer()
    np.testing.assert_allclose(layer(maps), between(network, "expand", "expand_relu")(maps), atol=1e-4)


def test_depthwise_and_separable_filters_become_whole_ones(tiny: Callable[..., Any], rng: np.random.Generator) -> None:
    network = tiny()
    maps = rng.normal(size=(2, 12, 12, 8)).astype("float32")
    wanted = network.get_layer("inner").get_layer("depthwise")(maps).numpy()[..., [0, 7, 3]]
    np.testing.assert_allclose(cnnviz.borrow(network, "depthwise", [0, 7, 3]).layer()(maps), wanted, atol=1e-5)
    maps = rng.normal(size=(2, 8, 8, 16)).astype("float32")
    wanted = network.get_layer("separable")(maps)
    np.testing.assert_allclose(cnnviz.borrow(network, "separable").layer()(maps), wanted, atol=1e-4)


def test_saved_file_takes_rgb_images_as_they_are(
    tiny: Callable[..., Any], raw: dict[str, Any], tmp_path: Path, rng: np.random.Generator
) -> None:
    network = tiny()
    spec = {**raw, "scale": [0.5, 1, 2], "offset": [-1, 2, 3], "reverse_channels": True}
    store.save(
        "net", store.Loaded(network, "t", "file", "o", "l", "w", (24, 24, 3), spec), _made(tmp_path / "models" / "net")
    )
    lent = cnnviz.borrow("net", "first", [2, 0], artifacts=tmp_path)
    paths = lent.save(tmp_path / "out" / "lent.keras")
    images = rng.uniform(0, 255, (2, 24, 24, 3)).astype("float32")
    wanted = network.get_layer("first")(preprocessing.preprocess(images, spec)).numpy()[..., [2, 0]]
    loaded = keras.models.load_model(paths[0], safe_mode=True)
    np.testing.assert_allclose(loaded(images), wanted, rtol=1e-4, atol=1e-3)
    assert not loaded.trainable_weights
    with np.load(paths[1], allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["kernel"], network.get_layer("first").kernel.numpy()[..., [2, 0]])
        assert stored["filters"].tolist() == [2, 0]
        assert str(stored["source"]) == "net first"
    again = cnnviz.borrow(paths[0], "borrowed", [1])  # a lent file can lend
    np.testing.assert_array_equal(again.kernel, lent.kernel[..., [1]])


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def fresh(channels: int = 3, filters: int = 5, size: int = 3, **options: Any) -> Any:
    conv = LAYERS.Conv2D(filters, size, name="new", **options)
    return keras.Sequential([keras.Input((12, 12, channels)), conv, LAYERS.ReLU()])


def test_initial_weights_of_a_new_layer(tiny: Callable[..., Any]) -> None:
    lent, network = cnnviz.borrow(tiny(), "first", [5, 0]), fresh()
    layer = network.get_layer("new")
    before = layer.kernel.numpy()
    assert lent.into(network, "new") == [0, 1]
    np.testing.assert_array_equal(layer.kernel.numpy()[..., :2], lent.kernel)
    np.testing.assert_array_equal(layer.kernel.numpy()[..., 2:], before[..., 2:])
    np.testing.assert_array_equal(layer.bias.numpy()[:2], lent.bias)
    assert layer.trainable


def test_grey_is_what_they_do_to_equal_channels(tiny: Callable[..., Any], rng: np.random.Generator) -> None:
    lent = cnnviz.borrow(tiny(), "first")
    image = rng.normal(size=(1, 9, 9, 1)).astype("float32")
    np.testing.assert_allclose(lent.grey().layer()(image), lent.layer()(image.repeat(3, -1)), atol=1e-5)
    network = fresh(channels=1, filters=6)
    assert len(lent.grey().into(network, "new")) == 6


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: fresh(channels=1), r"new: reads 1 channels, the filters of tiny first read 3 .*\.grey\(\)"),
        (lambda: fresh(channels=8), "new: reads 8 channels, .* read 3 .*behind a layer of 3 channels"),
        (lambda: fresh(size=5), "its filters are 5 x 5, those of tiny first 3 x 3"),
        (lambda: fresh(filters=1), "has 1 filters, 2 were borrowed; borrow at most 1"),
        (lambda: keras.Sequential([keras.Input((9, 9, 3)), LAYERS.DepthwiseConv2D(3, name="new")]), "DepthwiseConv2D"),
    ],
)
def test_what_does_not_fit_is_explained(tiny: Callable[..., Any], network: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        cnnviz.borrow(tiny(), "first", [0, 1]).into(network(), "new")
    assert "\n" not in str(raised.value)


def test_a_bias_is_not_dropped(tiny: Callable[..., Any]) -> None:
    lent = cnnviz.borrow(tiny(), "expand", [0])  # its normalization shifts
    with pytest.raises(InputError, match="new: has no bias, the filters of tiny expand have one"):
        lent.into(fresh(channels=6, size=3, use_bias=False), "new")


@pytest.mark.parametrize(
    ("model", "layer", "filters", "message"),
    [
        (None, "frist", None, "no conv layer 'frist'; nearest: first"),
        (None, "first", [6], r"filters: 6 is out of range; first of \w+ has 0\.\.5"),
        (None, "first", [-1], r"filters: -1 is out of range"),
        (None, "first", [], r"filters: none given"),
        (None, "first", "0", r"filters: str '0' given; expected a list of numbers"),
        (None, "first", 3, r"filters: int 3 given; expected a list of numbers"),
        (None, "first", [0.5], r"filters: float 0\.5 in the list; expected whole numbers"),
        (None, "first", [True], r"filters: bool True in the list"),
        (None, "first", [0, 0], r"filters: 0 is given twice"),
        (None, 5, [0], r"layer: int 5 given; expected a layer's name"),
        ("nowhere", "first", None, "nowhere: neither a .keras or .h5 file nor a model in"),
        ("missing.keras", "first", None, "'missing.keras' not found"),
    ],
)
def test_what_is_not_there(
    tiny: Callable[..., Any], tmp_path: Path, model: str | None, layer: str, filters: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        cnnviz.borrow(model or tiny(), layer, filters, artifacts=tmp_path)


def test_an_activation_that_a_layer_cannot_have_is_to_be_chosen() -> None:
    inputs = keras.Input((8, 8, 3))
    network = keras.Model(inputs, LAYERS.PReLU()(LAYERS.Conv2D(2, 3, name="conv")(inputs)))
    with pytest.raises(InputError, match="conv is followed by a PReLU; choose an activation="):
        cnnviz.borrow(network, "conv")
    lent = cnnviz.borrow(network, "conv", activation="linear")
    assert isinstance(lent, Borrowed)
    assert lent.options["activation"] == "linear"


@pytest.mark.pipeline
def test_command_line_says_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cnnviz.borrowing", "nowhere", "conv", "--to", str(tmp_path / "x.keras")]
    env = {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": "jax"}  # another project's
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: nowhere: neither a .keras or .h5 file nor a model in")
    assert "Traceback" not in done.stderr
