"""How alike kernels are, and groups of those that are."""

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

Floats = NDArray[np.float64]


def cosines(filters: NDArray) -> Floats:
    """Cosine between any two kernels, filters first `(n, ...)`: float64 `(n, n)`; 0 for a kernel of zeros."""
    flat = filters.reshape(len(filters), -1).astype(np.float64)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    flat = np.divide(flat, norm, out=np.zeros_like(flat), where=norm > 0)
    found = np.clip(flat @ flat.T, -1, 1)
    np.fill_diagonal(found, 1)
    return found


def clusters(similarity: Floats, threshold: float) -> NDArray[np.int32]:
    """Groups whose members are all at least `threshold` alike (complete linkage): int `(n,)`, 0 the largest group.

    similarity: symmetric `(n, n)`, at most 1.
    """
    n = len(similarity)
    if n < 2:
        return np.zeros(n, np.int32)
    distance = 1 - (similarity + similarity.T) / 2
    np.fill_diagonal(distance, 0)
    tree = hierarchy.linkage(squareform(distance.clip(0), checks=False), "complete")
    labels = hierarchy.fcluster(tree, 1 - threshold, "distance")
    _, first, inverse, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    rank = np.lexsort((first, -counts)).argsort()
    return rank[inverse].astype(np.int32)
