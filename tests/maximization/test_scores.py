"""The scores equal what SciPy or a calculation by hand gives, and tell patterns from noise."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import tensorflow as tf

from cnnviz.errors import InputError
from cnnviz.maximization.ascent import channel_maps, scores
from cnnviz.networks import folding, graph

NAN = float("nan")


def channel(kernel: np.ndarray, stride: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """One conv filter as the `maps` of a score, the same for all images; kernel (kh, kw), over grey."""
    weights = tf.constant(kernel[..., None, None], tf.float32)
    return lambda images: tf.nn.conv2d(tf.reduce_mean(images, 3, keepdims=True), weights, stride, "VALID")[..., 0]


def amounts(size: tuple[int, int]) -> np.ndarray:
    """Shift in x and y as shares of the canvas, relative change of size, degrees of the held-out transforms: `(n, 4)`.

    The matrices lead from the moved image back to its source.
    """
    drawn, middle = scores.held_out(size).astype(float), [(size[1] - 1) / 2, (size[0] - 1) / 2, 1]
    x, y = drawn[:, :3] @ middle - middle[0], drawn[:, 3:6] @ middle - middle[1]
    factor, angle = 1 / np.hypot(drawn[:, 0], drawn[:, 3]), np.rad2deg(np.arctan2(drawn[:, 3], drawn[:, 0]))
    return np.stack([x / size[1], y / size[0], factor - 1, angle], 1)


@pytest.mark.parametrize("size", [(100, 100), (50, 80)])
def test_held_out_transforms_fill_their_bounds_evenly_and_each_has_its_opposite(size: tuple[int, int]) -> None:
    assert scores.held_out(size).shape == (16, 8)
    assert scores.held_out(size).dtype == np.float32
    found = amounts(size) / (0.06, 0.06, 0.1, 10)
    middles = np.linspace(-15 / 16, 15 / 16, 16)  # of 16 equal parts of -1..1
    np.testing.assert_allclose(np.sort(found, 0), np.repeat(middles[:, None], 4, 1), atol=1e-4)
    np.testing.assert_allclose(found, -found[::-1], atol=1e-4)
    points = (found + 1) / 2
    discrepancy = scipy.stats.qmc.discrepancy(points)
    independent = [scipy.stats.qmc.discrepancy(np.random.default_rng(i).random((32, 4))) for i in range(50)]
    assert discrepancy < min(independent)  # more even than twice as many independent ones


def test_held_out_transforms_are_these_for_ever() -> None:
    np.random.seed(5)
    tf.random.set_seed(5)
    expected = {0: (1 / 32, 3 / 32, 5 / 32, 7 / 32), 5: (11 / 32, 1 / 32, 23 / 32, 13 / 32)}  # by hand
    for t, point in expected.items():
        np.testing.assert_allclose(amounts((64, 64))[t], (2 * np.array(point) - 1) * (0.06, 0.06, 0.1, 10), atol=1e-5)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("shape", [(2, 12, 9, 3), (1, 3, 3, 1), (1, 1, 8, 2)])
def test_blur_equals_scipys(sigma: float, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    images = rng.uniform(size=shape).astype("float32")
    expected = scipy.ndimage.gaussian_filter(images.astype("float64"), sigma, axes=(1, 2), radius=3, mode="reflect")
    np.testing.assert_allclose(scores.blur(tf.constant(images), sigma), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(20, 20), (14, 25)])
def test_robust_score_equals_scipys_resampling(size: tuple[int, int], rng: np.random.Generator) -> None:
    images = rng.uniform(size=(2, *size, 3)).astype("float32")
    kernel = rng.normal(size=(3, 3))
    expected = np.zeros(2)
    for a, b, x, c, d, y, _, _ in scores.held_out(size).astype("float64"):
        for i, image in enumerate(images.mean(3)):
            moved = scipy.ndimage.affine_transform(
                image, [[d, c], [b, a]], [y, x], order=1, mode="grid-constant", cval=0.5
            )
            blurred = scipy.ndimage.gaussian_filter(moved, 1.0, radius=3, mode="reflect")
            expected[i] += scipy.ndimage.correlate(blurred, kernel)[1:-1, 1:-1].mean() / 16
    np.testing.assert_allclose(scores.robust(tf.constant(images), channel(kernel, 1)), expected, rtol=1e-4, atol=1e-5)


def test_high_frequencies_earn_nothing_where_low_ones_do() -> None:
    y, x = np.mgrid[:64, :64]
    checkerboard, stripes = (x + y) % 2, x // 8 % 2
    fine = np.array([[1, -1], [-1, 1]]) / 2
    coarse = np.repeat([[-1, 1]], 8, axis=1) * np.ones((8, 1)) / 64
    for pattern, kernel, stride, least, most in ((checkerboard, fine, 2, -0.005, 0.005), (stripes, coarse, 16, 0.2, 1)):
        image = tf.constant(np.repeat(pattern[None, ..., None], 3, 3), tf.float32)
        maps = channel(kernel, stride)
        untouched = abs(float(tf.reduce_mean(maps(image))))
        assert untouched == pytest.approx(1)  # both filters are driven as far as they can be
        assert least < abs(float(scores.robust(image, maps)[0])) < most


@pytest.mark.pipeline
@pytest.mark.parametrize("layer", ["first", "expand", "dilated"])
def test_a_robust_score_is_the_same_alone_in_company_and_in_any_order(
    layer: str, tiny: Callable[..., Any], rng: np.random.Generator
) -> None:
    traced = graph.trace(tiny(None), (32, 32, 3), until=layer)
    conv = traced.convs[layer]
    trunk = keras.Model(traced.input, conv.input)

    @tf.function(autograph=False, reduce_retracing=True)
    def score(images: tf.Tensor, kernels: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
        return scores.robust(
            images, lambda moved: channel_maps.channel_maps(conv, trunk(moved, training=False), kernels, offsets)
        )

    images = rng.uniform(size=(5, 32, 32, 3)).astype("float32")

    def scored(rows: list[int]) -> np.ndarray:
        return score(tf.constant(images[rows]), *map(tf.constant, folding.filter_kernels(conv, rows))).numpy()

    together = scored([0, 1, 2, 3, 4])
    assert together.shape == (5,)
    assert together.dtype == np.float32
    assert len(set(together.tolist())) == 5
    np.testing.assert_array_equal(scored([4, 3, 2, 1, 0])[::-1], together)
    np.testing.assert_array_equal([scored([i])[0] for i in range(5)], together)


def test_against_nature_by_hand() -> None:
    peaks = [[1, -1, 0, 8], [4, -3, 0, 2], [2, -2, 0, 2], [2, -5, 0, 1]]
    ratio, percentile = scores.against_nature([6, 3, 1, 2], peaks)
    np.testing.assert_array_equal(ratio, [1.5, NAN, NAN, 0.25])
    np.testing.assert_array_equal(percentile, [100, 100, 100, 25])
    assert ratio.dtype == percentile.dtype == np.float32
    ratio, percentile = scores.against_nature([-1, NAN], [[2, 2]])
    np.testing.assert_array_equal(ratio, [-0.5, NAN])
    np.testing.assert_array_equal(percentile, [0, NAN])


def test_a_dead_filter_is_above_no_natural_image_for_its_rounding() -> None:
    percentile = scores.against_nature([np.float32(-2.55), 2.55, 0], [[-2.550001, 2.549999, 0], [-2.5502, 2.5498, 0]])[
        1
    ]
    assert percentile.tolist() == [50, 50, 0]


def test_percentile_equals_scipys(rng: np.random.Generator) -> None:
    peaks, own = rng.integers(0, 9, (40, 6)), rng.integers(0, 9, 6)
    expected = [scipy.stats.percentileofscore(peaks[:, k], own[k], kind="strict") for k in range(6)]
    np.testing.assert_allclose(scores.against_nature(own, peaks)[1], expected, rtol=1e-6)


def test_against_nothing_is_unknown_and_shapes_must_match() -> None:
    for values in scores.against_nature([1, 2], np.zeros((0, 2))):
        np.testing.assert_array_equal(values, [NAN, NAN])
    with pytest.raises(InputError, match=r"scores \(2,\), peaks \(4, 3\) given; expected \(n,\) and \(m, n\)"):
        scores.against_nature([1, 2], np.zeros((4, 3)))


def test_standardise_by_scipy_and_its_floor_by_hand(rng: np.random.Generator) -> None:
    natural, features = rng.normal(3, 2, (9, 5)), rng.normal(size=(2, 3, 5))
    expected = scipy.stats.zmap(features.reshape(6, 5), natural, axis=0).reshape(2, 3, 5)
    np.testing.assert_allclose(scores.standardise(features, natural), expected, rtol=1e-5)
    # deviations 2, 0, 4, 0.001 and 0: the median of those above 0 is 2, the floor 0.02
    natural = [[0, 5, 0, 0, 0], [4, 5, 8, 0.002, 0]]
    got = scores.standardise([4, 6, 0, 0.021, 0], natural)
    np.testing.assert_allclose(got, [1, 50, -1, 1, 0], rtol=1e-6)
    assert got.dtype == np.float32


def test_standardise_names_the_shapes() -> None:
    with pytest.raises(InputError, match=r"features \(2, 3\), natural \(4, 5\) given"):
        scores.standardise(np.zeros((2, 3)), np.zeros((4, 5)))
    with pytest.raises(InputError, match=r"natural \(0, 3\) given"):
        scores.standardise(np.zeros((2, 3)), np.zeros((0, 3)))


def test_selectivity_rank_by_scipy(rng: np.random.Generator) -> None:
    natural, features, channels = rng.normal(size=(9, 7)), rng.normal(size=(4, 7)), [0, 6, 2, 2]
    deviations = scipy.stats.zmap(features, natural, axis=0)
    expected = [int(scipy.stats.rankdata(-z, method="max")[k]) for z, k in zip(deviations, channels, strict=True)]
    got = scores.selectivity_rank(features, channels, natural)
    assert got.tolist() == expected
    assert got.dtype == np.int32


def test_selectivity_is_relative_to_nature_and_ties_count_against() -> None:
    natural = [[0, 100], [2, 300]]  # means 1 and 200, deviations 1 and 100
    assert scores.selectivity_rank([[5, 400], [5, 800]], [0, 0], natural).tolist() == [1, 2]
    assert scores.selectivity_rank([[3, 400], [3, 400]], [0, 1], natural).tolist() == [2, 2]
    assert scores.selectivity_rank([[7, 7, 7]], [1], np.full((4, 3), 7)).tolist() == [3]  # nothing moves
    assert scores.selectivity_rank([[NAN, 0]], [0], natural).tolist() == [2]
    for few in ([[1, 2]], np.zeros((0, 2))):
        assert scores.selectivity_rank([[5, 1]], [0], few).tolist() == [0]


def test_seed_stability_by_hand() -> None:
    natural = [[-1, -10], [1, 10]]  # means 0, deviations 1 and 10
    features = [
        [[1, 0], [2, 0], [3, 0]],  # one direction
        [[1, 0], [0, 10], [1, 0]],  # cosines 0, 1, 0
        [[1, 10], [1, -10], [-1, -10]],  # cosines 0, -1, 0 where both channels count the same
    ]
    np.testing.assert_allclose(scores.seed_stability(features, natural), [1, 1 / 3, -1 / 3], atol=1e-6)
    plain = scores.seed_stability(features)
    # (1, 10) and (1, -10): -99 / 101; (1, 10) and (-1, -10): -1; (1, -10) and (-1, -10): 99 / 101
    np.testing.assert_allclose(plain, [1, 1 / 3, -1 / 3], atol=1e-6)
    np.testing.assert_allclose(scores.seed_stability([[[1, 10], [1, 0]]]), [1 / np.sqrt(101)], rtol=1e-6)
    np.testing.assert_allclose(scores.seed_stability([[[1, 10], [1, 0]]], natural), [1 / np.sqrt(2)], rtol=1e-6)
    np.testing.assert_array_equal(scores.seed_stability(features, natural[:1]), plain)
    assert plain.dtype == np.float32


def test_seed_stability_is_unknown_for_one_seed_and_for_an_empty_vector() -> None:
    np.testing.assert_array_equal(scores.seed_stability([[[1, 2]], [[3, 4]]]), [NAN, NAN])
    np.testing.assert_array_equal(scores.seed_stability([[[0, 0], [3, 4]], [[6, 8], [3, 4]]]), [NAN, 1])


@pytest.mark.parametrize("size", [32, 33])
@pytest.mark.parametrize("k", [1, 3, 10, 15])
def test_a_sine_lands_in_its_bin(size: int, k: int) -> None:
    y, x = np.mgrid[:size, :size]
    waves = [0.5 + 0.4 * np.cos(2 * np.pi * k * along / size) for along in (x, y)]
    spectrum = scores.radial_spectrum(np.repeat(np.stack(waves)[..., None], 3, 3))
    assert spectrum.shape == (2, 16)
    assert spectrum.dtype == np.float32
    assert spectrum.argmax(1).tolist() == [k - 1] * 2
    np.testing.assert_allclose(spectrum.sum(1), 1, rtol=1e-6)
    near = slice(max(k - 3, 0), k + 2)  # the Hann window spreads it over the next frequencies, no further
    np.testing.assert_allclose(spectrum[:, near].sum(1), 1, atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(32, 64), (48, 33)])
def test_on_a_wide_canvas_waves_of_one_length_share_a_bin_in_any_direction(height: int, width: int) -> None:
    y, x = np.mgrid[:height, :width]
    short, turned = min(height, width), np.deg2rad(30)
    for length in (4, 8):  # pixels
        angles = [2 * np.pi * along / length for along in (x, y, np.cos(turned) * x + np.sin(turned) * y)]
        spectrum = scores.radial_spectrum(0.5 + 0.4 * np.cos(np.stack(angles))[..., None])
        assert spectrum.shape == (3, short // 2)
        assert np.abs(spectrum.argmax(1) + 1 - short / length).max() <= 1
        expected = [_radial_power(image, short) for image in 0.5 + 0.4 * np.cos(np.stack(angles))]
        np.testing.assert_allclose(spectrum, expected, rtol=1e-4, atol=1e-7)


def _radial_power(image: np.ndarray, short: int) -> np.ndarray:
    """The definition, a frequency at a time."""
    height, width = image.shape
    window = np.array([[np.sin(np.pi * i / height) ** 2 * np.sin(np.pi * j / width) ** 2 for j in range(width)]
                       for i in range(height)])  # fmt: skip
    power = np.abs(np.fft.fft2((image - (image * window).sum() / window.sum()) * window)) ** 2
    rings: list[list[float]] = [[] for _ in range(short // 2)]
    for i in range(height):
        for j in range(width):
            cycles = np.hypot(min(i, height - i) / height, min(j, width - j) / width) * short
            if 1 <= round(cycles) <= short // 2:
                rings[round(cycles) - 1].append(power[i, j])
    mean = np.array([np.mean(ring) for ring in rings])
    return mean / mean.sum()


def noise(rng: np.random.Generator, n: int, size: int, power: float) -> np.ndarray:
    """Noise `(n, size, size, 1)` around 0.5 whose amplitude falls as 1 / frequency ** power."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    shaped = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(n, size, size))) / frequency**power, s=(size, size))
    return 0.5 + 0.1 * (shaped / shaped.std())[..., None]


def test_white_noise_is_flat_and_pink_noise_falls_with_the_square_of_the_frequency(rng: np.random.Generator) -> None:
    white, pink = (scores.radial_spectrum(noise(rng, 60, 64, p)).mean(0) for p in (0.0, 1.0))
    bins = np.arange(1, 33)
    np.testing.assert_allclose(white[2:] * 32, 1, atol=0.15)
    slope = np.polyfit(np.log10(bins[3:]), np.log10(pink[3:]), 1)[0]
    assert slope == pytest.approx(-2, abs=0.1)


def test_spectrum_distance_tells_noise_from_nature_and_ignores_contrast(rng: np.random.Generator) -> None:
    natural, other = noise(rng, 40, 64, 1.0), noise(rng, 2, 64, 1.0)
    own = np.concatenate([other, (other - 0.5) / 4 + 0.3, noise(rng, 2, 64, 0.0), noise(rng, 2, 64, 2.0)])
    got = scores.spectrum_distance(own, natural)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[2:4], got[:2], rtol=1e-3)
    assert (got[:2] < 0.2).all()
    assert (got[4:] > 3 * got[:2].max()).all()


def test_spectrum_distance_by_hand(rng: np.random.Generator) -> None:
    natural = rng.uniform(size=(3, 16, 16, 3))
    own = rng.uniform(size=(2, 16, 16, 3))
    reference = np.log10(scores.radial_spectrum(natural)).mean(0)
    expected = np.sqrt(((np.log10(scores.radial_spectrum(own)) - reference) ** 2).mean(1))
    np.testing.assert_allclose(scores.spectrum_distance(own, natural), expected, rtol=1e-4)
    np.testing.assert_allclose(scores.spectrum_distance(natural[:1], natural[:1]), 0, atol=1e-6)


def test_luminance_weighs_three_channels_and_averages_any_other_number() -> None:
    x = np.arange(32) * np.ones((32, 1))
    slow, fast = (0.4 * np.cos(2 * np.pi * k * x / 32) for k in (4, 12))
    for channels, weights in ((3, (0.299, 0.587, 0.114)), (4, (0.25, 0.25, 0.25, 0.25))):
        image = np.zeros((1, 32, 32, channels))
        image[..., 0], image[..., 1] = slow, fast
        spectrum = scores.radial_spectrum(image)[0]
        grey = weights[0] * slow + weights[1] * fast
        alone = scores.radial_spectrum(grey[None, ..., None])[0]
        np.testing.assert_allclose(spectrum, alone, rtol=1e-5, atol=1e-9)


def test_what_has_no_spectrum_is_unknown(rng: np.random.Generator) -> None:
    images = rng.uniform(size=(2, 16, 16, 3))
    flat = np.full((1, 16, 16, 3), 0.3)
    mixed = np.concatenate([images[:1], flat])
    assert np.isnan(scores.radial_spectrum(mixed)).all(1).tolist() == [False, True]
    got = scores.spectrum_distance(mixed, np.concatenate([images, flat]))
    np.testing.assert_array_equal(got, scores.spectrum_distance(mixed, images))
    assert np.isnan(got).tolist() == [False, True]
    for nothing in (flat, flat[:0]):
        assert np.isnan(scores.spectrum_distance(images, nothing)).all()
    with pytest.raises(InputError, match=r"expected \(n, h, w, c\)"):
        scores.radial_spectrum(images[:, :1])
    assert np.isnan(scores.spectrum_distance(images[:, :1], images[:, :1])).all()
    with pytest.raises(InputError, match="expected one size"):
        scores.spectrum_distance(images, images[:, :8, :8])


def test_pages_and_docs_say_under_how_many_transforms() -> None:
    root = Path(__file__).parents[2]
    parts, docs = ((root / name).read_text() for name in ("cnnviz/report/templates/parts.html", "docs/scores.md"))
    assert f"blurred in {scores.HELD_OUT} ways" in parts
    assert f"T_{{{scores.HELD_OUT}}}$ are fixed" in docs
