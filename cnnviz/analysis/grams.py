"""What comparisons between networks need of a layer: Gram matrices and pooled features. See docs/analysis.md."""

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis.seen import Seen
from cnnviz.files import Rows, Spool

Floats = NDArray[np.float64]
GRID = 4  # cells per side that features are averaged over

FEWEST = 4  # images of a batch that the unbiased estimator needs

_COLUMNS = 2**14  # multiplied at a time: small enough for the processor's cache


def gram(rows: NDArray) -> Floats:
    """Inner products of the centred rows `(b, ...)`: float64 `(b, b)`."""
    flat = rows.reshape(len(rows), -1)
    found = np.zeros((len(flat), len(flat)))
    for start in range(0, flat.shape[1], _COLUMNS):
        part = flat[:, start : start + _COLUMNS]
        part = part - part.mean(0)
        found += part @ part.T
    return found


class Grams:
    """Gram matrices of full activations, one per batch of `size` images; only of the first `limit` images."""

    def __init__(self, size: int, limit: int) -> None:
        self.size, self.limit = size, limit
        self.found: list[Floats] = []

    def update(self, seen: Seen) -> None:
        if len(seen.indices) == self.size >= FEWEST and seen.indices[-1] < self.limit:
            self.found.append(gram(seen.unit))

    def result(self) -> Floats:
        """float64 `(batches, size, size)`."""
        return np.stack(self.found) if self.found else np.zeros((0, self.size, self.size))


def pool(maps: NDArray, grid: int = GRID) -> NDArray[np.float32]:
    """Average maps `(b, channels, h, w)` over grid x grid cells: float32 `(b, grid, grid, channels)`.

    Cell i reaches from floor(i h / grid) to ceil((i + 1) h / grid), as in PyTorch's adaptive average pooling: a map
    smaller than the grid is repeated.
    """
    down, across = (_cells(side, grid) for side in maps.shape[2:])
    return np.ascontiguousarray((down @ (maps @ across.T)).transpose(0, 2, 3, 1))


def _cells(side: int, grid: int) -> NDArray[np.float32]:
    weights = np.zeros((grid, side), np.float32)
    for i in range(grid):
        start, end = i * side // grid, -(-(i + 1) * side // grid)
        weights[i, start:end] = 1 / (end - start)
    return weights


class Features:
    """Units averaged over a grid of cells, of the first `limit` images: float32 `(images, GRID, GRID, channels)`."""

    def __init__(self, limit: int, spool: Spool | None = None) -> None:
        self.limit, self._found = limit, Rows(spool)

    def update(self, seen: Seen) -> None:
        if seen.indices[0] < self.limit:
            self._found.append(pool(seen.unit[: np.count_nonzero(seen.indices < self.limit)]))  # a view, no copy

    def result(self) -> NDArray[np.float32]:
        return self._found.joined()
