"""Who feeds whom how much, from kernels. What a layer's sources are: networks/origins.py."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Origin = tuple[str, ...]


@dataclass(frozen=True)
class Link:
    """A connection to channel `filter` of `layer`. kernel: its 2-D weights `(kh, kw)`; strength: their L2 norm."""

    layer: str
    filter: int
    kernel: NDArray[np.float32]
    strength: float


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
