"""CKA, features, matching and drift against dense float64 formulas written out, NumPy, and by hand."""

import numpy as np
import pytest

from cnnviz.analysis.grams import Features, Grams, gram, pool
from cnnviz.analysis.seen import Seen
from cnnviz.comparison import similarity


def hsic_by_song(k: np.ndarray, m: np.ndarray) -> float:
    """Equation 5 of Song et al., JMLR 13 (2012), as it stands there."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    first = np.trace(k @ m)
    second = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    third = 2 / (n - 2) * (one @ k @ m @ one)
    return float((first + second - third) / (n * (n - 3)))


def dense_cka(x: np.ndarray, y: np.ndarray) -> float:
    k, m = x @ x.T, y @ y.T
    return hsic_by_song(k, m) / np.sqrt(hsic_by_song(k, k) * hsic_by_song(m, m))


def cka(x: np.ndarray, y: np.ndarray) -> float:
    (found,) = similarity.cka([gram(x)[None, None]], [gram(y)[None, None]])
    return float(found[0])


def test_one_full_batch_equals_the_dense_computation(rng: np.random.Generator) -> None:
    x = rng.normal(size=(30, 500)) + 3
    y = x[:, :80] @ rng.normal(size=(80, 200)) + rng.normal(size=(30, 200))
    assert cka(x, y) == pytest.approx(dense_cka(x, y), abs=1e-9)  # dense: not centred, so it cancels
    single = cka(x.astype("float32"), y.astype("float32"))
    assert single == pytest.approx(dense_cka(x, y), abs=1e-5)
    assert 0.05 < dense_cka(x, y) < 0.95


def test_batches_are_averaged_before_the_ratio(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, 3, 8, 20))
    y = y + x
    hsics = {
        name: np.mean([hsic_by_song(a @ a.T, b @ b.T) for a, b in zip(*pair, strict=True)])
        for name, pair in {"xy": (x, y), "xx": (x, x), "yy": (y, y)}.items()
    }
    grams = [np.stack([gram(part) for part in one])[None] for one in (x, y)]
    found = similarity.cka([grams[0][:, :1], grams[0][:, 1:]], [grams[1][:, :1], grams[1][:, 1:]])  # as two image sets
    assert found[0, 0] == pytest.approx(hsics["xy"] / np.sqrt(hsics["xx"] * hsics["yy"]), abs=1e-12)


def test_invariant_to_rotation_scale_and_shift_only(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, 24, 16))
    y = y + x
    rotation = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    assert cka(x @ rotation, y) == pytest.approx(cka(x, y), abs=1e-10)
    assert cka(-7.5 * x, y) == pytest.approx(cka(x, y), abs=1e-10)
    assert cka(x + rng.normal(size=16), y) == pytest.approx(cka(x, y), abs=1e-10)
    assert cka(x, 3 * x @ rotation) == pytest.approx(1, abs=1e-10)
    assert abs(cka(x * np.linspace(0.01, 5, 16), y) - cka(x, y)) > 0.02


def test_unbiased_for_unrelated_activations(rng: np.random.Generator) -> None:
    """The biased estimator gives about 0.9 here: more features than images."""
    found = [cka(*rng.normal(size=(2, 10, 200))) for _ in range(100)]
    assert abs(np.mean(found)) < 0.05


def test_grams_of_full_batches_of_the_first_images(rng: np.random.Generator) -> None:
    units = rng.normal(size=(13, 3, 4, 4)).astype("float32")
    measure = Grams(5, 10)
    for start in (0, 5, 10):
        measure.update(Seen(np.arange(start, min(start + 5, 13)), units[:0], units[start : start + 5]))
    rows = units.reshape(13, -1).astype(float)
    expected = [part @ part.T for part in (rows[:5] - rows[:5].mean(0), rows[5:10] - rows[5:10].mean(0))]
    np.testing.assert_allclose(measure.result(), expected, atol=1e-4)


def test_no_batch_no_cka() -> None:
    assert np.isnan(similarity.cka([np.zeros((2, 0, 3, 3))], [np.zeros((1, 0, 3, 3))])).all()


def test_pool_by_hand() -> None:
    maps = np.arange(64.0).reshape(1, 1, 8, 8)
    np.testing.assert_allclose(pool(maps, 2)[0, ..., 0], [[13.5, 17.5], [45.5, 49.5]])
    odd = np.array([[[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]]])  # cells of two columns that overlap in the middle
    np.testing.assert_allclose(pool(odd, 2)[0, ..., 0], [[3, 4], [6, 7]])
    np.testing.assert_allclose(pool(np.full((1, 2, 1, 1), 4.0))[0, ..., 1], np.full((4, 4), 4))


def test_features_stop_at_the_limit(rng: np.random.Generator) -> None:
    units = rng.normal(size=(6, 2, 4, 4)).astype("float32")
    measure = Features(5)
    for start in (0, 3):
        measure.update(Seen(np.arange(start, start + 3), units[:0], units[start : start + 3]))
    np.testing.assert_allclose(measure.result(), np.moveaxis(units[:5], 1, -1), atol=1e-6)


def test_correlations_are_pearsons(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    b[:, 1] = 5
    found = similarity.correlations(a, b)
    np.testing.assert_allclose(found[:, 0], np.corrcoef(np.c_[a, b[:, 0]].T)[:3, 3], atol=1e-12)
    np.testing.assert_array_equal(found[:, 1], 0)
    np.testing.assert_allclose(
        similarity.same_filter(a, a[::-1]), [np.corrcoef(a[:, k], a[::-1, k])[0, 1] for k in range(3)], atol=1e-12
    )


def test_the_same_filter_is_unknown_where_it_is_dead_in_one(rng: np.random.Generator) -> None:
    one, other = rng.normal(size=(2, 9, 3))
    one[:, 0], other[:, 1] = 0, 0
    assert np.isnan(similarity.same_filter(one, other)).tolist() == [True, True, False]


def test_matched_is_not_greedy() -> None:
    assert similarity.matched(np.array([[0.9, 0.8, 0.0], [0.8, 0.1, 0.0]])) == [(0, 1, 0.8), (1, 0, 0.8)]


def test_drift_by_hand() -> None:
    before, after = np.array([[3.0, 4], [1, 0], [0, 0]]), np.array([[3.0, 4], [0, 2], [1, 0]])
    found = similarity.drift(before, after)
    np.testing.assert_allclose(found["distance"], [0, np.sqrt(5), np.nan])
    np.testing.assert_allclose(found["cosine"], [1, 0, np.nan])
