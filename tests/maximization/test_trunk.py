"""The trunk against Keras's own run of the same layers: values and gradients down to the image."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from cnnviz.maximization.ascent.trunk import Trunk
from cnnviz.networks import graph, preprocess

pytestmark = pytest.mark.pipeline  # traces and renders: longer than the unit tests may take

CAFFE = {"name": "caffe", "scale": 1.0, "offset": [-103.9, -116.8, -123.7], "reverse_channels": True}
RAW = {"name": "raw", "scale": 1 / 255, "offset": 0.0, "reverse_channels": False}
RGB, GREY = (20, 18, 3), (20, 18, 1)


def conv(filters: int, size: Any = 3, **options: Any) -> layers.Conv2D:
    return layers.Conv2D(filters, size, **{"padding": "same", "activation": "relu", **options})


def vgg() -> list[Any]:
    """As in VGG16, and a pooling whose windows overlap."""
    return [conv(8), conv(8), layers.MaxPooling2D(), conv(12), layers.MaxPooling2D(3, 2, padding="same"), conv(5)]


def pooled_at_once() -> list[Any]:
    return [conv(6, (5, 3), use_bias=False), layers.MaxPooling2D(), conv(4, activation=None)]


def separate_relu() -> list[Any]:
    norm = [conv(6, activation=None), layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D()]
    return [*norm, conv(6, activation=None), layers.Activation("relu"), layers.MaxPooling2D(), conv(4)]


def left_as_they_are() -> list[Any]:
    """Leaky and capped ReLU, mean pooling, a first convolution with strides."""
    leaky = [conv(6, strides=2, activation=None), layers.ReLU(negative_slope=0.1), layers.MaxPooling2D()]
    return [*leaky, conv(6, activation="relu6"), layers.MaxPooling2D(), conv(6), layers.AveragePooling2D(2)]


def branched(inputs: Any) -> Any:
    """The output of a ReLU goes to a pooling and to a convolution, the image to two convolutions."""
    both = conv(6, name="both")(inputs)
    pooled = layers.MaxPooling2D(name="pool")(both)
    return layers.Add()([pooled, conv(6, strides=2)(both), conv(6, strides=2)(inputs)])


def shared(inputs: Any) -> Any:
    """One convolution and one pooling, each called twice."""
    twice, pool = conv(3), layers.MaxPooling2D()
    return conv(4)(pool(twice(pool(twice(inputs)))))


def operations(inputs: Any) -> Any:
    """Operations that are no layers: in front, between, behind."""
    x = inputs / 127.5 - 1.0
    x = keras.ops.relu(conv(6, activation=None)(x[..., ::-1]))
    x = layers.MaxPooling2D()(x)
    return keras.ops.concatenate([conv(4)(x), keras.ops.sin(x)], axis=-1) * 2.0 + keras.ops.mean(
        x, axis=3, keepdims=True
    )


def up_and_down(inputs: Any) -> Any:
    """Transposed convolutions, skips, a grouped and a dilated convolution, PReLU of a fixed size."""
    down = layers.PReLU()(conv(6, strides=2, activation=None)(inputs))
    deep = layers.MaxPooling2D(padding="same")(conv(6, groups=2, dilation_rate=2)(down))
    up = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(deep)
    up = layers.Cropping2D(((0, up.shape[1] - down.shape[1]), (0, up.shape[2] - down.shape[2])))(up)
    up = layers.Conv2DTranspose(5, 2, strides=2, name="last")(layers.Concatenate()([up, down]))
    return layers.MaxPooling2D()(layers.ReLU()(up))


def excited(inputs: Any) -> Any:
    """Squeeze and excitation, in a nested model that is called twice."""
    inner_in = keras.Input((None, None, 6))
    y = conv(6)(inner_in)
    squeezed = layers.Reshape((1, 1, 6))(layers.GlobalAveragePooling2D()(y))
    inner = keras.Model(inner_in, layers.Multiply()([y, conv(6, 1, activation="sigmoid")(squeezed)]), name="inner")
    return inner(layers.MaxPooling2D()(inner(conv(6)(inputs))))


@keras.saving.register_keras_serializable("tests")
class Squared(keras.layers.Layer):
    """A layer of one's own, without a configuration of its own."""

    def __init__(self, power: int, **options: Any) -> None:
        super().__init__(**options)
        self.power = power

    def call(self, x: Any) -> Any:
        return keras.ops.power(x, self.power)


def own() -> list[Any]:
    return [conv(6), Squared(2), layers.MaxPooling2D(), layers.LeakyReLU(), conv(3, (1, 5))]


def of(build: Callable[..., Any], shape: tuple[int, ...]) -> keras.Model:
    keras.utils.set_random_seed(1)
    if build in (branched, shared, operations, up_and_down, excited):
        inputs = keras.Input(shape)
        model = keras.Model(inputs, build(inputs))
    else:
        model = keras.Sequential([keras.Input(shape), *build()])
    rng = np.random.default_rng(2)
    for weight in model.weights:  # biases and statistics too, so that some units are silent and others not
        shape, value = weight.shape, np.asarray(weight.value)
        weight.assign(rng.uniform(0.5, 1.5, shape) if "var" in weight.path else value + rng.normal(0, 0.1, shape))
    return model


def gradients(run: Callable[[tf.Tensor], list[tf.Tensor]], shape: tuple[int, ...]) -> tuple[list[Any], Any]:
    """Values, and the gradient of their product with random numbers."""
    images = tf.constant(np.random.default_rng(3).uniform(0, 1, (2, *shape)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(images)
        values = run(images)
        total = tf.add_n(
            [tf.reduce_sum(v * np.random.default_rng(4).normal(size=v.shape).astype("float32")) for v in values]
        )
    return [value.numpy() for value in values], tape.gradient(total, images).numpy()


@pytest.mark.parametrize(
    ("build", "shape", "preprocessing", "replaced"),
    [
        (vgg, RGB, CAFFE, {"conv2d": False, "conv2d_1": True, "conv2d_2": True}),
        (vgg, RGB, lambda images: images / 127.5 - 1, {"conv2d": False, "conv2d_1": True, "conv2d_2": True}),
        (pooled_at_once, GREY, RAW, {"conv2d": True}),
        (pooled_at_once, RGB, CAFFE, {"conv2d": True}),
        (separate_relu, RGB, RAW, {"conv2d": False, "re_lu": True, "activation": True}),
        (left_as_they_are, RGB, CAFFE, {}),
        (branched, RGB, CAFFE, {}),
        (shared, RGB, RAW, {}),
        (operations, RGB, RAW, {}),
        (up_and_down, RGB, CAFFE, {"conv2d_1": True, "re_lu": True}),
        (up_and_down, (21, 34, 4), RAW, {"conv2d_1": True, "re_lu": True}),
        (excited, RGB, RAW, {"conv2d_2": False}),
        (own, (17, 40, 5), RAW, {}),
    ],
)
def test_values_and_gradients_are_kerass_own(
    build: Any, shape: tuple[int, ...], preprocessing: Any, replaced: dict[str, bool]
) -> None:
    """`replaced`: layers that do not run as Keras runs them, and whether the pooling behind masks their ReLU."""
    keras.utils.clear_session(free_memory=False)
    traced = graph.trace(of(build, shape), shape)
    outputs = [traced.calls[-1].output]
    trunk, plain = Trunk(traced, outputs, preprocessing), keras.Model(traced.input, outputs)
    units = {layer.name: layer.masked for layer in trunk.model.layers if type(layer).__name__ == "_Unit"}
    assert units == replaced
    assert sum(type(layer).__name__ == "_MaskedPool" for layer in trunk.model.layers) == sum(replaced.values())

    values, gradient = gradients(trunk, shape)
    expected, wanted = gradients(
        lambda images: [plain(preprocess(images * 255.0, preprocessing), training=False)], shape
    )
    np.testing.assert_allclose(values[0], expected[0], rtol=1e-4, atol=1e-5 * np.abs(expected[0]).max())
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())
    assert np.abs(wanted).max() > 0


def test_a_relu_that_an_objective_looks_at_keeps_its_own_gradient() -> None:
    keras.utils.clear_session(free_memory=False)
    traced = graph.trace(of(vgg, RGB), RGB)
    outputs = [traced.convs["conv2d_1"].output, traced.calls[-1].output]
    trunk, plain = Trunk(traced, outputs, RAW), keras.Model(traced.input, outputs)
    values, gradient = gradients(trunk, RGB)
    expected, wanted = gradients(lambda images: plain(images * 255.0 / 255, training=False), RGB)
    for value, same in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, same, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


def test_an_objective_that_looks_at_the_input_sees_the_colours_that_the_network_wants() -> None:
    """As channels of the first convolution do: their one map is computed from its input."""
    keras.utils.clear_session(free_memory=False)
    traced = graph.trace(of(vgg, RGB), RGB)
    for outputs in ([traced.input], [traced.input, traced.calls[-1].output]):
        trunk, plain = Trunk(traced, outputs, CAFFE), keras.Model(traced.input, outputs)
        values, gradient = gradients(trunk, RGB)
        expected, wanted = gradients(
            lambda images, plain=plain: keras.tree.flatten(plain(preprocess(images * 255.0, CAFFE))),
            RGB,
        )
        for value, same in zip(values, expected, strict=True):
            np.testing.assert_allclose(value, same, rtol=1e-4, atol=1e-5 * np.abs(same).max())
        np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())
