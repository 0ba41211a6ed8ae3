"""Networks that rescale by themselves: found in the graph, measured, and held against the preprocessing."""

from typing import Any

import keras
import numpy as np
import pytest

from cnnviz.networks import graph, rescaling

LAYERS = keras.layers
RAW: dict[str, Any] = {"name": "raw", "scale": [1.0] * 3, "offset": [0.0] * 3, "reverse_channels": False}
UNIT = RAW | {"name": "unit", "scale": [1 / 255] * 3}
TF = RAW | {"name": "tf", "scale": [1 / 127.5] * 3, "offset": [-1.0] * 3}


def network(*front: Any) -> Any:
    inputs = x = keras.Input((8, 8, 3))
    for layer in front:
        x = layer(x)
    return keras.Model(inputs, LAYERS.Conv2D(2, 3, name="conv")(x))


def augmentation() -> Any:
    return keras.Sequential([LAYERS.RandomFlip(), LAYERS.RandomRotation(0.1)])


def normalization(scale: float) -> Any:
    layer = LAYERS.Normalization(name="norm")
    layer.adapt(np.random.default_rng(0).uniform(0, scale, (50, 8, 8, 3)))
    return layer


INSIDE = {
    "x/255": [LAYERS.Rescaling(1 / 255, name="front")],
    "x/127.5 - 1": [LAYERS.RandomFlip(), LAYERS.Rescaling(1 / 127.5, offset=-1, name="front")],
    "normalization": [normalization(255)],
    "-1x + 255": [lambda x: 255 - x],
    "x - 103.9": [keras.applications.resnet.preprocess_input],
    "x/57.12 - 2.036": [augmentation(), keras.applications.densenet.preprocess_input],
}


@pytest.mark.parametrize("kind", INSIDE)
@pytest.mark.parametrize("given", [RAW, UNIT, TF], ids=lambda one: one["name"])
def test_two_scalings_are_said_and_one_is_not(kind: str, given: dict[str, Any]) -> None:
    found = rescaling.inside(graph.trace(network(*INSIDE[kind]), (8, 8, 3)))
    assert found is not None
    if kind != "normalization":
        assert str(found) == kind
    said = rescaling.note(found, given)
    assert (said is None) == (given is RAW)
    if said:
        assert f"({found.layer}: {found}) and the preprocessing {given['name']} scales as well" in said
        assert said.endswith("write preprocessing: raw")


@pytest.mark.parametrize(
    "front",
    [
        [],
        [normalization(1.0)],  # learned on 0..1: raw images would be wrong
        [LAYERS.Rescaling(2.0, offset=-1)],
        [LAYERS.Conv2D(3, 1, name="first"), LAYERS.Rescaling(1 / 255)],
        [lambda x: 1.0 - x],
        [augmentation(), lambda x: x * 2 - 1],
        [LAYERS.Normalization(mean=[0.485, 0.456, 0.406], variance=[0.229**2, 0.224**2, 0.225**2])],
        [lambda x: LAYERS.Subtract()([x, x])],
        [lambda x: keras.ops.clip(x, 0, 1)],
        [LAYERS.BatchNormalization()],
        [LAYERS.AveragePooling2D(2)],
    ],
)
def test_no_alarm_where_a_network_takes_small_numbers(front: list[Any]) -> None:
    assert rescaling.inside(graph.trace(network(*front), (8, 8, 3))) is None


def test_an_operation_that_is_no_layer() -> None:
    inputs = keras.Input((8, 8, 3))
    conv = LAYERS.Conv2D(2, 3)
    x = inputs / 127.5 - 1
    call = graph.Conv("conv", conv, x, conv(x), 3.0, 1.0)
    found = rescaling.inside(graph.Graph(inputs, calls=[call]))
    assert found is not None
    assert (found.slope, found.shift) == (pytest.approx(1 / 127.5), pytest.approx(-1))


SAME_SLOPE: dict[str, list[Any]] = {
    "nested augmentation": [augmentation(), LAYERS.Activation("linear"), LAYERS.Rescaling(1 / 255)],
    "smaller": [LAYERS.Resizing(4, 3), LAYERS.Rescaling(1 / 255)],
    "middle": [LAYERS.CenterCrop(3, 3), LAYERS.Rescaling(1 / 255)],
    "cropped": [LAYERS.Cropping2D(((5, 0), (0, 5))), LAYERS.Rescaling(1 / 255)],
    "pooled and padded": [LAYERS.MaxPooling2D(2), LAYERS.Rescaling(1 / 255), LAYERS.ZeroPadding2D(5)],
    "grey": [lambda x: keras.ops.mean(x, -1, keepdims=True) / 255],
    "all images at once": [lambda x: (x - 0 * keras.ops.mean(x)) / 255],
    "two ways": [lambda x: keras.ops.concatenate([x / 510, x / 255], -1)],
}


@pytest.mark.parametrize("front", SAME_SLOPE.values(), ids=SAME_SLOPE.keys())
def test_the_slope_whatever_else_stands_in_front(front: list[Any]) -> None:
    found = rescaling.inside(graph.trace(network(*front), (8, 8, 3)))
    assert found is not None
    assert found.slope == pytest.approx(1 / 255)


def test_a_function_that_scales_is_measured() -> None:
    found = rescaling.inside(graph.trace(network(LAYERS.Rescaling(1 / 255)), (8, 8, 3)))
    assert rescaling.note(found, lambda x: x, (8, 8, 3)) is None
    assert "the preprocessing given scales as well" in str(rescaling.note(found, lambda x: x / 255, (8, 8, 3)))
