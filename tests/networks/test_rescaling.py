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


def normalization(scale: float) -> Any:
    layer = LAYERS.Normalization(name="norm")
    layer.adapt(np.random.default_rng(0).uniform(0, scale, (50, 8, 8, 3)))
    return layer


INSIDE = {
    "x/255": [LAYERS.Rescaling(1 / 255, name="front")],
    "x/127.5 - 1": [LAYERS.RandomFlip(), LAYERS.Rescaling(1 / 127.5, offset=-1, name="front")],
    "normalization": [normalization(255)],
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
