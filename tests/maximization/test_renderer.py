"""The maximizer: right numbers, rising scores, the same image alone and in company."""

import dataclasses
import hashlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnviz import objectives
from cnnviz.errors import InputError
from cnnviz.maximization import MaximizeSection, chunks, files
from cnnviz.maximization import cache as render_cache
from cnnviz.maximization.ascent import channel_maps, parameterization, transforms
from cnnviz.maximization.ascent import settings as recipe
from cnnviz.maximization.ascent.evaluation import Evaluation
from cnnviz.maximization.ascent.rendered import Rendered, join
from cnnviz.maximization.ascent.renderer import Renderer
from cnnviz.maximization.ascent.settings import Settings
from cnnviz.maximization.chunks import Chunk
from cnnviz.networks import folding, graph, selection, store
from cnnviz.objectives import Objective

pytestmark = pytest.mark.pipeline  # traces and renders: longer than the unit tests may take

SHORT = Settings(steps=24, size=(32, 32), snapshots=(1, 10))


FOR_EVER = {32: "ccafc8f8d5925c9f", 33: "1c595e1cd13e8e0f", 128: "ebc15f01c67af39b"}


def channels(layer: str, *filters: int) -> list[Objective]:
    return [objectives.channel(layer, k) for k in filters]


def same(one: Rendered, other: Rendered) -> None:
    for name, array in one.items():
        np.testing.assert_array_equal(array, getattr(other, name), err_msg=name)


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
    kernels, offsets = folding.filter_kernels(conv, filters)
    inputs = keras.Model(traced.input, conv.input)(images)
    maps = channel_maps.channel_maps(conv, inputs, tf.constant(kernels), tf.constant(offsets))
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
    kernels, offsets = folding.filter_kernels(conv, list(range(6)))
    maps = channel_maps.channel_maps(conv, tf.constant(x), tf.constant(kernels), tf.constant(offsets))
    expected = tf.concat([tf.nn.conv2d(x[..., g * 4 : g * 4 + 4], layer.kernel[..., g * 3 : g * 3 + 3], (2, 3), "SAME")
                          for g in range(2)], -1) + layer.bias  # fmt: skip
    for i in range(6):
        np.testing.assert_allclose(maps[i], expected[i, ..., i], rtol=1e-4, atol=1e-5)


VALUES = np.array([[[1.0, -3.0], [2.0, 4.0]]], "float32")[..., None]  # one image, 2 x 2 positions, one channel


def identity(kernel: float = 1.0) -> Any:
    """A network of one 1x1 convolution."""
    inputs = keras.Input((2, 2, 1))
    layer = keras.layers.Conv2D(1, 1, kernel_initializer=keras.initializers.Constant(kernel), name="conv")
    return keras.Model(inputs, layer(inputs))


@pytest.mark.parametrize(
    ("text", "pre", "post"),
    [
        ("channel(conv, 0)", 1.0, 1.75),
        ("-channel(conv, 0)", -1.0, -1.75),
        ("2 * channel(conv, 0) - neuron(conv, 0)", 1.0, 2.5),
        ("channel(conv, 0) - 0.5 * neuron(conv, 0, 1, 1)", -1.0, -0.25),
        ("neuron(conv, 0, 0, 1) + neuron(conv, 0, 1, 0)", -1.0, 2.0),
        ("direction(conv, {0: -2})", -2.0, 1.5),
        ("layer(conv)", 7.5, 7.5),
    ],
)
def test_values_of_objectives_by_hand(text: str, pre: float, post: float) -> None:
    objective = objectives.parse(text)
    evaluation = Evaluation(
        identity(), {"scale": [1 / 255], "offset": [0], "reverse_channels": False}, (2, 2, 1), objective
    )
    for kind, expected in (("pre_activation", pre), ("post_activation", post)):
        value, _ = evaluation.value(tf.constant(VALUES), evaluation.data([objective]), kind, tf.constant(0.0))
        np.testing.assert_allclose(value, [expected], rtol=1e-5)


@pytest.mark.parametrize(("leak", "expected"), [(1.0, [0.25, 0.25]), (0.0, [0.25, 0.0])])
def test_gradient_passes_a_silent_unit_only_while_it_leaks(leak: float, expected: list[float]) -> None:
    objective, unit = objectives.channel("conv", 0), {"scale": [1 / 255], "offset": [0], "reverse_channels": False}
    evaluation = Evaluation(identity(), unit, (2, 2, 1), objective)
    images = tf.constant(VALUES)
    with tf.GradientTape() as tape:
        tape.watch(images)
        value, peak = evaluation.value(images, evaluation.data([objective]), "post_activation", tf.constant(leak))
    assert value.numpy().tolist() == [1.75]
    assert peak.numpy().tolist() == [4.0]
    np.testing.assert_allclose(tape.gradient(value, images).numpy()[0, 0, :, 0], expected, rtol=1e-6)


def test_logit_and_features_equal_the_keras_layers(
    tiny: Callable[..., Any], raw: dict[str, Any], rng: np.random.Generator
) -> None:
    network = tiny(head=True)
    images = rng.uniform(size=(3, 24, 24, 3)).astype("float32")
    wanted = [objectives.logit(k) for k in (3, 0, 2)]
    evaluation = Evaluation(network, raw, (24, 24, 3), wanted[0])
    value, _ = evaluation.value(tf.constant(images), evaluation.data(wanted), "post_activation", tf.constant(0.0))
    probabilities = network(images * 255).numpy()
    expected = np.log(probabilities)  # logits but for one number per image
    same, _, features = evaluation.inspect(tf.constant(images), evaluation.data(wanted), "post_activation")
    got = features.numpy()
    np.testing.assert_allclose(same, value, rtol=1e-6)
    np.testing.assert_allclose(got - got[:, :1], expected - expected[:, :1], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(value, got[[0, 1, 2], [3, 0, 2]], rtol=1e-5)
    first = Evaluation(network, raw, (24, 24, 3), objectives.channel("first", 0))
    output = keras.Model(network.input, network.get_layer("first").output)(images * 255).numpy()
    data = first.data([objectives.channel("first", k) for k in (0, 1, 2)])
    value, peak, features = first.inspect(tf.constant(images), data, "post_activation")
    np.testing.assert_allclose(features, output.mean((1, 2)), rtol=1e-4)
    np.testing.assert_allclose(value, [output[i, ..., i].mean() for i in range(3)], rtol=1e-4)
    np.testing.assert_allclose(np.maximum(peak, 0), [output[i, ..., i].max() for i in range(3)], rtol=1e-4)


def test_diversity_is_minus_the_mean_cosine_of_gram_matrices(
    tiny: Callable[..., Any], raw: dict[str, Any], rng: np.random.Generator
) -> None:
    network, objective = tiny(None), objectives.diversity("first")
    images = rng.uniform(size=(3, 16, 16, 3)).astype("float32")
    evaluation = Evaluation(network, raw, (16, 16, 3), objective, group=3)
    value, _ = evaluation.value(tf.constant(images), evaluation.data([objective] * 3), "x", tf.constant(0.0))
    output = keras.Model(network.input, network.get_layer("first").output)(images * 255).numpy().reshape(3, -1, 6)
    grams = np.stack([f.T @ f for f in output]).reshape(3, -1)
    cosine = grams @ grams.T / np.outer(*[np.linalg.norm(grams, axis=1)] * 2)
    np.testing.assert_allclose(value, -(cosine.sum(1) - 1) / 2, rtol=1e-4)


def test_unknown_layers_and_channels_are_named(tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="no layer 'frist'; nearest: first"):
        Evaluation(tiny(None), raw, (24, 24, 3), objectives.channel("frist", 0))
    evaluation = Evaluation(tiny(None), raw, (24, 24, 3), objectives.channel("first", 0))
    with pytest.raises(InputError, match=r"channel 6 is out of range; there are 0\.\.5"):
        evaluation.data([objectives.channel("first", 6)])


@pytest.mark.parametrize("size", [(12, 12), (13, 13), (12, 18), (9, 14), (16, 7), (1, 20)])
def test_fourier_images_equal_numpys_inverse_fft(size: tuple[int, int], rng: np.random.Generator) -> None:
    coefficients = 100 * parameterization.Fourier(size).noise(rng)
    got = parameterization.Fourier(size).images(tf.constant(coefficients[None])).numpy()[0]
    spectrum = (coefficients[:, :, 0] + 1j * coefficients[:, :, 1]) * parameterization.spectrum_scale(size)
    planes = np.fft.irfft2(spectrum.transpose(0, 2, 1), s=size)
    colours = np.einsum("chw,dc->hwd", planes, parameterization.COLOUR)
    np.testing.assert_allclose(got, 1 / (1 + np.exp(-colours)), atol=1e-5)


@pytest.mark.parametrize(("depth", "colour"), [(3, True), (3, False), (1, True), (5, True)])
@pytest.mark.parametrize("size", [(12, 12), (13, 9)])
def test_no_axis_of_colour_is_farther_from_grey_than_photographs(
    size: tuple[int, int], depth: int, colour: bool, rng: np.random.Generator
) -> None:
    chosen = parameterization.Fourier(size, depth, colour=colour, contrast=0.5)
    variables = (chosen.noise(rng) * np.geomspace(1000, 1, depth)[:, None, None, None]).astype("float32")
    image = chosen.images(tf.constant(variables[None])).numpy()[0].astype(float)
    axes = np.linalg.inv(parameterization.COLOUR) if depth == 3 and colour else np.eye(depth)
    spectrum = (variables[:, :, 0] + 1j * variables[:, :, 1]) * parameterization.spectrum_scale(size)
    before = np.fft.irfft2(spectrum.transpose(0, 2, 1), s=size)
    after = np.einsum("dc,hwc->dhw", axes, np.log(image / (1 - image)))
    # of the covariance that Lucid measured on ImageNet, in logits, whose slope at mid grey is 4: by its columns the
    # largest is 1.85, by its rows red, green and blue have 0.276, 0.275 and 0.286
    most = 0.5 * (4 * np.sqrt(0.26**2 + 2 * 0.27**2) if depth == 3 and colour else 4 * 0.279)
    for plane, limited in zip(before, after, strict=True):
        root = np.sqrt(np.mean(plane**2))
        np.testing.assert_allclose(limited, plane * min(1, most / root), atol=0.01)
    assert np.sqrt(np.mean(after**2, (1, 2)))[0] == pytest.approx(most, rel=0.01)


def test_amplitudes_fall_as_one_over_the_frequency() -> None:
    scale = parameterization.spectrum_scale((64, 64))
    assert scale[4, 0] == pytest.approx(2 * scale[8, 0])
    assert scale[8, 0] == scale[0, 8] == scale[0, -8]
    wide = parameterization.spectrum_scale((64, 128))  # as many cycles along twice the width are half the frequency
    assert wide.shape == (65, 64)
    assert wide[8, 0] == wide[0, 4] == pytest.approx(2 * wide[16, 0])
    assert wide[16, 0] == pytest.approx(scale[8, 0] * np.sqrt(2))  # so that the variance of a pixel stays about one


def test_no_amount_is_the_identity_and_a_shift_moves_pixels(rng: np.random.Generator) -> None:
    images = tf.constant(rng.uniform(size=(2, 8, 8, 3)).astype("float32"))
    still = transforms.draw(rng, 1, (8, 8), jitter=0, scale=0, rotate=0)
    np.testing.assert_allclose(transforms.apply(images, tf.constant(np.repeat(still, 2, 0))), images, atol=1e-6)
    right = np.array([[1, 0, 2, 0, 1, 0, 0, 0], [1, 0, 0, 0, 1, 0, 0, 0]], "float32")  # output (x, y) reads (x + 2, y)
    moved = transforms.apply(images, tf.constant(right)).numpy()
    np.testing.assert_allclose(moved[0, :, :6], images[0, :, 2:], atol=1e-6)
    np.testing.assert_allclose(moved[0, :, 6:], 0.5)
    np.testing.assert_allclose(moved[1], images[1], atol=1e-6)


def test_transforms_of_a_square_canvas_are_these_for_ever() -> None:
    """SHA-256 of what they were when only square canvases were known."""
    found = {}
    for size in (32, 33, 128):
        both = (size, size)
        drawn = transforms.draw(np.random.default_rng(3), 20, both)
        made = parameterization.Fourier(both)
        arrays = drawn, made.noise(np.random.default_rng(4)), made.scale, made.along_y, made.along_x
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(a, "<f4").tobytes() for a in arrays))
        found[size] = digest.hexdigest()[:16]
    assert found == FOR_EVER


@pytest.mark.parametrize("size", [(20, 40), (31, 16)])
def test_nothing_is_sheared_on_a_wide_canvas(size: tuple[int, int]) -> None:
    """Turned and scaled by the same amount along both sides; shifted by a share of each."""
    height, width = size
    drawn = transforms.draw(np.random.default_rng(1), 300, size, jitter=0.1, scale=0.2, rotate=30)
    np.testing.assert_array_equal(drawn[:, 0], drawn[:, 4])
    np.testing.assert_array_equal(drawn[:, 1], -drawn[:, 3])
    centre = np.array([(width - 1) / 2, (height - 1) / 2, 1])
    moved = np.stack([drawn[:, :3] @ centre, drawn[:, 3:6] @ centre], 1) - centre[:2]
    most = np.abs(moved).max(0)
    assert (0.095 * np.array([width, height]) < most).all()
    assert (most <= 0.1 * np.array([width, height]) + 1e-4).all()


def test_transforms_stay_in_their_bounds_around_the_centre() -> None:
    drawn = transforms.draw(np.random.default_rng(1), 500, (100, 100), jitter=0.06, scale=0.1, rotate=5)
    factor = 1 / np.hypot(drawn[:, 0], drawn[:, 3])
    angle = np.rad2deg(np.arctan2(drawn[:, 3], drawn[:, 0]))
    assert 0.9 <= factor.min() < 0.92
    assert 1.08 < factor.max() <= 1.1
    assert 4.5 < np.abs(angle).max() <= 5
    centre = np.array([49.5, 49.5, 1])
    moved = np.stack([drawn[:, :3] @ centre, drawn[:, 3:6] @ centre], 1) - 49.5
    assert 5.5 < np.abs(moved).max() <= 6


@pytest.mark.parametrize("kind", ["pixel", "fourier"])
@pytest.mark.parametrize("depth", [1, 3, 5])
@pytest.mark.parametrize("size", [(12, 12), (9, 14)])
def test_parameterizations_give_a_start_image_back(
    kind: str, depth: int, size: tuple[int, int], rng: np.random.Generator
) -> None:
    image = rng.uniform(0.02, 0.98, (*size, depth)).astype("float32")
    chosen = parameterization.choose(dataclasses.replace(SHORT, parameterization=kind, size=size), depth, None)
    got = chosen.images(tf.constant(chosen.encode(image)[None])).numpy()[0]
    np.testing.assert_allclose(got, image, atol=1e-4)


@pytest.mark.parametrize("size", [(12, 12), (10, 16)])
def test_maco_keeps_the_magnitudes_of_nature(size: tuple[int, int], rng: np.random.Generator) -> None:
    natural = rng.uniform(0.1, 0.9, (4, *size, 1)).astype("float32")
    chosen = parameterization.choose(dataclasses.replace(SHORT, parameterization="maco", size=size), 1, natural)
    logits = np.log(natural / (1 - natural))[..., 0]
    expected = np.abs(np.fft.rfft2(logits)).mean(0)
    image = chosen.images(tf.constant(chosen.encode(natural[0])[None])).numpy()[0, :, :, 0]
    got = np.abs(np.fft.rfft2(np.log(image / (1 - image))))
    np.testing.assert_allclose(got, expected, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "optimizer", "objective"),  # every two of them together once
    [
        ("fourier", "momentum", "post_activation"),
        ("fourier", "adam", "pre_activation"),
        ("pixel", "momentum", "pre_activation"),
        ("pixel", "adam", "post_activation"),
        ("maco", "momentum", "post_activation"),
        ("maco", "adam", "pre_activation"),
    ],
)
def test_score_rises(
    kind: str, optimizer: str, objective: str, tiny: Callable[..., Any], raw: dict[str, Any], rng: np.random.Generator
) -> None:
    changes = {"objective": objective, "optimizer": optimizer, "parameterization": kind}
    settings = dataclasses.replace(SHORT, **changes)  # type: ignore[arg-type]
    wanted = channels("expand", 0, 5, 7)
    natural = rng.uniform(size=(2, 32, 32, 3)).astype("float32")
    result = Renderer(tiny(None), raw, wanted[0], settings, "d", natural=natural).render(wanted)
    assert result.images.shape == (3, 32, 32, 3)
    assert result.scores.shape == (3, 24)
    assert result.snapshot_steps.tolist() == [1, 10, 24]
    assert (result.snapshot_scores[:, 2] > result.snapshot_scores[:, 0]).all()
    np.testing.assert_array_equal(result.images, result.snapshots[:, -1])


@pytest.mark.parametrize(
    ("size", "wider", "change"),  # whole vector registers, and a rest
    [
        (32, 0, {}),
        (33, 0, {}),
        (24, 9, {}),
        (33, 0, {"optimizer": "adam"}),
        (24, 9, {"parameterization": "pixel"}),
        (24, 9, {"contrast": 0.05}),
    ],
    ids=str,
)
def test_same_image_alone_in_company_in_any_order(
    size: int, wider: int, change: dict[str, Any], tiny: Callable[..., Any], raw: dict[str, Any]
) -> None:
    settings, wanted = dataclasses.replace(SHORT, size=(size, size + wider), **change), channels("dilated", 0, 7, 3, 11)
    renderer = Renderer(tiny(None), raw, wanted[0], settings, "d")
    together = renderer.render(wanted)
    turned = renderer.render(wanted[::-1])
    same(together, join([turned.part(i, i + 1) for i in (3, 2, 1, 0)]))
    same(together.part(1, 2), Renderer(tiny(None), raw, wanted[0], settings, "d").render(wanted[1:2]))
    same(together.part(1, 4), renderer.render(wanted[1:]))
    plain = renderer.render(wanted, measured=False)
    for name in ("images", "snapshots", "scores", "robust"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(together, name))
    assert plain.features.shape == (4, 0, 0)
    assert plain.finite.all()
    same(plain.part(1, 2), renderer.render(wanted[1:2], measured=False))


def test_the_limit_of_contrast_rounds_the_same_alone(tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    settings, wanted = dataclasses.replace(SHORT, contrast=0.3), channels("expand", 0, 7, 3)
    renderer = Renderer(tiny(None), raw, wanted[0], settings, "d")
    assert renderer.fill == 1  # nothing fills the batch of one up
    together = renderer.render(wanted)
    for i, one in enumerate(wanted):
        same(together.part(i, i + 1), renderer.render([one]))


def test_seed_attempt_and_network_change_the_image(tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    (wanted,) = channels("first", 1)
    renderer = Renderer(tiny(None), raw, wanted, SHORT, "d")
    first = renderer.render([wanted]).images
    other_seed = Renderer(tiny(None), raw, wanted, dataclasses.replace(SHORT, seed=1), "d").render([wanted]).images
    other_digest = Renderer(tiny(None), raw, wanted, SHORT, "e").render([wanted]).images
    assert (first != other_seed).any()
    assert (first != other_digest).any()
    assert (first != renderer.render([wanted], attempt=1).images).any()


def test_a_start_image_is_where_it_starts(
    tiny: Callable[..., Any], raw: dict[str, Any], rng: np.random.Generator
) -> None:
    (wanted,) = channels("first", 1)
    image = rng.uniform(0.1, 0.9, (1, 32, 32, 3)).astype("float32")
    still = dataclasses.replace(SHORT, steps=1, learning_rate=1e-6)
    got = Renderer(tiny(None), raw, wanted, still, "d").render([wanted], starts=image)
    np.testing.assert_allclose(got.images / 255, image, atol=0.003)


def test_networks_of_any_number_of_channels(rng: np.random.Generator) -> None:
    for depth in (1, 5):
        inputs = keras.Input((None, None, depth))
        network = keras.Model(inputs, keras.layers.Conv2D(4, 3, name="conv")(inputs))
        unit = {"scale": [1 / 255], "offset": [0.0], "reverse_channels": False}
        (wanted,) = channels("conv", 2)
        settings = dataclasses.replace(SHORT, objective="pre_activation")  # its random kernel may have no positive part
        result = Renderer(network, unit, wanted, settings, "d", channels=depth).render([wanted])
        assert result.images.shape == (1, 32, 32, depth)
        assert result.snapshot_scores[0, -1] > result.snapshot_scores[0, 0]


def test_cache_returns_what_was_stored_and_nothing_else(
    tiny: Callable[..., Any], raw: dict[str, Any], tmp_path: Path
) -> None:
    chunk = Chunk("m", tuple(channels("first", 1, 4)), SHORT)
    result = Renderer(tiny(None), raw, chunk.objectives[0], SHORT, "d").render(chunk.objectives)
    cache = render_cache.RenderCache(tmp_path, "d")
    cache.store(chunk, result)
    same(result, join([r for i in (0, 1) if (r := cache.load(chunk, i)) is not None]))
    other = Chunk("m", tuple(channels("first", 2)), SHORT)
    assert cache.load(other, 0) is None
    assert render_cache.RenderCache(tmp_path, "other").load(chunk, 0) is None
    for file in tmp_path.rglob("*.npz"):
        file.write_bytes(file.read_bytes()[:100])
    assert cache.load(chunk, 0) is None


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Settings)])
def test_every_setting_is_part_of_the_cache_key(field: str, tmp_path: Path, raw: dict[str, Any]) -> None:
    cache = render_cache.RenderCache(tmp_path, "d")
    value = getattr(SHORT, field)
    other: Any = (
        value + "x"
        if isinstance(value, str)
        else (*value, 3)
        if field == "snapshots"
        else (9, 7)
        if isinstance(value, tuple)
        else value + 1
    )
    chunk = Chunk("m", tuple(channels("a", 0)), SHORT)
    changed = dataclasses.replace(chunk, settings=dataclasses.replace(SHORT, **{field: other}))
    assert cache.key(chunk, 0) != cache.key(changed, 0)


def test_whatever_else_changes_the_image_is_part_of_the_key(tmp_path: Path, raw: dict[str, Any]) -> None:
    cache = render_cache.RenderCache(tmp_path, "d")
    chunk, some = Chunk("m", tuple(channels("a", 0)), SHORT), np.zeros((1, 4, 4, 3), "float32")
    keys = {cache.key(chunk, 0)}
    without = [{"scored": False}, {"measured": False}]
    for change in [{"attempt": 1}, {"starts": some}, {"starts": some + 1}, {"natural": some}, *without]:
        keys.add(cache.key(dataclasses.replace(chunk, **change), 0))  # type: ignore[arg-type]
    assert len(keys) == 7
    assert cache.key(dataclasses.replace(chunk, model="elsewhere"), 0) in keys  # the digest says which network it is


def test_unreachable_canvas_is_an_error(tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="does not accept"):
        Renderer(tiny(None), raw, objectives.channel("separable", 0), dataclasses.replace(SHORT, size=(8, 8)), "d")


def test_a_chunk_is_the_same_bytes_in_another_process(
    tiny: Callable[..., Any], raw: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "net").mkdir()
    origin = dict.fromkeys(("title", "source", "origin", "license", "trained_on"), "t")
    store.save("net", store.Loaded(tiny(), input_shape=(24, 24, 3), preprocessing=raw, **origin), tmp_path / "net")
    chunk = Chunk(str(tmp_path / "net"), tuple(channels("expand", 1, 2)), SHORT)
    (tmp_path / "chunk").write_bytes(pickle.dumps(chunk))
    code = (
        "import pickle, sys; from pathlib import Path; from cnnviz.maximization import chunks;"
        "made = chunks.render(pickle.loads(Path(sys.argv[1]).read_bytes()));"
        "Path(sys.argv[2]).write_bytes(pickle.dumps(made))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "chunk", tmp_path / "made"], cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == 0
    same(pickle.loads((tmp_path / "made").read_bytes()), chunks.render(chunk))  # noqa: S301


def test_a_graph_used_again_makes_what_a_new_one_makes(tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    wanted = tuple(channels("expand", 1, 2))
    other = dataclasses.replace(SHORT, steps=5, snapshots=(2,), jitter=0.2, scale=0.3, rotate=20.0, seed=4)
    network = tiny()
    shop = chunks.Workshop(network, raw, "d", 3)
    first = shop.renderer(wanted[0], SHORT)
    shop.render(Chunk("", wanted, SHORT))
    again = shop.render(Chunk("", wanted, other))
    assert shop.renderer(wanted[0], other) is first
    same(again, chunks.Workshop(network, raw, "d", 3).render(Chunk("", wanted, other)))
    assert shop.renderer(wanted[0], dataclasses.replace(other, learning_rate=0.01)) is not first


def test_gains_by_hand() -> None:
    empty = np.zeros((3, 8, 8, 3), "uint8")
    result = Rendered(
        images=empty,
        scores=np.zeros((3, 1)),
        snapshot_steps=np.array([10, 100, 128]),
        snapshots=np.stack([empty] * 3, 1),
        snapshot_scores=np.array([[1, 4, 6], [0, 0, 0], [2, 1, 1]]),
        peaks=np.zeros(3),
        robust=np.zeros(3),
        features=np.zeros((3, 3, 1)),
    )
    assert files.gain(result, 10, 100).tolist() == [3, 0, -1]
    assert files.gain(result, 10, 128).tolist() == [5, 0, -1]
    assert np.isnan(files.gain(result, 10, 512)).all()


MODEL = {"name": "net", "conv_layers": [{"name": f"conv{i}", "filters": 10 * i} for i in range(1, 4)]}


def test_selection_by_hand() -> None:
    assert selection.filters({"conv3": [4, 2], "conv1": 2}, MODEL, "p") == {"conv1": [0, 9], "conv3": [4, 2]}
    assert selection.filters(2, MODEL, "p") == {"conv1": [0, 9], "conv2": [0, 19], "conv3": [0, 29]}
    assert list(selection.filters("auto", MODEL, "p")) == ["conv1", "conv2", "conv3"]
    every = {"conv1": list(range(10)), "conv2": list(range(20)), "conv3": list(range(30))}
    assert selection.filters("all", MODEL, "p") == every
    assert selection.filters({"conv2": "all", "conv1": [3]}, MODEL, "p") == {"conv1": [3], "conv2": every["conv2"]}


def test_of_many_filters_64_evenly_spaced_come_first() -> None:
    model = {"name": "net", "conv_layers": [{"name": "conv", "filters": 190}]}
    chosen = selection.filters("all", model, "p")["conv"]
    assert chosen[:64] == list(range(0, 190, 3))  # 64 steps of 3
    assert chosen[64:] == [k for k in range(190) if k % 3]
    given = [*range(189, 100, -1), 7]
    assert selection.filters({"conv": given}, model, "p")["conv"] == given  # in the order of the list


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


@pytest.mark.parametrize(
    ("field", "expected"), [((5, 5), "adam"), ((16, 16), "adam"), ((3, 24), "momentum"), (None, "momentum")]
)
def test_auto_takes_adam_and_any_contrast_in_the_first_layers(field: tuple[int, int] | None, expected: str) -> None:
    options = MaximizeSection(steps=4)
    assert recipe.settings_for(options, 0, field, (64, 64)).optimizer == expected
    fixed = MaximizeSection(steps=4, optimizer="adam", contrast=2)
    assert recipe.settings_for(fixed, 0, field, (64, 64)).optimizer == "adam"
    assert recipe.settings_for(options, 0, field, (64, 64)).contrast == (0 if expected == "adam" else 1.5)
    assert recipe.settings_for(fixed, 0, field, (64, 64)).contrast == 2
    pixels = MaximizeSection(steps=4, contrast=2, parameterization="pixel")  # which knows no limit
    assert recipe.settings_for(pixels, 0, field, (64, 64)).contrast == 0
