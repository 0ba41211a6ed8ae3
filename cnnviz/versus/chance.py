"""Which side is better by a score, whether the score can tell, and whether the difference is more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LOWER = ("selectivity_rank", "spectrum_distance")  # better where lower; all others where higher
UNITS = ("robust_score", "score")  # in units of the layer
RELATIVE = (*UNITS, "against_nature")  # of other sizes in other layers: changes as shares
FEWEST = 6  # of so many that all change alike, chance makes one in 32: of fewer, more than one in 20
EXACT = 13  # of so many filters SciPy goes through all choices of signs
LEVEL = 0.05
DRAWS = 2000
ROUNDING = 1e-5  # a change below it is none


@dataclass(frozen=True)
class Test:
    """A score over the n filters that both sides know it of; better: for how many a is better, and b.

    medians: of a and b, None where n is 0. change: median of `changes`; interval: 95% of it, None below FEWEST filters.
    p: two-sided, None where fewer than FEWEST filters changed; corrected: by Holm, over a model's scores.
    """

    name: str
    n: int
    better: tuple[int, int]
    medians: tuple[float, float] | None
    change: float | None
    interval: tuple[float, float] | None
    p: float | None
    corrected: float | None = None
    why: str = ""  # why it can't be compared

    @property
    def verdict(self) -> str:
        """In words, with A and B."""
        if self.why:
            return f"not compared: {self.why}"
        if not self.n:
            return "unknown: not measured on both sides"
        if self.better == (0, 0):
            return "the same"
        if self.corrected is None:
            return f"unknown: {sum(self.better)} of {self.n} filters differ, {FEWEST} are needed to tell it from chance"
        if self.corrected >= LEVEL:
            return "no difference beyond chance"
        if self.change is not None and abs(self.change) > ROUNDING:
            return "B is better" if self.change > 0 else "A is better"
        return "B is better" if self.better[1] > self.better[0] else "A is better"


def changes(name: str, a: NDArray, b: NDArray, channels: tuple[int | None, int | None] = (None, None)) -> NDArray:
    """How much better b is than a, `(n,)` each: above 0 where b is better, NaN where one is unknown.

    Of RELATIVE scores as a share of the larger of both amounts, of ranks as a share of the layer's channels (NaN where
    their number is unknown), of the others the difference. 0 where it is within rounding.
    """
    sign = -1.0 if name in LOWER else 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        if name in RELATIVE:
            largest = np.maximum(np.abs(a), np.abs(b))
            found = np.where(a == b, 0.0, (b - a) / largest)
        elif name == "selectivity_rank":
            one, other = (np.nan if count is None else float(count) for count in channels)
            found = b / other - a / one
        else:
            found = b - a
    found = np.where(np.isfinite(a) & np.isfinite(b), found, np.nan)
    return sign * np.where(np.abs(found) <= ROUNDING, 0.0, found)


def held(name: str, a: NDArray, b: NDArray, change: NDArray, why: str) -> Test:
    """Hold the filters `(n,)` of both sides against each other. change: of `changes`; why: see Test."""
    known = np.isfinite(change)
    if why or not known.any():
        count = int((np.isfinite(a) & np.isfinite(b)).sum())
        medians = (float(np.median(a[known])), float(np.median(b[known]))) if known.any() else None
        return Test(name, count, (0, 0), medians, None, None, None, why=why)
    change = change[known]
    better = (int((change < 0).sum()), int((change > 0).sum()))
    p = _wilcoxon(change[change != 0]) if sum(better) >= FEWEST else None
    medians = (float(np.median(a[known])), float(np.median(b[known])))
    return Test(name, len(change), better, medians, float(np.median(change)), interval(change), p)


def _wilcoxon(change: NDArray) -> float:
    """Two-sided p of the signed-rank test: of few, over all ways to choose the signs, also where amounts are tied."""
    method = stats.PermutationMethod() if len(change) <= EXACT else "auto"
    return float(stats.wilcoxon(change, method=method).pvalue)


def interval(change: NDArray) -> tuple[float, float] | None:
    """95% interval of the median, by drawing filters with replacement; None below FEWEST of them."""
    if len(change) < FEWEST:
        return None
    drawn = np.random.default_rng(0).integers(0, len(change), (DRAWS, len(change)))
    low, high = np.percentile(np.median(change[drawn], axis=1), (2.5, 97.5))
    return float(low), float(high)


def corrected(tests: Sequence[Test]) -> list[Test]:
    """The same tests with p corrected for their number (Holm 1979)."""
    order = sorted((i for i, one in enumerate(tests) if one.p is not None), key=lambda i: tests[i].p or 0.0)
    found, least = {}, 0.0
    for place, i in enumerate(order):
        least = max(least, min(1.0, (len(order) - place) * (tests[i].p or 0.0)))
        found[i] = least
    return [_with(one, found.get(i)) for i, one in enumerate(tests)]


def _with(one: Test, p: float | None) -> Test:
    return Test(one.name, one.n, one.better, one.medians, one.change, one.interval, one.p, p, one.why)
