"""Which side a score favours, and whether that is chance: against counting by hand."""

from itertools import product

import numpy as np
import pytest

from cnnviz.versus import chance

NAN = np.nan


@pytest.mark.parametrize(
    ("name", "a", "b", "expected"),
    [
        ("robust_score", [2, -4, 0, 0, NAN], [4, -2, 0, 1, 1], [0.5, 0.5, 0, 1, NAN]),  # shares of the larger amount
        ("against_nature", [1, 1], [1 + 1e-7, 0.5], [0, -0.5]),  # rounding is no change
        ("spectrum_distance", [1.5, 0.25], [0.5, 0.5], [1, -0.25]),  # lower is better
        ("seed_stability", [0.25, 1], [0.5, -1], [0.25, -2]),
        ("nature_percentile", [40, 100], [100, 40], [60, -60]),
    ],
)
def test_changes(name: str, a: list[float], b: list[float], expected: list[float]) -> None:
    found = chance.changes(name, np.array(a, float), np.array(b, float))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_ranks_count_as_shares_of_the_channels() -> None:
    a, b = np.array([10.0, 1]), np.array([5.0, 1])
    np.testing.assert_allclose(chance.changes("selectivity_rank", a, b, (100, 100)), [0.05, 0])
    np.testing.assert_allclose(chance.changes("selectivity_rank", a, b, (100, 50)), [0, -0.01])
    assert np.isnan(chance.changes("selectivity_rank", a, b, (None, 50))).all()


def signs(change: list[float]) -> float:
    """Wilcoxon's p by going through all signs; ranks: means of tied amounts."""
    amounts = np.abs(change)
    ranks = np.array([(amounts < x).sum() + ((amounts == x).sum() + 1) / 2 for x in amounts])
    seen = abs(float((np.sign(change) * ranks).sum()))
    every = [abs(float((np.array(way) * ranks).sum())) for way in product((-1, 1), repeat=len(change))]
    return float(np.mean([value >= seen - 1e-9 for value in every]))


@pytest.mark.parametrize(
    "change", [[1, 2, 3, 4, 5, 6.0], [1, -2, 3, 4, 5, 6, 7.5], [1, 1, 1, -1, 2, 2, 2, 3.0], [-3, -1, -1, -2, -2, -2.0]]
)
def test_p_is_exact_for_few_filters_also_with_ties(change: list[float]) -> None:
    found = chance.held("seed_stability", np.zeros(len(change)), np.array(change), np.array(change), "")
    assert found.p == pytest.approx(signs(change))


def test_fewer_than_six_filters_that_differ_say_nothing() -> None:
    change = np.array([1, 2, 3, 4, 5, 0, 0.0])
    found = chance.corrected([chance.held("seed_stability", np.zeros(7), change, change, "")])[0]
    assert (found.n, found.better, found.p) == (7, (0, 5), None)
    assert found.verdict == "unknown: 5 of 7 filters differ, 6 are needed to tell it from chance"
    assert found.interval is not None
    assert found.interval[0] <= found.change == 2 <= found.interval[1]


def test_verdicts() -> None:
    up, mixed = np.arange(1.0, 10), np.array([1, -1, 2, -2, 3, -3.0])

    def verdict(change: np.ndarray, why: str = "") -> str:
        zeros = np.zeros(len(change))
        return chance.corrected([chance.held("seed_stability", zeros, change, change, why)])[0].verdict

    assert verdict(up) == "B is better"
    assert verdict(-up) == "A is better"
    assert verdict(mixed) == "no difference beyond chance"
    assert verdict(0 * up) == "the same"
    assert verdict(np.full(8, NAN)) == "unknown: not measured on both sides"
    assert verdict(up, "other images") == "not compared: other images"


def test_holm() -> None:
    """p of 0.01, 0.04, 0.03 and none: times 3, 2 and 1, never below that of a smaller one."""
    tests = [chance.Test("x", 9, (1, 8), None, 1, None, p) for p in (0.01, 0.04, None, 0.03)]
    assert [one.corrected for one in chance.corrected(tests)] == [0.03, 0.06, None, 0.06]
