"""How strongly every filter of a layer responds to labelled images, one number per image."""

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis.seen import Seen

MOST = 1000  # images of a set
FEWEST = 2  # images of a class, and of the others


def tellable(labels: NDArray[np.integer]) -> bool:
    """Whether a class has two images, and two other images have labels (-1: none)."""
    counts = np.bincount(labels[labels >= 0])
    return bool(((counts >= FEWEST) & (counts.sum() - counts >= FEWEST)).any())


class Responses:
    """The highest pre-activation of each channel in each labelled image, of at most 1,000 evenly spaced ones.

    labels: int `(images,)` of those; `values`: float32 `(images, channels)`.
    """

    def __init__(self, channels: int, labels: NDArray[np.integer]) -> None:
        known = np.flatnonzero(labels >= 0)
        chosen = known[np.linspace(0, len(known) - 1, min(MOST, len(known))).astype(int)]
        self._row = np.full(len(labels), -1)
        self._row[chosen] = np.arange(len(chosen))
        self.labels = labels[chosen]
        self.values = np.zeros((len(chosen), channels), np.float32)

    def update(self, seen: Seen) -> None:
        rows = self._row[seen.indices]
        there = rows >= 0
        if there.any():
            self.values[rows[there]] = seen.pre[there].max((2, 3))
