"""What a card computes with, on this CPU: against TensorFlow's and Keras's own operations, values and gradients."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnviz.maximization.ascent import channel_maps, parameterization, transforms
from cnnviz.maximization.ascent.lowering import Lowered
from cnnviz.maximization.ascent.pooling import max_pool
from cnnviz.networks import folding, graph, preprocess
from tests.maximization import test_trunk as networks

pytestmark = pytest.mark.pipeline  # compiles: longer than the unit tests may take


def both(one: Callable[..., Any], other: Callable[..., Any], inputs: tf.Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    """Value, and the gradient of its product with random numbers, of both."""
    found = []
    for run in (one, other):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = run(inputs)
            weights = np.random.default_rng(4).integers(-8, 9, value.shape)
            total = tf.reduce_sum(value * tf.cast(tf.constant(weights), value.dtype))
        found.append([tf.cast(a, tf.float32).numpy() for a in (value, tape.gradient(total, inputs))])
    return list(zip(*found, strict=True))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("size", [(16, 16), (20, 31), (1, 9)])
def test_a_gathered_transform_is_tensorflows_own(
    size: tuple[int, int], compiled: bool, rng: np.random.Generator
) -> None:
    images = tf.constant(rng.uniform(size=(4, *size, 3)).astype("float32"))
    drawn = [transforms.draw(rng, 1, size, jitter=0.3, scale=0.4, rotate=60)[0] for _ in range(3)]
    moves = tf.constant(np.stack([*drawn, transforms.draw(rng, 1, size, 0, 0, 0)[0]]))
    gathered = tf.function(transforms.gathered, jit_compile=compiled)
    value, gradient = both(lambda x: transforms.apply(x, moves), lambda x: gathered(x, moves), images)
    np.testing.assert_allclose(value[1], value[0], atol=2e-5)
    # at the border of what comes in, where a last bit of a coordinate decides
    assert (np.abs(gradient[1] - gradient[0]) > 1e-3).mean() < 0.002
    assert np.abs(gradient[0]).max() > 1


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(
    ("window", "strides", "padding"),
    [
        ((2, 2), (2, 2), "valid"),
        ((2, 2), (2, 2), "same"),
        ((3, 2), (3, 2), "same"),
        ((3, 3), (2, 2), "same"),
        ((3, 3), (1, 1), "same"),
        ((2, 3), (1, 2), "valid"),
        ((2, 2), (3, 3), "valid"),
    ],
)
def test_a_pooling_that_scatters_nothing_is_tensorflows_own(
    window: Any, strides: Any, padding: str, dtype: str, compiled: bool, rng: np.random.Generator
) -> None:
    """On whole numbers, most of which are there twice in a window: the first one gets the gradient."""
    maps = tf.cast(tf.constant(rng.integers(-2, 3, (2, 13, 11, 4))), dtype)
    own = tf.function(lambda x: max_pool(x, window, strides, padding), jit_compile=compiled)
    for theirs, mine in both(lambda x: tf.nn.max_pool2d(x, window, strides, padding.upper()), own, maps):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("build", "shape", "preprocessing"),
    [
        (networks.vgg, networks.RGB, networks.CAFFE),
        (networks.vgg, networks.RGB, lambda images: images / 127.5 - 1),
        (networks.separate_relu, networks.RGB, networks.RAW),
        (networks.branched, networks.RGB, networks.CAFFE),
        (networks.shared, networks.RGB, networks.RAW),
        (networks.operations, networks.RGB, networks.RAW),
        (networks.up_and_down, (21, 34, 4), networks.RAW),
        (networks.excited, networks.RGB, networks.RAW),
        (networks.own, (17, 40, 5), networks.RAW),
    ],
)
def test_in_float32_values_and_gradients_are_kerass_own(
    build: Any, shape: tuple[int, ...], preprocessing: Any, compiled: bool
) -> None:
    keras.utils.clear_session(free_memory=False)
    traced = graph.trace(networks.of(build, shape), shape)
    outputs = [traced.calls[-1].output]
    lowered, plain = Lowered(traced, outputs, preprocessing, "float32"), keras.Model(traced.input, outputs)
    values, gradient = networks.gradients(tf.function(lowered, jit_compile=compiled, autograph=False), shape)
    expected, wanted = networks.gradients(
        lambda images: [plain(preprocess(images * 255.0, preprocessing), training=False)], shape
    )
    np.testing.assert_allclose(values[0], expected[0], rtol=1e-4, atol=1e-5 * np.abs(expected[0]).max())
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize(("precision", "near", "alike"), [("bfloat16", 0.05, 0.9), ("float16", 0.01, 0.98)])
@pytest.mark.parametrize("build", [networks.vgg, networks.up_and_down, networks.excited, networks.separate_relu])
def test_in_half_precision_values_and_gradients_are_near(build: Any, precision: str, near: float, alike: float) -> None:
    """Of gradients the direction: where two values of a window are rounded to one, another one gets it."""
    keras.utils.clear_session(free_memory=False)
    traced = graph.trace(networks.of(build, networks.RGB), networks.RGB)
    outputs = [traced.calls[-1].output]
    both_ways = [Lowered(traced, outputs, networks.RAW, one) for one in ("float32", precision)]
    (values, gradient), (low, lower) = (
        networks.gradients(lambda images, run=run: [tf.cast(one, tf.float32) for one in run(images)], networks.RGB)
        for run in both_ways
    )
    assert np.linalg.norm(low[0] - values[0]) < near * np.linalg.norm(values[0])
    assert np.vdot(lower, gradient) > alike * np.linalg.norm(lower) * np.linalg.norm(gradient)
    assert (lower != gradient).any()


@pytest.mark.parametrize(
    ("layer", "options"),
    [
        (keras.layers.Conv2D, {"padding": "same"}),
        (keras.layers.Conv2D, {"padding": "same", "strides": 2}),
        (keras.layers.Conv2D, {"padding": "valid", "strides": (3, 2)}),
        (keras.layers.Conv2D, {"padding": "same", "dilation_rate": (2, 3)}),
    ],
)
def test_taps_that_are_shifted_are_a_convolution(layer: Any, options: dict[str, Any], rng: np.random.Generator) -> None:
    inputs = keras.Input((15, 12, 5))
    model = keras.Model(inputs, layer(6, (4, 3), bias_initializer="normal", name="conv", **options)(inputs))
    conv = graph.trace(model, (15, 12, 5)).convs["conv"]
    kernels, offsets = (tf.constant(one) for one in folding.filter_kernels(conv, [4, 0, 2]))
    maps = tf.constant(rng.normal(size=(3, 15, 12, 5)).astype("float32"))
    for plain, shifted in both(
        lambda x: channel_maps.channel_maps(conv, x, kernels, offsets),
        lambda x: channel_maps.channel_maps(conv, x, kernels, offsets, shifted=True),
        maps,
    ):
        np.testing.assert_allclose(shifted, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("contrast", [0.0, 0.5])
def test_colours_mixed_as_a_sum_are_those_of_a_product(contrast: float, rng: np.random.Generator) -> None:
    plain, fused = (parameterization.Fourier((12, 9), contrast=contrast) for _ in range(2))
    fused.fused = True
    variables = tf.constant(100 * np.stack([plain.noise(rng) for _ in range(2)]))
    for one, other in both(plain.images, fused.images, variables):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)
