"""Where the network runs: which patches drive the filters of a layer, and how a network judges patches."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import Extremes, Observer, Pixels, Seen
from cnnviz.images import converted, resize
from cnnviz.judging.tasks import Floats
from cnnviz.networks import load, read_description, receptive_field

DEPTHS = 5  # layers of a judge that are listened to
BATCH = 8
Tick = Callable[[int], object]


class Driven(NamedTuple):
    """Per filter and rank: the image's number int32 `(filters, count)`, what the filter sees at its strongest spot as
    boxes `(filters, count, 4)` (top, left, bottom, right), pre-activation, and the spot (y, x) in the layer's map.
    """

    images: NDArray[np.int32]
    boxes: NDArray[np.int32]
    values: NDArray[np.float32]
    positions: NDArray[np.int32]


def driving(
    observer: Observer,
    pixels: Pixels,
    shown: NDArray[np.integer],
    wanted: dict[str, list[int]],
    count: int,
    tick: Tick,
) -> dict[str, Driven]:
    """The `count` images that drive these filters of each layer most, each photo once.

    shown: which images show the same photo, see images.photos.
    """
    found = {name: Extremes(len(filters), count, 1, shown) for name, filters in wanted.items()}

    def read(indices: Sequence[int]) -> NDArray[np.float32]:
        return np.stack([pixels.seen(i) for i in indices]).astype(np.float32)

    total = int(pixels.starts[-1])
    for batch in observer.batches(read, total, BATCH):
        for name, filters in wanted.items():
            seen = batch[name]
            pre = seen.pre[:, filters]
            found[name].update(Seen(seen.indices, pre, pre))
        batch.release()
        tick(len(seen.indices))
    boxes = {
        name: receptive_field.boxes(observer.convs[name].output, one.positions).reshape(*one.values.shape, 4)
        for name, one in found.items()
    }
    return {
        name: Driven(one.images, boxes[name].astype(np.int32), one.values, one.positions) for name, one in found.items()
    }


class NetworkJudge:
    """A stored network as a judge: its units' means over positions, in five conv layers beyond the first third."""

    def __init__(self, stored: Path) -> None:
        self.described = read_description(stored)
        self.name = stored.name
        names = [conv["name"] for conv in self.described["conv_layers"]]
        chosen = np.linspace(len(names) / 3, len(names) - 1, DEPTHS).round().astype(int)
        self._observer = Observer(load(stored)[0], self.described, list(dict.fromkeys(names[i] for i in chosen)))

    def embed(self, patches: Sequence[NDArray[np.uint8]]) -> list[Floats]:
        """RGB patches `(h, w, 3)` of any size -> blocks `(n, channels)`, one per layer."""
        height, width, channels = self.described["input_shape"]

        def read(indices: Sequence[int]) -> NDArray[np.float32]:
            return converted(resize([patches[i] for i in indices], (height, width)), channels)

        found: dict[str, list[Any]] = {}
        for batch in self._observer.batches(read, len(patches), BATCH):
            for name in batch:
                found.setdefault(name, []).append(batch[name].unit.mean((2, 3), dtype=np.float64))
            batch.release()
        return [np.concatenate(each) for each in found.values()]
