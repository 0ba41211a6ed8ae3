"""Frequency and colour of pictures whose frequency and colour is known."""

import numpy as np
import pytest

from cnnviz.analysis import depth


@pytest.mark.parametrize(("cycles", "turned"), [(0.1, False), (0.25, True), (0.4, False)])
def test_frequency_of_a_grating(cycles: float, turned: bool) -> None:
    wave = np.sin(2 * np.pi * cycles * np.arange(80)) * np.ones((60, 1))
    picture = np.repeat((128 + 100 * (wave.T if turned else wave))[..., None], 3, axis=-1)
    assert depth.dominant_frequency(picture) == pytest.approx(cycles, rel=0.02)


def test_frequency_of_white_noise_is_the_mean_of_all(rng: np.random.Generator) -> None:
    picture = np.repeat(rng.normal(128, 30, (128, 128, 1)), 3, axis=-1)
    # mean distance from the centre in a square of side 1: (sqrt 2 + log(1 + sqrt 2)) / 6
    assert depth.dominant_frequency(picture) == pytest.approx(0.3826, rel=0.02)


def test_frequency_unknown() -> None:
    assert np.isnan(depth.dominant_frequency(np.full((32, 32, 3), 77, np.uint8)))
    assert np.isnan(depth.dominant_frequency(np.zeros((7, 32, 3), np.uint8)))


def test_colour_share_by_hand(rng: np.random.Generator) -> None:
    grey = np.repeat(rng.integers(0, 256, (9, 9, 1)), 3, axis=-1)
    assert depth.chroma_share(grey) == 0
    assert depth.chroma_share(np.broadcast_to([200, 50, 50], (4, 4, 3))) == pytest.approx(1)
    # brightness 1 +- 1 (3 * 1 per pixel), channels around it +-1, 0, -+1 (2 per pixel)
    half = np.array([[[3.0, 2, 1], [1, 0, -1]]])
    assert depth.chroma_share(half) == pytest.approx(2 / 5)
    assert np.isnan(depth.chroma_share(np.full((3, 3, 3), 9)))


def test_median_of_what_is_known() -> None:
    assert depth.median([None, 3.0, float("nan"), 1.0]) == 2
    assert depth.median([None]) is None
