"""Which class, or combination of classes, a filter tells apart best: AUROC and Mann-Whitney p. No TensorFlow.

After INVERT (Bykov et al., NeurIPS 2023). An image has one label, so that `and`, `or` and `not` of classes come down to
being of one of several classes, or of none of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from cnnviz.analysis.words.responses import FEWEST

DEPTH = 3  # classes in a combination at most
BEAM = 5  # classes, of the highest and of the lowest mean rank, that combinations are made of
GAIN = 0.02  # of AUROC, that a longer combination has to bring
EXACT = 20_000  # pairs of images up to which p is counted out instead of approximated


@dataclass(frozen=True)
class Telling:
    """Classes (their labels) that a filter tells apart; none: it responds to none of them, and to the rest.

    auroc: how probable it is that an image of the combination drives the filter more than another one; p: two-sided
    Mann-Whitney; images: how many are of the combination.
    """

    classes: tuple[int, ...]
    none: bool
    auroc: float
    p: float
    images: int

    def words(self, names: Mapping[int, str]) -> str:
        """`cat or dog`, `neither cat nor dog`; a class without a name is called by its number."""
        said = [names.get(c, f"class {c}") for c in self.classes]
        if not self.none:
            return " or ".join(said)
        return {1: "not {}", 2: "neither {} nor {}"}.get(len(said), "none of " + ", ".join(["{}"] * len(said))).format(
            *said
        )


def aurocs(ranks: NDArray, members: NDArray[np.bool_]) -> NDArray[np.float64]:
    """AUROC of images `(n,)` that are members against the rest, from ranks `(n, channels)` over all: `(channels,)`."""
    m, n = int(members.sum()), len(members)
    return np.asarray((ranks[members].sum(0) - m * (m + 1) / 2) / (m * (n - m)))


def hypotheses(labels: NDArray[np.integer]) -> int:
    """How many classes and combinations there are to choose from."""
    usable = int((np.bincount(labels) >= FEWEST).sum())
    return sum(comb(usable, d) for d in range(1, DEPTH + 1))


def tell(values: NDArray[np.floating], labels: NDArray[np.integer]) -> list[Telling | None]:
    """What each filter tells apart best: values `(images, channels)`, labels `(images,)`, all 0 or more.

    The class of the highest AUROC, or a combination of up to three that has at least 0.02 more for each step, made of
    the five classes of the highest or of the lowest mean rank. None for a filter whose values are not numbers.
    """
    n, finite = len(values), np.isfinite(values).all(0)
    ranks = stats.rankdata(values, axis=0)
    counts = np.bincount(labels)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, labels, ranks)
    usable = np.flatnonzero((counts >= FEWEST) & (n - counts >= FEWEST))
    order = usable[np.argsort(-sums[usable] / counts[usable, None], axis=0, kind="stable")]  # (usable, channels)
    channels = values.shape[1]
    best = np.full(channels, -np.inf)
    chosen: list[tuple[tuple[int, ...], bool]] = [((), False)] * channels
    for depth in range(1, min(DEPTH, len(usable)) + 1):
        for none in (False, True):
            ends = order[::-1][:BEAM] if none else order[:BEAM]
            found, which = _of_depth(sums, counts, ends, depth, none)
            for f in np.flatnonzero(found > best + (GAIN if depth > 1 or none else 0)).tolist():
                best[f] = found[f]
                chosen[f] = tuple(sorted(int(c) for c in which[f])), none
    told: list[Telling | None] = [None] * channels
    for size, filters, members in _by_size(chosen, labels, finite):
        p = _p(values[:, filters], members, size)
        for f, value in zip(filters, p, strict=True):
            classes, none = chosen[f]
            told[f] = Telling(classes, none, float(best[f]), float(value), size)
    return told


def _of_depth(
    sums: NDArray, counts: NDArray, ends: NDArray, depth: int, none: bool
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """The best combination of so many of the classes `ends` `(beam, channels)`: AUROCs, classes `(channels, depth)`."""
    n, channels = int(counts.sum()), np.arange(ends.shape[1])
    best, which = np.full(ends.shape[1], -np.inf), np.zeros((ends.shape[1], depth), int)
    for places in combinations(range(len(ends)), depth):
        classes = ends[list(places)]  # (depth, channels)
        m = counts[classes].sum(0)
        u = sums[classes, channels].sum(0) - m * (m + 1) / 2
        value = np.divide(u, m * (n - m), out=np.full(len(m), -np.inf), where=n - m >= FEWEST)
        value = np.where(np.isfinite(value) & none, 1 - value, value)
        better = value > best
        best[better], which[better] = value[better], classes.T[better]
    return best, which


def _by_size(
    chosen: Sequence[tuple[tuple[int, ...], bool]], labels: NDArray, finite: NDArray[np.bool_]
) -> list[tuple[int, list[int], NDArray[np.bool_]]]:
    """Filters whose combinations have equally many images: that number, the filters, who belongs `(n, filters)`."""
    members = {
        f: np.isin(labels, chosen[f][0]) != chosen[f][1] for f in np.flatnonzero(finite).tolist() if chosen[f][0]
    }
    sizes = {f: int(one.sum()) for f, one in members.items()}
    grouped = {size: [f for f in members if sizes[f] == size] for size in sorted(set(sizes.values()))}
    return [(size, filters, np.stack([members[f] for f in filters], 1)) for size, filters in grouped.items()]


def _p(values: NDArray, members: NDArray[np.bool_], size: int) -> NDArray[np.float64]:
    """Two-sided Mann-Whitney p of each column; exact without ties and for few images, which keeps small p small.

    With ties the normal approximation, but never less than the best that images with these ties could reach.
    """
    order = np.argsort(~members, axis=0, kind="stable")
    sorted_ = np.take_along_axis(values, order, 0)
    ties = (np.diff(np.sort(values, axis=0), axis=0) == 0).any(0)
    exact = ~ties & (size * (len(values) - size) <= EXACT)
    found = np.ones(values.shape[1])
    for which, method in ((exact, "exact"), (~exact, "asymptotic")):
        if which.any():
            one, other = sorted_[:size, which], sorted_[size:, which]
            found[which] = stats.mannwhitneyu(one, other, axis=0, method=method).pvalue
    found = np.nan_to_num(found, nan=1.0)  # a constant filter
    return np.where(ties, np.maximum(found, _least(values, size)), found)


def _least(values: NDArray, size: int) -> NDArray[np.float64]:
    """How probable it is that so many images drawn by chance are the highest of each column: p can't be less.

    Of the images that tie for the last places any may be among them: of 1,000 that a filter is silent on but for three,
    a class of 100 has these three with a probability of 0.001, however the approximation sees it.
    """
    n = len(values)
    last = np.sort(values, axis=0)[n - size]
    beyond, tied = (values > last).sum(0), (values == last).sum(0)
    return np.asarray(np.exp(_log_choose(tied, size - beyond) - _log_choose(np.array(n), size)))


def _log_choose(n: NDArray, k: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(special.gammaln(n + 1) - special.gammaln(np.asarray(k) + 1) - special.gammaln(n - k + 1))
