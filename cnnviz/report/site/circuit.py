"""Who feeds whom how much, from kernels. What a layer's sources are: networks/origins.py."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnviz.files import npz

Origin = tuple[str, ...]


@dataclass(frozen=True)
class Link:
    """A connection to channel `filter` of `layer`. kernel: its 2-D weights `(kh, kw)`; strength: their L2 norm."""

    layer: str
    filter: int
    kernel: NDArray[np.float32]
    strength: float


@dataclass(frozen=True)
class Strongest:
    """The strongest connections of n filters: those that add, those that take away, `count` of each.

    channels: int `(n, 2, count)`, strongest first, -1 where there are no more; kernels: float32
    `(n, 2, count, kh, kw)`, 0 there.
    """

    channels: NDArray[np.integer]
    kernels: NDArray[np.float32]


def _largest(values: NDArray[np.float32], count: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Places of the largest values of each row `(n, count)`, the first of equal ones first; and which are above 0."""
    padded = np.pad(values, ((0, 0), (0, max(0, count - values.shape[1]))))
    order = np.argsort(-padded, axis=1, kind="stable")[:, :count]
    known = np.take_along_axis(padded, order, 1) > 0
    return np.where(known, order, 0), known


class Wiring:
    """What a conv layer reads. kernel: float32 `(kh, kw, in, out)`, depthwise `(kh, kw, in, multiplier)`.

    groups: of a layer whose filters are shared out among groups of its input channels; then in: those of one group.
    """

    def __init__(self, kernel: NDArray[np.float32], depthwise: bool, groups: int = 1) -> None:
        self.kernel, self.depthwise, self.groups = kernel, depthwise, groups
        self.norms = np.sqrt(np.square(kernel, dtype=np.float32).sum((0, 1)))
        self.sums = kernel.sum((0, 1))

    def inputs(self, k: int, layers: Origin, count: int) -> tuple[list[Link], list[Link]]:
        """The strongest input channels of filter k: `count` whose weights sum to more than 0, `count` others."""
        if self.depthwise:
            multiplier = self.kernel.shape[3]
            places = [(k // multiplier, k // multiplier, k % multiplier)]
        else:
            reads, filters = self.kernel.shape[2:]
            first = k // (filters // self.groups) * reads
            places = [(first + row, row, k) for row in range(reads)]
        return self._strongest(places, layers, count)

    def outputs(self, channel: int, layer: str, count: int) -> tuple[list[Link], list[Link]]:
        """The filters of `layer`, whose kernel this is, that read this input channel most."""
        reads, width = self.kernel.shape[2:]
        if self.depthwise:
            return self._strongest([(channel * width + c, channel, c) for c in range(width)], (layer,), count)
        group, row = divmod(channel, reads)
        width //= self.groups
        return self._strongest([(k, row, k) for k in range(group * width, (group + 1) * width)], (layer,), count)

    def all_inputs(self, count: int) -> "Strongest":
        """The same as `inputs` of every filter at once; the numbers are those of input channels."""
        reads, width = self.kernel.shape[2:]
        if self.depthwise:
            rows, columns = (one.reshape(-1, 1) for one in np.divmod(np.arange(reads * width), width))
            return self._best(rows, rows, columns, count)
        columns = np.arange(width)[:, None]
        rows = np.arange(reads)[None]
        return self._best(columns // (width // self.groups) * reads + rows, rows, columns, count)

    def all_outputs(self, count: int) -> "Strongest":
        """The same as `outputs` of every input channel at once; the numbers are those of filters."""
        reads, width = self.kernel.shape[2:]
        if self.depthwise:
            rows, columns = np.arange(reads)[:, None], np.arange(width)[None]
            return self._best(rows * width + columns, rows, columns, count)
        group, rows = (one[:, None] for one in np.divmod(np.arange(reads * self.groups), reads))
        columns = group * (width // self.groups) + np.arange(width // self.groups)
        return self._best(columns, rows, columns, count)

    def _best(self, named: NDArray, rows: NDArray, columns: NDArray, count: int) -> "Strongest":
        """named, rows, columns: int, broadcast to `(n, m)`: of each of n the m channels, and where its weights are."""
        named, rows, columns = np.broadcast_arrays(named, rows, columns)
        norms, sums = self.norms[rows, columns], self.sums[rows, columns]
        sides = [_largest(np.where((sums > 0) == adds, norms, 0), count) for adds in (True, False)]
        order, known = (np.stack(part, axis=1) for part in zip(*sides, strict=True))
        n = np.arange(len(named))[:, None, None]
        channels = np.where(known, named[n, order], -1)
        kernels = np.where(known, self.kernel[:, :, rows[n, order], columns[n, order]], 0)
        return Strongest(channels, np.moveaxis(kernels, (0, 1), (-2, -1)))

    def _strongest(
        self, places: list[tuple[int, int, int]], layers: Origin, count: int
    ) -> tuple[list[Link], list[Link]]:
        """places: (filter that is named, row, column of the kernel)."""
        rows, columns = np.array([p[1] for p in places]), np.array([p[2] for p in places])
        norms, sums = self.norms[rows, columns], self.sums[rows, columns]
        order = [int(i) for i in np.argsort(-norms, kind="stable") if norms[i] > 0]
        sides = []
        for chosen in ([i for i in order if sums[i] > 0][:count], [i for i in order if sums[i] <= 0][:count]):
            links = [
                Link(layer, places[i][0], self.kernel[:, :, rows[i], columns[i]], float(norms[i]))
                for i in chosen
                for layer in layers
            ]
            sides.append(links)
        return sides[0], sides[1]


@lru_cache(4)  # a layer is asked for as the reader of the one before it, then for itself
def read_wiring(path: Path, depthwise: bool, channels: int) -> Wiring | None:
    """From `weights/<model>/<layer>.npz`; None where there is none. channels: of the layer's input."""
    stored = npz.read(path)
    if not stored:
        return None
    groups = 1 if depthwise else channels // stored["kernel"].shape[2]
    return Wiring(stored["kernel"], depthwise, groups)
