"""Where in an image which filters fire: each unit's output in at most 14 x 14 cells, image by image."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis.seen import Seen
from cnnviz.errors import InputError
from cnnviz.files import Rows, Spool, npz

CELLS = 14  # along each side at most; a smaller map has a cell for each of its positions
LEVELS = 50  # in squares: fine where a filter is near its highest output, 0 below 10% of it


def starts(side: int) -> NDArray[np.intp]:
    """The first position of each cell along a side of the map."""
    cells = min(side, CELLS)
    return np.arange(cells) * side // cells


def _highest(maps: NDArray[np.floating], axis: int) -> NDArray[np.floating]:
    """The highest value of each cell along one side of the maps, NaN where there is one."""
    side = maps.shape[axis]
    cells = min(side, CELLS)
    if side % cells:
        return np.maximum.reduceat(maps, starts(side), axis=axis)
    step, along = side // cells, np.moveaxis(maps, axis, -1)  # in long strides, many times as fast
    found = along[..., ::step].copy()
    for i in range(1, step):
        np.maximum(found, along[..., i::step], out=found)
    return np.moveaxis(found, -1, axis)


def edges(centres: NDArray[np.floating], length: int) -> tuple[NDArray[np.float32], bool]:
    """Where the cells begin and end along a side of the image: shares of it, one more than there are cells.

    centres: of what each position of the map sees, in pixels of a side of `length`. A cell reaches from halfway to its
    neighbours. Where the centres don't rise (each position sees all of the image), the map is taken to cover the image
    evenly; returns whether it was.
    """
    side = len(centres)
    steps = np.diff(centres)
    assumed = bool((steps <= 0).any())
    if side == 1 or assumed:
        bounds = np.linspace(0, 1, side + 1)
    else:
        between = (centres[1:] + centres[:-1]) / 2
        bounds = np.array([centres[0] - steps[0] / 2, *between, centres[-1] + steps[-1] / 2]) / length
    return np.clip(bounds[[*starts(side), side]], 0, 1).astype(np.float32), assumed


class Places:
    """The highest output of each unit in each cell, of the first `limit` images of a set.

    What is not above 0 does not fire, and counts as 0; so does NaN. Kept as the upper half of float32: of any size,
    to 0.4%, in two bytes.
    """

    def __init__(self, limit: int, spool: Spool | None = None) -> None:
        self.limit, self._kept = limit, Rows(spool)

    def update(self, seen: Seen) -> None:
        unit = seen.unit[: int(np.count_nonzero(seen.indices < self.limit))]
        if len(unit):
            highest = _highest(_highest(unit, 2), 3)
            bits = np.nan_to_num(np.maximum(highest, 0), posinf=3e38).astype(np.float32).view(np.uint32)
            self._kept.append(((bits + 0x8000) >> 16).astype(np.uint16))

    def values(self) -> NDArray[np.float32]:
        """float32 `(images, channels, cells down, cells across)`."""
        return (self._kept.joined().astype(np.uint32) << 16).view(np.float32)

    def levels(self, highest: NDArray[np.floating]) -> NDArray[np.uint8]:
        """The same as `quantised` shares of each channel's `highest` `(channels,)`; 0 where that is 0, or no number."""
        known = np.isfinite(highest) & (highest > 0)
        scale = np.divide(1, highest, out=np.zeros(len(highest)), where=known).astype(np.float32)
        return quantised(self.values() * scale[:, None, None])


def quantised(shares: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Shares in 0..1 (what is above counts as 1) as levels: the square root of level / LEVELS is the share."""
    return np.rint(LEVELS * np.minimum(shares, 1) ** 2).astype(np.uint8)


def share(levels: NDArray[np.integer]) -> NDArray[np.float64]:
    """`quantised` turned round."""
    return np.sqrt(np.asarray(levels) / LEVELS)


@dataclass(frozen=True)
class Placed:
    """Of one layer: which cells there are, and what a level means.

    highest: float64 `(channels,)`, each unit's highest output on all images of all sets, NaN or infinite where it was
    that somewhere; rows, columns: edges of the cells, shares of the image's height and width; assumed: whether they had
    to be, see `edges`.
    """

    highest: NDArray[np.float64]
    rows: NDArray[np.float32]
    columns: NDArray[np.float32]
    assumed: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of its part of an image's levels."""
        return len(self.highest), len(self.rows) - 1, len(self.columns) - 1


def arrays(layers: Mapping[str, Placed]) -> dict[str, NDArray]:
    """What places.npz holds."""
    return {
        f"{name}/{key}": np.asarray(getattr(one, key))
        for name, one in layers.items()
        for key in ("highest", "rows", "columns", "assumed")
    }


def read_places(folder: Path) -> dict[str, Placed]:
    """Of one model's analysis, by layer. Raises InputError where it is missing or of an older cnnviz."""
    path = folder / "places.npz"
    if not path.is_file():
        raise InputError(f"{path}: not there; run `dvc repro analyze@{folder.name}` first")
    found = npz.load(path)
    names = [key.removesuffix("/highest") for key in found if key.endswith("/highest")]
    read = {}
    for name in names:
        highest, down, across, assumed = (found[f"{name}/{key}"] for key in ("highest", "rows", "columns", "assumed"))
        read[name] = Placed(highest, down, across, bool(assumed))
    return read


def split(levels: NDArray[np.uint8], layers: Mapping[str, Placed]) -> dict[str, NDArray[np.uint8]]:
    """An image's levels, as `<set>/places.npz` holds them in one row, by layer."""
    ends = np.cumsum([int(np.prod(one.shape)) for one in layers.values()])
    parts = np.split(levels, ends[:-1])
    return {name: part.reshape(one.shape) for (name, one), part in zip(layers.items(), parts, strict=True)}


def rows(layers: Iterable[NDArray[np.uint8]]) -> dict[str, NDArray[np.uint8]]:
    """`split` turned round, for every image: levels `(images, channels, h, w)` of each layer -> {image: one row}."""
    every = list(layers)
    return {str(i): np.concatenate([one[i].ravel() for one in every]) for i in range(len(every[0]))}
