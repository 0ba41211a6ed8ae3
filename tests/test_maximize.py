"""The maximizer: right numbers, rising scores, the same image alone and in company."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnviz import graph, maximize, maximized, objectives, parameterization, render_cache, selection, transforms
from cnnviz.errors import InputError
from cnnviz.maximize import Renderer, Settings

SHORT = Settings(steps=24, size=32, snapshots=(1, 10))


def before_nonlinearity(network: Any, layer: str, images: np.ndarray) -> np.ndarray:
    """What Keras itself computes for a layer of the tiny network, up to its nonlinearity."""
    inner = network.get_layer("inner")
    pooled = keras.Model(network.input, network.get_layer("pool").output)(images)
    if layer == "expand":
        return keras.Model(inner.input, inner.get_layer("expand_bn").output)(pooled).numpy()
    if layer == "depthwise":
        return inner(pooled).numpy()
    own = network.get_layer(layer)
    activation, own.activation = own.activation, keras.activations.linear
    try:
        return own(keras.Model(network.input, own.input)(images)).numpy()
    finally:
        own.activation = activation


@pytest.mark.parametrize("layer", ["first", "expand", "depthwise", "separable", "dilated"])
def test_channel_maps_equal_the_keras_layer(
    layer: str, tiny: Callable[..., Any], rng: np.random.Generator, raw: dict[str, Any]
) -> None:
    network = tiny()
    images = rng.normal(size=(3, 24, 24, 3)).astype("float32")
    traced = graph.trace(network, (24, 24, 3))
    conv, filters = traced.convs[layer], [5, 0, 3]
    kernels, offsets = objectives.filter_kernels(conv, filters)
    inputs = keras.Model(traced.input, conv.input)(images)
    maps = objectives.channel_maps(conv, inputs, tf.constant(kernels), tf.constant(offsets))
    expected = before_nonlinearity(network, layer, images)
    for i, k in enumerate(filters):
        np.testing.assert_allclose(maps[i], expected[i, ..., k], rtol=1e-4, atol=1e-4)


def test_grouped_and_even_kernels_equal_the_keras_layer(rng: np.random.Generator) -> None:
    inputs = keras.Input((9, 10, 8))
    layer = keras.layers.Conv2D(
        6, (4, 2), strides=(2, 3), padding="same", groups=2, bias_initializer="normal", name="g"
    )
    model = keras.Model(inputs, layer(inputs))
    conv = graph.trace(model, (9, 10, 8)).convs["g"]
    x = rng.normal(size=(6, 9, 10, 8)).astype("float32")
    kernels, offsets = objectives.filter_kernels(conv, list(range(6)))
    maps = objectives.channel_maps(conv, tf.constant(x), tf.constant(kernels), tf.constant(offsets))
    expected = tf.concat([tf.nn.conv2d(x[..., g * 4 : g * 4 + 4], layer.kernel[..., g * 3 : g * 3 + 3], (2, 3), "SAME")
                          for g in range(2)], -1) + layer.bias  # fmt: skip
    for i in range(6):
        np.testing.assert_allclose(maps[i], expected[i, ..., i], rtol=1e-4, atol=1e-5)


def test_scores_by_hand() -> None:
    maps = tf.constant([[[1.0, -3.0], [2.0, 4.0]]])
    assert objectives.score(maps, "pre_activation", tf.constant(0.0)).numpy().tolist() == [1.0]
    assert objectives.score(maps, "post_activation", tf.constant(0.0)).numpy().tolist() == [1.75]


@pytest.mark.parametrize(("leak", "expected"), [(1.0, [0.25, 0.25]), (0.0, [0.25, 0.0])])
def test_gradient_passes_a_silent_unit_only_while_it_leaks(leak: float, expected: list[float]) -> None:
    maps = tf.Variable([[[1.0, -3.0], [2.0, -4.0]]])
    with tf.GradientTape() as tape:
        value = objectives.score(maps, "post_activation", tf.constant(leak))
    assert value.numpy().tolist() == [0.75]
    assert tape.gradient(value, maps).numpy()[0, 0].tolist() == expected


@pytest.mark.parametrize("size", [12, 13])
def test_fourier_images_equal_numpys_inverse_fft(size: int, rng: np.random.Generator) -> None:
    coefficients = parameterization.noise(rng, size, std=1.0)
    got = parameterization.Fourier(size).images(tf.constant(coefficients[None])).numpy()[0]
    spectrum = (coefficients[:, :, 0] + 1j * coefficients[:, :, 1]) * parameterization.spectrum_scale(size)
    planes = np.fft.irfft2(spectrum.transpose(0, 2, 1), s=(size, size))
    colours = np.einsum("chw,dc->hwd", planes, parameterization.COLOUR)
    np.testing.assert_allclose(got, 1 / (1 + np.exp(-colours)), atol=1e-5)


def test_amplitudes_fall_as_one_over_the_frequency() -> None:
    scale = parameterization.spectrum_scale(64)
    assert scale[4, 0] == pytest.approx(2 * scale[8, 0])
    assert scale[8, 0] == scale[0, 8] == scale[0, -8]


def test_no_amount_is_the_identity_and_a_shift_moves_pixels(rng: np.random.Generator) -> None:
    images = tf.constant(rng.uniform(size=(2, 8, 8, 3)).astype("float32"))
    still = transforms.draw(rng, 1, 8, jitter=0, scale=0, rotate=0)
    np.testing.assert_allclose(transforms.apply(images, tf.constant(np.repeat(still, 2, 0))), images, atol=1e-6)
    right = np.array([[1, 0, 2, 0, 1, 0, 0, 0], [1, 0, 0, 0, 1, 0, 0, 0]], "float32")  # output (x, y) reads (x + 2, y)
    moved = transforms.apply(images, tf.constant(right)).numpy()
    np.testing.assert_allclose(moved[0, :, :6], images[0, :, 2:], atol=1e-6)
    np.testing.assert_allclose(moved[0, :, 6:], 0.5)
    np.testing.assert_allclose(moved[1], images[1], atol=1e-6)


def test_transforms_stay_in_their_bounds_around_the_centre() -> None:
    drawn = transforms.draw(np.random.default_rng(1), 500, 100, jitter=0.06, scale=0.1, rotate=5)
    factor = 1 / np.hypot(drawn[:, 0], drawn[:, 3])
    angle = np.rad2deg(np.arctan2(drawn[:, 3], drawn[:, 0]))
    assert 0.9 <= factor.min() < 0.92
    assert 1.08 < factor.max() <= 1.1
    assert 4.5 < np.abs(angle).max() <= 5
    centre = np.array([49.5, 49.5, 1])
    moved = np.stack([drawn[:, :3] @ centre, drawn[:, 3:6] @ centre], 1) - 49.5
    assert 5.5 < np.abs(moved).max() <= 6


@pytest.mark.parametrize("objective", ["post_activation", "pre_activation"])
def test_score_rises_and_beats_noise(objective: str, tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    settings = dataclasses.replace(SHORT, objective=objective)
    result = Renderer(tiny(None), raw, "expand", settings, "d").render([0, 3, 5])
    assert result.images.shape == (3, 32, 32, 3)
    assert result.scores.shape == (3, 24)
    assert result.snapshot_steps.tolist() == [1, 10, 24]
    assert (result.snapshot_scores[:, 2] > result.snapshot_scores[:, 0]).all()
    np.testing.assert_array_equal(result.images, result.snapshots[:, -1])


def test_same_image_alone_in_company_in_any_order(tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    renderer = Renderer(tiny(None), raw, "dilated", SHORT, "d")
    together = renderer.render([0, 7, 3, 11])
    turned = renderer.render([11, 3, 7, 0])
    alone = Renderer(tiny(None), raw, "dilated", SHORT, "d").render([7])
    np.testing.assert_array_equal(together.snapshots, turned.snapshots[::-1])
    np.testing.assert_array_equal(together.scores, turned.scores[::-1])
    np.testing.assert_array_equal(together.images[1], alone.images[0])
    np.testing.assert_array_equal(together.scores[1], alone.scores[0])


def test_seed_and_network_change_the_image(tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    first = Renderer(tiny(None), raw, "first", SHORT, "d").render([1]).images
    other_seed = Renderer(tiny(None), raw, "first", dataclasses.replace(SHORT, seed=1), "d").render([1]).images
    other_digest = Renderer(tiny(None), raw, "first", SHORT, "e").render([1]).images
    assert (first != other_seed).any()
    assert (first != other_digest).any()


def test_cache_returns_what_was_stored_and_nothing_else(
    tiny: Callable[..., Any], raw: dict[str, Any], tmp_path: Path
) -> None:
    result = Renderer(tiny(None), raw, "first", SHORT, "d").render([1, 4])
    cache = render_cache.RenderCache(tmp_path, "d", raw)
    cache.store("first", SHORT, result)
    joined = render_cache.join([r for k in (4, 1) if (r := cache.load("first", k, SHORT)) is not None])
    for field in dataclasses.fields(result):
        expected = getattr(result, field.name)
        expected = expected if field.name == "snapshot_steps" else expected[::-1]
        np.testing.assert_array_equal(getattr(joined, field.name), expected, err_msg=field.name)
    assert cache.load("first", 2, SHORT) is None
    assert cache.load("expand", 1, SHORT) is None
    assert render_cache.RenderCache(tmp_path, "other", raw).load("first", 1, SHORT) is None
    for file in tmp_path.rglob("*.npz"):
        file.write_bytes(file.read_bytes()[:100])
    assert cache.load("first", 1, SHORT) is None


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Settings)])
def test_every_setting_is_part_of_the_cache_key(field: str, tmp_path: Path, raw: dict[str, Any]) -> None:
    cache = render_cache.RenderCache(tmp_path, "d", raw)
    value = getattr(SHORT, field)
    other: Any = value + "x" if isinstance(value, str) else (*value, 3) if isinstance(value, tuple) else value + 1
    assert cache._path("a", 0, SHORT) != cache._path("a", 0, dataclasses.replace(SHORT, **{field: other}))


def test_unreachable_canvas_is_an_error(tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="does not accept"):
        Renderer(tiny(None), raw, "separable", dataclasses.replace(SHORT, size=8), "d")


def test_gains_and_status_by_hand() -> None:
    def rendered(snapshot_scores: list[list[float]], start: list[float], peaks: list[float]) -> maximize.Rendered:
        n = len(peaks)
        empty = np.zeros((n, 8, 8, 3), "uint8")
        return maximize.Rendered(
            filters=np.arange(n),
            images=empty,
            scores=np.array(start)[:, None],
            snapshot_steps=np.array([10, 100, 128]),
            snapshots=np.stack([empty] * 3, 1),
            snapshot_scores=np.array(snapshot_scores),
            peaks=np.array(peaks),
        )

    result = rendered([[1, 4, 6], [0, 0, 0], [2, 1, 1]], [0.5, 0, 3], [9, 0, 5])
    assert maximized.gain(result, 10, 100).tolist() == [3, 0, -1]
    assert maximized.gain(result, 10, 128).tolist() == [5, 0, -1]
    assert np.isnan(maximized.gain(result, 10, 512)).all()
    assert maximized.status(result).tolist() == ["ok", "weak", "weak"]


@pytest.mark.parametrize(
    ("field", "input_size", "expected"),
    [(3, 224, 64), (14, 224, 112), (40, 224, 128), (None, 224, 128), (14, 32, 64), (32, 32, 64), (3, 16, 32)],
)
def test_canvas_by_hand(field: int | None, input_size: int, expected: int) -> None:
    assert maximize.canvas(field, input_size, 128) == expected


MODEL = {"name": "net", "conv_layers": [{"name": f"conv{i}", "filters": 10 * i} for i in range(1, 4)]}


def test_selection_by_hand() -> None:
    assert selection.filters({"conv3": [4, 2], "conv1": 2}, MODEL, "p") == {"conv1": [0, 9], "conv3": [4, 2]}
    assert selection.filters(2, MODEL, "p") == {"conv1": [0, 9], "conv2": [0, 19], "conv3": [0, 29]}
    assert list(selection.filters("auto", MODEL, "p")) == ["conv1", "conv2", "conv3"]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"conv4": [1]}, "p: net has no conv layer 'conv4'; nearest: conv"),
        ({"conv1": [10]}, r"p.conv1: filter 10 asked, out of range; the layer has filters 0\.\.9"),
        ({"conv2": 21}, r"p.conv2: 21 filters asked, out of range; the layer has filters 0\.\.19"),
    ],
)
def test_selection_errors_name_the_choices(chosen: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        selection.filters(chosen, MODEL, "p")
