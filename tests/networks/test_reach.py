"""Receptive fields of every kind of operation, against the pixels that the gradient reaches."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnviz.networks import graph, opened
from cnnviz.networks.receptive_field import boxes, field

pytestmark = pytest.mark.pipeline  # networks of many kinds: a minute, too much for the unit tests

layers, ops = keras.layers, keras.ops
SIZE = (21, 26)


def conv(kernel: Any = 3, **options: Any) -> Any:
    return layers.Conv2D(2, kernel, **({"padding": "same"} | options))


class Mish(layers.Layer):
    """Traced through operations."""

    def call(self, x: Any) -> Any:
        return x * ops.tanh(ops.softplus(x))


class Moved(layers.Layer):
    """Traced through operations that are not position by position."""

    def call(self, x: Any) -> Any:
        return ops.pad(x, ((0, 0), (2, 0), (0, 0), (0, 0)))[:, :-2]


class Padded(layers.Conv2D):
    """A derived convolution that pads by itself."""

    def call(self, x: Any) -> Any:
        return super().call(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))

    def compute_output_spec(self, x: Any) -> Any:
        return keras.KerasTensor((x.shape[0], x.shape[1], x.shape[2], self.filters))


class Doubled(layers.Conv2D):
    """A derived convolution that TensorFlow computes with."""

    def call(self, x: Any) -> Any:
        return super().call(tf.identity(x)) * 2


class Standardized(layers.Conv2D):
    """A derived convolution whose kernel is made when it is called."""

    def call(self, x: Any) -> Any:
        mean, variance = ops.moments(self.kernel, (0, 1, 2), keepdims=True)
        return ops.conv(x, (self.kernel - mean) / ops.sqrt(variance + 1e-5), padding=self.padding)


def shuffled(x: Any) -> Any:
    """Channel shuffle, as in ShuffleNet."""
    _, height, width, channels = x.shape
    x = ops.reshape(x, (-1, height, width, channels // 2, 2))
    return layers.Reshape((height, width, channels))(ops.transpose(x, (0, 1, 2, 4, 3)))


def enlarged(x: Any) -> Any:
    """Pixels out of channels, by hand."""
    _, height, width, _ = x.shape
    x = layers.Reshape((height, width, 2, 2, 3))(layers.Conv2D(12, 3, padding="same")(x))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 2 * height, 2 * width, 3))


def framed(x: Any) -> Any:
    return ops.concatenate([ops.zeros_like(x[:, :2]), x, x[:, :1]], axis=1)


KINDS: dict[str, Callable[[Any], Any]] = {
    "1x7 beside 7x1": lambda x: layers.Concatenate()([conv((1, 7))(x), conv((7, 1))(x)]),
    "1x7": conv((1, 7)),
    "strides (1, 2)": conv((3, 5), strides=(1, 2)),
    "strides (3, 2), valid": conv(3, strides=(3, 2), padding="valid"),
    "dilation": conv(3, dilation_rate=(2, 3)),
    "depthwise": layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2),
    "separable": layers.SeparableConv2D(2, (5, 3), padding="valid"),
    "derived": Padded(2, 3),
    **{
        f"transposed {padding}, {kernel} by {stride}, {extra}": layers.Conv2DTranspose(
            2, kernel, strides=stride, padding=padding, output_padding=extra
        )
        for padding in ("same", "valid")
        for kernel, stride, extra in (
            (3, 2, None),
            (2, 2, None),
            (4, 2, None),
            (5, 3, None),
            (3, 2, 1),
            ((2, 5), (3, 1), None),
        )
    },
    "transposed, dilated": layers.Conv2DTranspose(2, 3, dilation_rate=2, padding="same"),
    "max pooling": layers.MaxPooling2D((3, 2), strides=2, padding="same"),
    "average pooling": layers.AveragePooling2D(4, strides=3),
    "pooling as an operation": lambda x: ops.average_pool(x, 3, strides=2, padding="same"),
    "nearest": layers.UpSampling2D((2, 3)),
    "bilinear": layers.UpSampling2D((3, 2), interpolation="bilinear"),
    "bicubic": layers.UpSampling2D(2, interpolation="bicubic"),
    **{
        f"resized {interpolation} to {size}{' antialias' if antialias else ''}": layers.Resizing(
            *size, interpolation=interpolation, antialias=antialias
        )
        for interpolation in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")  # area has no gradient
        for size, antialias in (((9, 11), False), ((33, 40), False), ((9, 11), interpolation[0] in "bl"))
    },
    "resized, cropped to its shape": layers.Resizing(10, 10, crop_to_aspect_ratio=True),
    "resized, padded to its shape": layers.Resizing(12, 12, pad_to_aspect_ratio=True),
    "resized as an operation": lambda x: ops.image.resize(x, (14, 13)),
    "padded": layers.ZeroPadding2D(((1, 2), (3, 0))),
    "cropped": layers.Cropping2D(((1, 2), (3, 0))),
    "center crop": layers.CenterCrop(10, 11),
    "center crop, larger": layers.CenterCrop(30, 30),
    "random crop": layers.RandomCrop(10, 11),
    "random flip": layers.RandomFlip(),
    "random rotation": layers.RandomRotation(0.2),
    "noise": layers.GaussianNoise(0.1),
    "rescaling": layers.Rescaling(1 / 127.5, offset=-1),
    "normalization": layers.Normalization(mean=[1, 2, 3], variance=[1, 2, 3]),
    "dense": layers.Dense(2),
    "layer normalization": layers.LayerNormalization(),
    "layer normalization, whole": layers.LayerNormalization(axis=[1, 2, 3]),
    "group normalization": lambda x: layers.GroupNormalization(2)(conv()(x)),
    "softmax": layers.Softmax(),
    "softmax along a side": layers.Softmax(axis=1),
    "permuted": layers.Permute((2, 1, 3)),
    "transposed axes": lambda x: conv((1, 3))(ops.transpose(x, (0, 2, 1, 3))),
    "arithmetic": lambda x: 1 - ops.relu(x / 127.5 - 1) + x,
    "channels reversed": lambda x: x[..., ::-1],
    "slices": lambda x: x[:, 3:, 1:-1:2],
    "rows reversed": lambda x: x[:, ::-1],
    "flipped": lambda x: ops.flip(x, axis=2),
    "one row": lambda x: x[:, 4][:, None],
    "a slice": lambda x: ops.slice(x, (0, 2, 3, 0), (1, 5, 6, 3)),
    "halves": lambda x: ops.split(x, 2, axis=2)[1] + 1,
    "rolled": lambda x: ops.roll(x, 1, axis=1),
    "padding as an operation": lambda x: ops.pad(x, ((0, 0), (2, 1), (0, 3), (0, 0))),
    **{
        f"{mode} padding of one side": lambda x, mode=mode: conv(3, padding="valid")(
            ops.pad(conv((1, 3))(x), ((0, 0), (3, 0), (0, 4), (0, 0)), mode=mode)
        )
        for mode in ("reflect", "symmetric")
    },
    "rows joined": lambda x: ops.concatenate([x[:, ::-1], conv((3, 1))(x)[..., :1] + x], axis=1),
    "columns joined": lambda x: layers.Concatenate(axis=2)([x, conv()(x)[..., :1] + x]),
    "framed": framed,
    "mean over columns": lambda x: ops.mean(x, axis=2, keepdims=True),
    "mean over both": lambda x: x - ops.mean(x, axis=(1, 2), keepdims=True),
    "repeated": lambda x: ops.repeat(x, 3, axis=1),
    "channel shuffle": lambda x: shuffled(layers.Conv2D(4, 3)(x)),
    "pixels out of channels": enlarged,
    "depth to space": lambda x: ops.depth_to_space(layers.Conv2D(8, 3)(x), 2),
    "flattened, changed and back": lambda x: layers.Reshape((*SIZE, 3))(layers.ReLU()(layers.Flatten()(x)) + 1),
    "dense at each row": layers.TimeDistributed(layers.Dense(2)),
    "convolution of each row": layers.TimeDistributed(layers.Conv1D(2, 3)),
    "sums over channels": layers.EinsumDense("bhwc,cd->bhwd", (*SIZE, 2)),
    "derived, calling": Doubled(2, 3, strides=2, padding="same"),
    "derived, standardized": Standardized(2, 3),
    "flattened and back": lambda x: layers.Reshape((*SIZE, 3))(layers.Flatten()(x)),
    "a layer of one's own": lambda x: conv()(Mish()(x)),
    "one that moves": lambda x: Moved()(conv()(x)),
    "squeeze and excitation": lambda x: (
        x * layers.Reshape((1, 1, 3))(layers.Dense(3, activation="sigmoid")(layers.GlobalAveragePooling2D()(x)))
    ),
    "attention": lambda x: layers.MultiHeadAttention(1, 2)(x, x),
}
WIDER = {
    "rolled",
    "convolution of each row",
    *(kind for kind in KINDS if "bicubic" in kind or "lanczos" in kind),
}  # weights of 0 on whole pixels


def seen(model: keras.Model, place: tuple[int, int], trials: int = 1) -> np.ndarray:
    """The box of pixels of the image that a neuron's gradient reaches."""
    found = np.zeros(SIZE, bool)
    for trial in range(trials):  # the maximum of a pooling window lies elsewhere each time
        images = tf.Variable(1 + tf.random.stateless_uniform((1, *SIZE, 3), (trial, 2)))
        with tf.GradientTape() as tape:
            neuron = model(images, training=False)[0, place[0], place[1]]
            neuron = tf.reduce_sum(neuron * np.arange(1, neuron.shape[-1] + 1, dtype="float32"))
        slope = np.abs(np.asarray(tape.gradient(neuron, images))[0]).sum(-1)
        found |= slope > 1e-5 * slope.max()
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    return np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]) if len(rows) else np.zeros(4, int)


@pytest.mark.parametrize("kind", KINDS)
def test_a_box_is_what_the_gradient_reaches(kind: str) -> None:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((*SIZE, 3))
    traced = graph.trace(keras.Model(inputs, KINDS[kind](inputs)), (*SIZE, 3))
    output = traced.calls[-1].output
    model = keras.Model(traced.input, output)
    for weight in model.weights:  # of one sign: no sum can cancel
        weight.assign(np.abs(weight.numpy()) + 0.01)
    height, width = output.shape[1:3]
    places = [(0, 0), (height // 2, width // 2), (height - 1, width - 1), (height // 3, width // 4)]
    found = boxes(output, np.array(places))
    inside = np.clip(found, 0, [*SIZE, *SIZE])
    for box, place in zip(inside, places, strict=True):
        reached = seen(model, place, 6 if "max" in kind else 1)
        exact = kind not in WIDER and place not in (places[0], places[2])  # at the border what is padded is cut off
        if not reached.any():
            assert "framed" in kind or "padded" in kind or box[0] >= box[2] or box[1] >= box[3]
        elif exact:
            assert box.tolist() == reached.tolist(), place
        else:
            assert (box[:2] <= reached[:2]).all(), place
            assert (box[2:] >= reached[2:]).all(), place
    whole = field(output)
    if whole.size is None:
        assert seen(model, places[1]).tolist() == [0, 0, *SIZE]
    else:
        assert (np.array(whole.size) >= (found[:, 2:] - found[:, :2]).max(0)).all()


def test_area_interpolation_by_hand() -> None:
    inputs = keras.Input((10, 4, 3))
    resized = layers.Resizing(4, 8, interpolation="area")(inputs)  # rows 2.5 each, columns half
    assert boxes(resized, np.array([[0, 0], [1, 3]])).tolist() == [[0, 0, 3, 1], [2, 1, 5, 2]]


def unet(x: Any) -> Any:
    """Twice down, twice up, and across."""
    first = conv()(layers.ZeroPadding2D(((0, 3), (0, 2)))(x))
    x = conv()(layers.MaxPooling2D(2)(conv()(layers.MaxPooling2D(2)(first))))
    for _ in range(2):
        x = layers.Conv2DTranspose(2, 2, strides=2)(x)
    return conv()(layers.Concatenate()([x, first]))


@pytest.mark.parametrize(
    ("build", "size", "jump"),
    [
        (unet, [22, 22], [1, 1]),
        (lambda x: conv((1, 7), strides=(1, 2))(conv((5, 1))(x)), [5, 7], [1, 2]),
        (lambda x: conv()(layers.UpSampling2D(2)(layers.MaxPooling2D(4)(x))), [8, 8], [2, 2]),
        (layers.Conv2DTranspose(2, 4, strides=4), [1, 1], [0.25, 0.25]),
        (lambda x: conv()(layers.Resizing(14, 13)(x)), [5, 6], [1.5, 2]),
        (lambda x: ops.transpose(conv((1, 3), strides=(2, 1))(x), (0, 2, 1, 3)), [1, 3], [2, 1]),
        (lambda x: conv()(ops.mean(x, axis=2, keepdims=True)), [3, 26], [1, 26]),
        (lambda x: layers.Dense(2)(layers.GlobalAveragePooling2D(keepdims=True)(x)), None, None),
    ],
)
def test_field_and_jump_by_hand(build: Callable[[Any], Any], size: Any, jump: Any) -> None:
    found = field(build(keras.Input((*SIZE, 3))))
    assert (found.size, found.jump) == (size, jump)


def test_a_gate_and_a_normalization_leave_the_local_field() -> None:
    inputs = keras.Input((*SIZE, 3))
    x = conv()(inputs)
    gate = layers.Dense(2)(layers.GlobalAveragePooling2D()(x))
    x = layers.GroupNormalization(2)(x * layers.Reshape((1, 1, 2))(gate))
    x = conv()(x)
    assert field(x).size is None
    assert field(x, local=True).size == [5, 5]
    assert boxes(x, np.array([[10, 10]])).tolist() == [[0, 0, *SIZE]]


@pytest.mark.parametrize("mode", ["reflect", "symmetric"])
def test_mirrored_borders_by_hand(mode: str) -> None:
    inputs = keras.Input((9, 4, 1))
    x = layers.Conv2D(1, (4, 1))(ops.pad(inputs, ((0, 0), (5, 3), (0, 0), (0, 0)), mode=mode))
    rows = np.lib.stride_tricks.sliding_window_view(np.pad(np.arange(9), (5, 3), mode=mode), 4)
    found = boxes(x, np.array([[y, 1] for y in range(len(rows))]))
    np.testing.assert_array_equal(found[:, 0], rows.min(1))
    np.testing.assert_array_equal(found[:, 2], rows.max(1) + 1)
    assert field(x).jump == [1, 1]


@pytest.mark.parametrize("shape", [(30,), (6, 5)])
def test_an_image_given_as_a_row_has_small_fields(shape: tuple[int, ...]) -> None:
    conv2 = layers.Conv2D(2, 3, padding="same", name="conv")
    network = keras.Sequential([keras.Input(shape), layers.Reshape((6, 5, 1)), conv2])
    with pytest.warns(UserWarning, match="is an image of"):
        found = opened(network)[0]
    seen_by = field(graph.trace(found, (6, 5, 1)).convs["conv"].output)
    assert (seen_by.size, seen_by.jump) == ([3, 3], [1, 1])
