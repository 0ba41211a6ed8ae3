"""Crop boxes: by hand where one can count, elsewhere the extent of the gradient."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnviz.networks import graph
from cnnviz.networks.receptive_field import boxes, field

pytestmark = pytest.mark.pipeline  # networks of many kinds: a minute, too much for the unit tests

layers = keras.layers


def reached(model: Any, tensor: Any, y: int, x: int, size: int) -> list[int]:
    """Top, left, bottom and right of the input pixels that the neuron's gradient reaches."""
    probe = keras.Model(model.input, tensor)
    seen = np.zeros((size, size), bool)
    for trial in range(12):  # the maximum of a pooling window lies elsewhere each time
        images = tf.Variable(1 + tf.random.stateless_uniform((1, size, size, 3), (trial, 2)))
        with tf.GradientTape() as tape:
            neuron = probe(images, training=False)[0, y, x, 0]
        seen |= np.abs(tape.gradient(neuron, images).numpy()[0]).sum(-1) > 0
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    return [int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1]


def positive(traced: graph.Graph) -> None:
    """Small positive weights: no ReLU can hide a pixel and no sum can cancel."""
    for call in traced.calls:
        call.layer.set_weights([np.full_like(w, 0.01) for w in call.layer.get_weights()])


def positions(tensor: Any) -> np.ndarray:
    h, w = tensor.shape[1:3]
    return np.array([(0, 0), (0, w - 1), (h // 2, w // 2), (h - 1, w // 3)])


def test_counted_by_hand() -> None:
    inputs = keras.Input((10, 12, 3))
    once = layers.Conv2D(1, 3, padding="same")(inputs)
    assert boxes(once, np.array([[0, 0], [4, 5]])).tolist() == [[-1, -1, 2, 2], [3, 4, 6, 7]]
    # valid: position p sees p..p+2, pooled 2p..2p+3, then three of these: 2p..2p+7
    deep = layers.Conv2D(1, 3)(layers.MaxPooling2D(2)(layers.Conv2D(1, 3)(inputs)))
    assert boxes(deep, np.array([[0, 1]])).tolist() == [[0, 2, 8, 10]]
    # "same" with stride 2 on even sides pads on the far side only: position 0 sees 0..2
    strided = layers.Conv2D(1, 3, strides=2, padding="same")(inputs)
    assert boxes(strided, np.array([[0, 0], [4, 5]])).tolist() == [[0, 0, 3, 3], [8, 10, 11, 13]]


@pytest.mark.parametrize("layer", ["first", "expand", "depthwise", "separable", "dilated"])
def test_equals_the_extent_of_the_gradient_in_a_nested_model(layer: str, tiny: Callable[..., Any]) -> None:
    traced = graph.trace(tiny(None), (40, 40, 3), until=layer)
    positive(traced)
    tensor = traced.convs[layer].output
    for found, (y, x) in zip(boxes(tensor, positions(tensor)), positions(tensor), strict=True):
        assert np.clip(found, 0, 40).tolist() == reached(traced, tensor, y, x, 40)
        assert [found[2] - found[0], found[3] - found[1]] == field(tensor).size


def unusual() -> Any:
    """Layers with unequal strides, dilation, padding, cropping, scaling up and a fork with different offsets."""
    inputs = keras.Input((33, 33, 3))
    x = layers.ZeroPadding2D(((0, 3), (2, 1)))(inputs)
    x = layers.Conv2D(2, (3, 5), strides=(2, 1), padding="valid", name="uneven")(x)
    x = layers.Cropping2D(((1, 0), (2, 3)))(x)
    one = layers.Conv2D(2, 3, padding="same", dilation_rate=(3, 1), name="dilated")(x)
    other = layers.AveragePooling2D(3, strides=1, padding="same")(x)
    x = layers.Add(name="fork")([one, other])
    x = layers.UpSampling2D((2, 3), name="nearest")(x)
    x = layers.Conv2DTranspose(2, 3, strides=2, padding="same", name="transposed")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear", name="bilinear")(x)
    return keras.Model(inputs, layers.Conv2D(2, 3, strides=3, padding="same", name="last")(x))


@pytest.mark.parametrize("layer", ["uneven", "fork", "nearest", "transposed", "bilinear", "last"])
def test_equals_the_extent_of_the_gradient_in_unusual_layers(layer: str) -> None:
    traced = graph.trace(unusual(), (33, 33, 3))
    positive(traced)
    tensor = next(call.output for call in traced.calls if call.name == layer)
    middle = np.array([[side // 2 for side in tensor.shape[1:3]]])
    assert np.clip(boxes(tensor, middle)[0], 0, 33).tolist() == reached(traced, tensor, *middle[0], 33)
    # at the border the network crops what it has padded: less is seen than the box says, never more
    for found, (y, x) in zip(boxes(tensor, positions(tensor)), positions(tensor), strict=True):
        seen = reached(traced, tensor, y, x, 33)
        assert (found[:2] <= seen[:2]).all()
        assert (found[2:] >= seen[2:]).all()


def test_a_gate_over_the_whole_map_makes_the_box_the_whole_image() -> None:
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    gate = layers.Conv2D(4, 1)(layers.GlobalAveragePooling2D(keepdims=True)(x))
    assert boxes(layers.Multiply()([x, gate]), np.array([[8, 8]])).tolist() == [[0, 0, 16, 16]]
    assert boxes(x, np.array([[8, 8]])).tolist() == [[7, 7, 10, 10]]


def test_layers_that_keras_applications_have_of_their_own() -> None:
    network = keras.applications.ConvNeXtTiny(weights=None, include_top=False, input_shape=(64, 64, 3))
    convs = list(graph.trace(network, (64, 64, 3)).convs.values())
    found = field(convs[4].output)  # the stem (4 by 4), three blocks of 7 x 7, and the next one's 2 x 2
    assert (found.size, found.jump) == ([4 + 3 * 6 * 4 + 4] * 2, [8, 8])
