"""How much alike the natural patches of a filter are, and how many kinds of them there are: docs/scores.md."""

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial import distance

from cnnviz.judging.tasks import Floats, unit

MOST = 4  # facets
STRUCTURE = 0.5  # silhouette up to which clusters are "weak and could be artificial": Kaufman and Rousseeuw, 1990


def clarity(vectors: Floats) -> float:
    """Mean cosine between any two different vectors of `(k, D)`: 1 all alike, about 0 at random; NaN for k < 2.

    The mean over all pairs, each vector with itself included, would be higher the fewer vectors there are.
    """
    count = len(vectors)
    if count < 2:
        return float("nan")
    total = np.square(unit(vectors).sum(0)).sum()
    return float((total - count) / (count * (count - 1)))


def reliability(filters: Floats) -> float:
    """Whether clarity is a property of the filter: correlation over filters of `(F, k, D)` between two halves.

    Halves are the odd and the even ranks, the correlation that of Pearson, raised to the whole length by Spearman and
    Brown's formula. NaN for fewer than three filters, and where all are alike.
    """
    halves = np.array([[clarity(one[::2]), clarity(one[1::2])] for one in filters]).reshape(-1, 2)
    if len(halves) < 3 or not np.isfinite(halves).all() or not halves.std(0).all():
        return float("nan")
    r = float(np.corrcoef(halves.T)[0, 1])
    return 2 * r / (1 + r) if r > 0 else r  # the formula has no meaning below 0


def facets(vectors: Floats) -> NDArray[np.int32]:
    """Which kind each vector of `(k, D)` is of, `(k,)`, from 0 on in the order of the first of each kind.

    Clusters by average linkage on cosine distances; 2 to 4, what has the highest silhouette, or 1 where that is below
    STRUCTURE.
    """
    count = len(vectors)
    if count < 4:
        return np.zeros(count, np.int32)
    apart = np.clip(1 - unit(vectors) @ unit(vectors).T, 0, 2)
    np.fill_diagonal(apart, 0)
    joined = hierarchy.linkage(distance.squareform(apart, checks=False), "average")
    best, chosen = STRUCTURE, np.ones(count, np.int32)
    for number in range(2, MOST + 1):
        labels = hierarchy.fcluster(joined, number, "maxclust")
        if (found := silhouette(apart, labels)) > best:
            best, chosen = found, labels
    order = {label: place for place, label in enumerate(dict.fromkeys(chosen.tolist()))}
    return np.array([order[label] for label in chosen.tolist()], np.int32)


def silhouette(apart: Floats, labels: NDArray[np.integer]) -> float:
    """Mean of (b - a) / max(a, b): a, b the mean distances to one's own cluster and to the nearest other one.

    apart: `(k, k)`. 0 for one that is alone in its cluster; -1 for a single cluster. Rousseeuw, 1987.
    """
    kinds = np.unique(labels)
    if len(kinds) < 2:
        return -1.0
    values = []
    for i, label in enumerate(labels):
        same = (labels == label) & (np.arange(len(labels)) != i)
        if not same.any():
            values.append(0.0)
            continue
        own = apart[i, same].mean()
        other = min(apart[i, labels == kind].mean() for kind in kinds if kind != label)
        values.append(float((other - own) / max(own, other)) if max(own, other) else 0.0)
    return float(np.mean(values))
