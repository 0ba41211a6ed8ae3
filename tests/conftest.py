"""Tiny seeded networks that the unit tests share."""

import os
import signal
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in a shell's background: what tests start would ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST = ("test_pipeline.py", "test_zoo.py", "test_teams.py", "test_site.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also the tests marked long: make test LONG=1")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long tests first, so that no worker begins them when the other has nothing left to do."""
    if not config.getoption("--long"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    items.sort(key=lambda item: (item.get_closest_marker("pipeline") is None, item.path.name not in LONGEST))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Any]:
    """Build a small functional network with every kind of layer that cnnviz looks into, weights seeded."""
    import keras

    def build(size: int | None = 24, head: bool = False) -> Any:
        keras.utils.set_random_seed(3)
        layers = keras.layers
        inputs = keras.Input((size, size, 3), name="pixels")
        x = layers.Conv2D(6, 3, padding="same", activation="relu", name="first")(inputs)
        x = layers.MaxPooling2D(2, name="pool")(x)
        inner_in = keras.Input((None, None, 6), name="inner_in")
        y = layers.Conv2D(8, 3, padding="same", use_bias=False, name="expand")(inner_in)
        y = layers.BatchNormalization(name="expand_bn")(y)
        y = layers.ReLU(6.0, name="expand_relu")(y)
        y = layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2, name="depthwise")(y)
        inner = keras.Model(inner_in, y, name="inner")
        x = inner(x)
        x = layers.SeparableConv2D(10, 3, padding="valid", name="separable")(x)
        x = layers.Conv2D(12, 3, dilation_rate=2, padding="same", activation="relu", name="dilated")(x)
        if head:
            x = layers.Dense(4, activation="softmax", name="classes")(layers.Flatten(name="flat")(x))
        network = keras.Model(inputs, x, name="tiny")
        norm = inner.get_layer("expand_bn")
        spread = np.random.default_rng(5)
        norm.set_weights([spread.normal(1, 0.5, 8), *spread.normal(0, 0.3, (2, 8)), spread.uniform(0.5, 2, 8)])
        return network

    return build


RAW = {"name": "raw", "scale": [1.0] * 3, "offset": [0.0] * 3, "reverse_channels": False}


@pytest.fixture
def raw() -> dict[str, Any]:
    """A preprocessing that changes nothing."""
    return dict(RAW)
