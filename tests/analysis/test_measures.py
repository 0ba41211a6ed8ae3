"""Measures of single filters against numbers worked out by hand, NumPy and SciPy; streamed as in one piece."""

import numpy as np
import pytest
from scipy import stats

from cnnviz.analysis import measures
from cnnviz.analysis.seen import Seen
from cnnviz.filters import likeness


def seen(unit: np.ndarray, start: int = 0) -> Seen:
    unit = unit.astype("float32")
    return Seen(np.arange(start, start + len(unit)), unit, unit)


def streamed(measure: object, unit: np.ndarray, size: int) -> None:
    for start in range(0, len(unit), size):
        measure.update(seen(unit[start : start + size], start))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([0, 0, 0, 5], 1.0),
        ([2, 2, 2, 2], 0.0),
        ([1, 2, 3], 3 / 14),  # mean 2, mean square 14/3: (1 - 12/14) / (1 - 1/3)
        ([0, 0, 1, 1], 2 / 3),  # (1 - 1/2) / (1 - 1/4)
        ([0, 0], np.nan),
    ],
)
def test_sparsity_by_hand(rates: list[float], expected: float) -> None:
    r = np.array(rates, float)
    np.testing.assert_allclose(measures.sparsity(r.sum(), (r**2).sum(), len(r)), expected)


def test_moments_by_hand() -> None:
    unit = np.zeros((2, 3, 1, 2))
    unit[:, 0] = [[[1, 2]], [[3, 0]]]
    unit[:, 1] = [[[-1, 0]], [[0, 4]]]
    found = measures.Moments(3)
    streamed(found, unit, 1)
    result = found.result()
    np.testing.assert_allclose(result["firing_rate"], [3 / 4, 1 / 4, 0])
    np.testing.assert_allclose(result["mean"], [6 / 4, 3 / 4, 0])
    np.testing.assert_allclose(result["rate"], [6 / 4, 1, 0])  # -1 does not count
    np.testing.assert_allclose(result["maximum"], [3, 4, 0])
    # filter 0: (1 - (6/4)**2 / (14/4)) / (3/4); filter 1 fires once; filter 2 never
    np.testing.assert_allclose(result["lifetime_sparsity"], [(1 - 2.25 / 3.5) / 0.75, 1, np.nan])
    assert found.population_sparsity == pytest.approx(1)  # wherever any of the three fires, one does alone


def test_population_sparsity_is_the_mean_over_positions() -> None:
    unit = np.array([[[[1.0, 1, 0]], [[1, 0, 0]]]])  # both alike: 0; one alone: 1; none: does not count
    found = measures.Moments(2)
    found.update(seen(unit))
    assert found.population_sparsity == pytest.approx(0.5)


def test_histogram_counts_as_numpy_does(rng: np.random.Generator) -> None:
    unit = (rng.normal(size=(6, 2, 5, 5)) * 10.0 ** rng.integers(-3, 4, (6, 2, 5, 5))).astype("float32")
    unit[0, 0, 0] = [0, -0.0, 1, 1.5, -1.0]
    found = measures.Histogram(2)
    streamed(found, unit, 4)
    edges = measures.histogram_edges()
    assert (np.diff(edges) > 0).all()
    assert found.counts.shape == (2, len(edges) - 1)
    for k in range(2):
        values = np.where(unit[:, k] < 0, np.nextafter(unit[:, k], -np.inf), unit[:, k])  # below 0: (a, b]
        np.testing.assert_array_equal(found.counts[k], np.histogram(values, edges)[0])


def test_histogram_of_large_maps_counts_as_that_of_small_ones(rng: np.random.Generator) -> None:
    unit = (rng.normal(size=(2, 3, 64, 64)) * 10.0 ** rng.integers(-8, 9, (2, 3, 64, 64))).astype("float32")
    large, small = measures.Histogram(3), measures.Histogram(3)
    streamed(large, unit, 2)
    parts = unit.reshape(2, 3, 64, 8, 8).transpose(2, 0, 1, 3, 4).reshape(-1, 3, 8, 8)
    streamed(small, parts, 64)
    assert 64 * 64 >= measures.MANY > 8 * 8
    np.testing.assert_array_equal(large.counts, small.counts)


def test_what_is_beyond_the_edges_counts_in_the_outermost_bins() -> None:
    unit = np.array([1e9, -1e9, 1e-9, -1e-9, 0]).reshape(1, 1, 1, 5)
    found = measures.Histogram(1)
    found.update(seen(unit))
    middle = found.counts.shape[1] // 2
    assert found.counts[0, [0, middle, -1]].tolist() == [1, 3, 1]


def test_class_selectivity_by_hand() -> None:
    means = np.array([[4.0, 2, 0, 3], [1, 2, 0, 0], [1, 2, 0, 0]])
    np.testing.assert_allclose(measures.class_selectivity(means), [(4 - 1) / (4 + 1), 0, np.nan, 1])


def test_class_means_leave_out_what_has_no_label() -> None:
    unit = np.arange(4.0).reshape(4, 1, 1, 1) - [[[[0], [8]]]]  # filter k at two positions: i and i - 8
    found = measures.ClassMeans(1, np.array([3, -1, 1, 3]))
    streamed(found, unit, 3)
    np.testing.assert_allclose(found.means(), [[2 / 2], [(0 / 2 + 3 / 2) / 2]])  # classes 1 and 3, rectified
    assert found.preferred().tolist() == [1]
    assert measures.comparable(np.array([0, 0, 2, 2, -1]))
    assert not measures.comparable(np.array([0, 0, 2, -1]))
    assert not measures.comparable(np.array([0, 0, -1]))


def test_correlation_is_pearsons(rng: np.random.Generator) -> None:
    unit = rng.normal(size=(9, 4, 3, 5)) + 1000
    unit[:, 1] = 3 * unit[:, 0] + rng.normal(size=(9, 3, 5))
    unit[:, 3] = 7
    found = measures.Correlation(4)
    streamed(found, unit, 4)
    columns = np.moveaxis(unit.astype("float32").astype(float), 1, 0).reshape(4, -1)
    expected = [[stats.pearsonr(a, b).statistic for b in columns[:3]] for a in columns[:3]]
    np.testing.assert_allclose(found.result()[:3, :3], expected, atol=1e-5)
    np.testing.assert_array_equal(found.result()[3], [0, 0, 0, 1])


def test_clusters_are_groups_of_which_all_are_alike() -> None:
    similar = np.eye(5)
    for a, b, value in ((0, 1, 0.9), (1, 2, 0.95), (0, 2, 0.85), (2, 3, 0.9), (0, 3, 0.1), (1, 3, 0.1)):
        similar[a, b] = similar[b, a] = value
    assert likeness.clusters(similar, 0.8).tolist() == [0, 0, 0, 1, 2]  # 3 is like 2, but not like 0 and 1
    assert len(set(likeness.clusters(similar, 0.99).tolist())) == 5
    assert likeness.clusters(np.eye(1), 0.8).tolist() == [0]


def test_cosines_and_preference_by_hand() -> None:
    np.testing.assert_allclose(
        likeness.cosines(np.array([[3.0, 4], [4, 3], [0, 0]])), [[1, 0.96, 0], [0.96, 1, 0], [0, 0, 1]]
    )
    found = measures.preference(np.array([3.0, 0, 1, 0]), np.array([1.0, 2, 1, 0]))
    np.testing.assert_allclose(found, [0.5, -1, 0, np.nan])
