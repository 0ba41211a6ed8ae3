"""The same filters through a training: `cnnviz.life("runs/mine", "conv1", [0, 7])`."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cnnviz.epochs import grow
from cnnviz.networks import opened, series
from cnnviz.notebook import given
from cnnviz.notebook.display import MOST, Several, counted, rest
from cnnviz.notebook.tiles import Row, Tile, as_picture

WIDTH = 64  # pixels of a picture on the page


@dataclass(frozen=True, repr=False, eq=False)
class Life(Several):
    """n filters at E checkpoints: images uint8 `(n, E, h, w, channels)`, all from the same noise.

    checkpoints: what each is called, the earliest first; logs: what the training measured then, by name.
    """

    layer: str
    filters: tuple[int, ...]
    checkpoints: list[str]
    logs: list[dict[str, float | None]]
    images: NDArray[np.uint8]

    def _take(self, rows: NDArray[np.intp]) -> Self:
        return replace(self, filters=tuple(self.filters[i] for i in rows), images=self.images[rows])

    def _line(self) -> str:
        of, at = counted(len(self), "filter"), counted(len(self.checkpoints), "checkpoint")
        return f"{of} of {self.layer} at {at}, {self.images.shape[2]} x {self.images.shape[3]}"

    def _note(self) -> str:
        return rest(MOST, len(self), "filter", f"[{MOST}:] has the others")

    def _rows(self, most: int = MOST) -> list[Row]:
        return [
            Row(
                f"{self.layer} {k}",
                [Tile(as_picture(one), f"{k}_{at}", at) for one, at in zip(images, self.checkpoints, strict=True)],
                WIDTH,
            )
            for k, images in list(zip(self.filters, self.images, strict=True))[:most]
        ]

    def _stem(self) -> str:
        return f"{self.layer}_life"

    def _arrays(self) -> dict[str, NDArray]:
        numbers = np.array(self.filters, np.int32)
        return {"filters": numbers, "images": self.images, "checkpoints": np.array(self.checkpoints)}


def life(
    checkpoints: str | Path,
    layer: str,
    filters: Sequence[int],
    *,
    preprocessing: given.Preprocessing,
    steps: int = 32,
    architecture: str | Path | None = None,
) -> Life:
    """What filters of a layer look for at every checkpoint of a training, from the same noise with the same settings.

    checkpoints: a folder of FilterWatch, or files by a pattern, such as "run1/*.keras"; numbers in their names sort by
    what they are. architecture: a .keras file, where they are weights alone. preprocessing: as `maximize` takes it.
    steps: of gradient ascent for each picture. Raises InputError, naming the file, for one that can't be read or is of
    another architecture, and for a layer or filter that is not there.
    """
    found = series.find(str(checkpoints), None if architecture is None else str(architecture), "checkpoints")
    made: list[NDArray[np.uint8]] = []
    shown: list[series.Checkpoint] = []
    twice = series.Twice("checkpoints")
    for one in found:
        with series.whole(one, "checkpoints") as path:
            own = opened(path)[0]
        if one is found[0]:
            network, wanted = own, series.signature(own)
        series.check(series.signature(own), wanted, one, found[0], "checkpoints")
        if twice.seen(one, series.state(own.get_weights())):
            continue
        series.put(network, own)  # whose layers may be called otherwise
        shown.append(one)
        spec = given.preprocessing(preprocessing, given.subject(network))
        made.append(grow(network, layer, filters, given.whole(steps, "steps"), spec))
        series.let_go(network.count_params())
    gone = series.missing(Path(checkpoints))
    for note in [*twice.notes, *twice.copies, *([f"{checkpoints}: {series.without(gone)}"] if gone else [])]:
        warnings.warn(note, stacklevel=2)
    names, logs = [one.name for one in shown], [dict(one.moment.logs) for one in shown]
    return Life(layer, tuple(filters), names, logs, np.stack(made, 1))
