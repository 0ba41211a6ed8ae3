"""The flat graph: the same numbers as the model, every conv layer, true receptive fields."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnviz.errors import InputError
from cnnviz.networks import graph


def test_flat_graph_computes_what_the_model_computes(tiny: Callable[..., Any], rng: np.random.Generator) -> None:
    model = tiny(head=True)
    traced = graph.trace(model, (24, 24, 3))
    flat = keras.Model(traced.input, traced.calls[-1].output)
    images = rng.normal(size=(2, 24, 24, 3)).astype("float32")
    np.testing.assert_array_equal(flat(images), model(images))


def test_finds_nested_depthwise_and_separable_layers_in_order(tiny: Callable[..., Any]) -> None:
    traced = graph.trace(tiny(), (24, 24, 3))
    assert list(traced.convs) == ["first", "expand", "depthwise", "separable", "dilated"]
    assert [c.filters for c in traced.convs.values()] == [6, 8, 16, 10, 12]
    assert traced.convs["depthwise"].kernel_shape == (3, 3, 8, 2)
    assert traced.convs["separable"].kernel_shape == (3, 3, 16, 10)


def test_unit_is_batch_normalization_and_relu_where_they_follow(tiny: Callable[..., Any]) -> None:
    convs = graph.trace(tiny(), (24, 24, 3)).convs
    assert convs["expand"].unit.name == "expand_relu"
    assert convs["first"].unit.name == "first"  # its own ReLU comes first
    assert convs["depthwise"].unit.name == "depthwise"  # what follows belongs to the next layer


def test_no_unit_across_a_fork() -> None:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 3, name="forked")(inputs)
    outputs = keras.layers.Add()([keras.layers.ReLU()(x), x])
    assert graph.trace(keras.Model(inputs, outputs), (8, 8, 3)).convs["forked"].unit.name == "forked"


def test_head_need_not_fit_another_size(tiny: Callable[..., Any]) -> None:
    traced = graph.trace(tiny(head=True), (40, 40, 3), until="dilated")
    assert traced.convs["dilated"].output.shape == (None, 8, 8, 12)
    with pytest.raises(InputError, match="does not accept an input of shape"):
        graph.trace(tiny(head=True), (40, 40, 3))


def test_two_layers_of_one_name_get_different_names() -> None:
    def part(name: str) -> Any:
        inputs = keras.Input((8, 8, 3))
        return keras.Model(inputs, keras.layers.Conv2D(3, 3, padding="same", name="conv")(inputs), name=name)

    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, part("right")(part("left")(inputs)))
    assert list(graph.trace(model, (8, 8, 3)).convs) == ["left.conv", "right.conv"]


def test_sequential_and_subclassed() -> None:
    layers = keras.layers
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3, name="a"), layers.Conv2D(2, 3, name="b")])
    assert list(graph.trace(model, (8, 8, 3)).convs) == ["a", "b"]

    class Own(keras.Model):
        def __init__(self, then: Any) -> None:
            super().__init__()
            self.conv, self.then = layers.Conv2D(2, 3, name="own"), then

        def call(self, x: Any) -> Any:
            return self.then(self.conv(x))

    assert list(graph.trace(Own(keras.ops.relu), (8, 8, 3)).convs) == ["own"]
    with pytest.raises(InputError, match="functional API"):
        graph.trace(Own(tf.nn.relu), (8, 8, 3))
