"""What single filters do over many images, streamed: definitions, formulas and sources in docs/analysis.md.

Measures take batches (seen.Seen) and keep sums only. Activations are rectified, max(unit, 0), where a measure
is defined for firing rates.
"""

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis.seen import Seen

Floats = NDArray[np.float64]

LOWEST, HIGHEST = -16, 16  # powers of two between which the histogram has bins, two per octave
_SIDE = 2 * (HIGHEST - LOWEST)
MANY = 2048  # positions from which on it takes less time to count channel by channel


def sparsity(total: Floats, squares: Floats, n: int) -> Floats:
    """Sparsity of n rates of which sum and sum of squares are given: 0 all alike, 1 a single one is not 0.

    NaN where all are 0 or n < 2. Vinje and Gallant, Science 287 (2000), after Treves and Rolls, Network 2 (1991).
    """
    total, squares = np.asarray(total, float), np.asarray(squares, float)
    if n < 2:
        return np.full(total.shape, np.nan)
    even = np.divide(total**2, n * squares, out=np.full(total.shape, np.nan), where=squares > 0)
    return np.clip((1 - even) / (1 - 1 / n), 0, 1)


class Moments:
    """Firing rate, mean, maximum, lifetime and population sparsity of a layer of `channels` units.

    A stimulus is what a neuron sees: every position of every image is one.
    """

    def __init__(self, channels: int) -> None:
        self.positive = np.zeros(channels)
        self.total = np.zeros(channels)  # of the unit itself; `rates` and `squares` are of the rectified unit
        self.rates = np.zeros(channels)
        self.squares = np.zeros(channels)
        self.maximum = np.full(channels, -np.inf)
        self.stimuli = 0
        self._population = np.zeros(2)  # sum, number of positions where any unit fires

    def update(self, seen: Seen) -> None:
        for unit in seen.unit.reshape(*seen.unit.shape[:2], -1):
            rates = np.maximum(unit, 0)
            squares = rates * rates
            self.positive += np.count_nonzero(unit > 0, axis=1)
            self.total += unit.sum(1)
            self.rates += rates.sum(1)
            self.squares += squares.sum(1)
            self.maximum = np.maximum(self.maximum, unit.max(1))
            self.stimuli += unit.shape[1]
            numbers = ~np.isnan(rates[:, 0])  # a filter whose weights are NaN is NaN everywhere; the others go on
            if not numbers.all():
                rates, squares = rates[numbers], squares[numbers]
            found = sparsity(rates.sum(0), squares.sum(0), len(rates))
            self._population += np.nansum(found), np.count_nonzero(~np.isnan(found))

    def result(self) -> dict[str, Floats]:
        """Per channel, float64 `(channels,)`."""
        return {
            "firing_rate": np.where(np.isnan(self.total), np.nan, self.positive / self.stimuli),
            "mean": self.total / self.stimuli,
            "rate": self.rates / self.stimuli,
            "maximum": self.maximum,
            "lifetime_sparsity": sparsity(self.rates, self.squares, self.stimuli),
        }

    @property
    def population_sparsity(self) -> float:
        """Mean over all positions of all images where any unit fires; NaN if none ever does."""
        return float(self._population[0] / self._population[1]) if self._population[1] else float("nan")


def histogram_edges() -> Floats:
    """Edges of the histogram's bins, rising: two bins per octave on either side of 0 and one bin around 0."""
    side = [2.0**e * m for e in range(LOWEST, HIGHEST) for m in (1, 1.5)] + [2.0**HIGHEST]
    return np.array([-x for x in reversed(side)] + side)


class Histogram:
    """How often each pre-activation occurs: int64 `(channels, bins)`, bins as in `histogram_edges`.

    What is beyond the outermost edges counts in the outermost bins. The bins are fixed, so that nothing has to be known
    before the first batch: they are the leading bits of the float32 numbers.
    """

    def __init__(self, channels: int) -> None:
        self.counts = np.zeros((channels, 2 * _SIDE + 1), np.int64)
        codes = np.arange(1024)  # sign, 8 bits of exponent, 1 of mantissa
        bins = np.clip((codes & 511) - 2 * (127 + LOWEST), -1, _SIDE - 1) + 1  # 0: around 0
        self._bin = np.where(codes < 512, _SIDE + bins, _SIDE - bins)

    def update(self, seen: Seen) -> None:
        channels = len(self.counts)
        for pre in seen.pre.reshape(len(seen.pre), channels, -1):
            codes = np.ascontiguousarray(pre, np.float32).view(np.uint32) >> 22
            if codes.shape[1] >= MANY:
                found = np.stack([np.bincount(one, minlength=len(self._bin)) for one in codes])
                np.add.at(self.counts.T, self._bin, found.T)
            else:
                bins = self._bin[codes] + np.arange(channels)[:, None] * (2 * _SIDE + 1)
                self.counts += np.bincount(bins.ravel(), minlength=self.counts.size).reshape(self.counts.shape)


class ClassMeans:
    """Mean rate per class: float64 `(classes, channels)` over images with a label (-1: none) and their positions."""

    def __init__(self, channels: int, labels: NDArray[np.integer]) -> None:
        self.labels = labels
        classes = int(labels.max(initial=-1)) + 1
        self.sums = np.zeros((classes, channels))
        self.counts = np.bincount(labels[labels >= 0], minlength=classes)

    def update(self, seen: Seen) -> None:
        means = np.stack([np.maximum(unit, 0).mean((1, 2), dtype=np.float64) for unit in seen.unit])
        labels = self.labels[seen.indices]
        np.add.at(self.sums, labels[labels >= 0], means[labels >= 0])

    def means(self) -> Floats:
        """Of the classes that occur, `(classes that occur, channels)`."""
        there = self.counts > 0
        return self.sums[there] / self.counts[there, None]

    def preferred(self) -> NDArray[np.intp]:
        """Label of the class of highest mean, int `(channels,)`."""
        return np.flatnonzero(self.counts > 0)[self.means().argmax(0)]


def comparable(labels: NDArray[np.integer]) -> bool:
    """Whether class means can tell anything: two classes at least, and two images at least of every class."""
    counts = np.bincount(labels[labels >= 0])
    counts = counts[counts > 0]
    return len(counts) >= 2 and bool(counts.min() >= 2)


def class_selectivity(means: Floats) -> Floats:
    """How much a filter prefers one class, from class means `(classes, channels)`, none negative: 0 no, 1 only that.

    NaN where all means are 0. Morcos, Barrett, Rabinowitz, Botvinick, ICLR 2018.
    """
    highest = means.max(0)
    rest = (means.sum(0) - highest) / (len(means) - 1)
    both = highest + rest
    return np.divide(highest - rest, both, out=np.full(both.shape, np.nan), where=both > 0)


class Correlation:
    """Pearson correlation of the units of a layer over all positions of all images: float64 `(channels, channels)`."""

    def __init__(self, channels: int) -> None:
        self._shift: NDArray | None = None
        self._sum = np.zeros(channels)
        self._products = np.zeros((channels, channels))
        self._count = 0

    def update(self, seen: Seen) -> None:
        units = seen.unit.reshape(*seen.unit.shape[:2], -1)
        if self._shift is None:  # near the mean, so that the sums of products don't cancel
            self._shift = units.mean((0, 2), keepdims=True)[0]
        for unit in units:
            centred = unit - self._shift
            self._sum += centred.sum(1)
            self._products += centred @ centred.T
            self._count += unit.shape[1]

    def result(self) -> Floats:
        """1 on the diagonal; 0 for a unit that is constant, or NaN."""
        covariance = self._products / self._count - np.outer(self._sum, self._sum) / self._count**2
        spread = np.sqrt(np.clip(covariance.diagonal(), 0, None))
        alive = spread > 1e-6 * np.nanmax(spread, initial=0)
        scale = np.divide(1, spread, out=np.zeros_like(spread), where=alive)
        found = np.clip(covariance * scale * scale[:, None], -1, 1)
        found[np.isnan(found)] = 0
        np.fill_diagonal(found, 1)
        return found


def preference(one: Floats, other: Floats) -> Floats:
    """Which of two image sets drives a filter more, from its mean rates: 1 only `one`, -1 only `other`, NaN neither."""
    both = one + other
    return np.divide(one - other, both, out=np.full(both.shape, np.nan), where=both > 0)
