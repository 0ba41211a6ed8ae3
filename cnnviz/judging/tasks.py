"""Two-alternative tasks: can one tell from explanations alone which filter a natural patch belongs to? docs/scores.md.

F filters of a layer; Q natural patches of each that ask; likeness s(a, i, b): of filter a's patch i to what explains b.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 2000  # of filters, for an interval


def likeness(asking: Floats, explaining: Sequence[Floats]) -> Floats:
    """Mean cosine of every patch that asks, `(F, Q, D)`, to the vectors that explain each filter, F of `(k, D)`.

    Returns `(F, Q, F)`; a vector of zeros is like nothing (0).
    """
    means = np.stack([unit(one).mean(0) for one in explaining])
    return unit(asking) @ means.T


def unit(vectors: Floats) -> Floats:
    """Vectors `(…, D)` at length 1, those of zeros as they are."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def pairs(like: Floats) -> Floats:
    """Share of tasks that are solved for every two filters: `(F, F)`, NaN but above the diagonal.

    A task has two patches, of filters a and b, and what explains a and b: solved where the patches are more like their
    own filter's than like the other's, `s(a,i,a) + s(b,i,b) > s(a,i,b) + s(b,i,a)`; a tie counts a half.
    """
    count = len(like)
    return _solved(like, [(a, b, a, b) for a in range(count) for b in range(a + 1, count)])


def control(like: Floats, rng: np.random.Generator) -> Floats:
    """The same tasks with what explains two other filters, drawn for each pair: about one half, whatever it shows.

    NaN everywhere for fewer than four filters.
    """
    count = len(like)
    if count < 4:
        return np.full((count, count), np.nan)
    drawn = []
    for a in range(count):
        for b in range(a + 1, count):
            others = [k for k in range(count) if k not in (a, b)]
            drawn.append((a, b, *rng.choice(others, 2, replace=False)))
    return _solved(like, drawn)


def _solved(like: Floats, tasks: Sequence[tuple[int, ...]]) -> Floats:
    found = np.full((len(like), len(like)), np.nan)
    for a, b, first, second in tasks:
        margin = like[a, :, first] + like[b, :, second] - like[a, :, second] - like[b, :, first]
        found[a, b] = np.mean((margin > 0) + 0.5 * (margin == 0))
    return found


def accuracy(layers: Sequence[Floats]) -> float:
    """Mean over the pairs of a layer, over layers weighted by their filters; NaN where nothing is known."""
    known = [one for one in layers if np.isfinite(one).any()]
    if not known:
        return float("nan")
    return float(np.average([np.nanmean(one) for one in known], weights=[len(one) for one in known]))


def interval(layers: Sequence[Floats], rng: np.random.Generator, draws: int = DRAWS) -> tuple[float, float]:
    """95% of `accuracy` if other filters of these layers had been looked at: bootstrap over filters, percentiles.

    Filters are drawn, not pairs, which are not independent of each other. Also of differences of two such tables.
    NaN where nothing is known or a layer has fewer than three filters.
    """
    known = [one for one in layers if np.isfinite(one).any()]
    if not known or min(map(len, known)) < 3:
        return float("nan"), float("nan")
    total, weight = np.zeros(draws), np.zeros(draws)
    for one in known:
        count = len(one)
        above = np.triu(np.ones((count, count)), 1) * np.isfinite(one)
        times = rng.multinomial(count, np.full(count, 1 / count), size=draws).astype(float)
        solved = np.einsum("da,ab,db->d", times, np.where(above > 0, one, 0), times)
        asked = np.einsum("da,ab,db->d", times, above, times)
        total += count * np.divide(solved, asked, out=np.zeros(draws), where=asked > 0)
        weight += count * (asked > 0)
    means = total[weight > 0] / weight[weight > 0]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
