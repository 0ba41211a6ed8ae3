"""The image patches that drive filters most: `cnnviz.examples(model, images, "conv3", [0, 7])`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import Extremes, Observer, cut, outside
from cnnviz.images import photos
from cnnviz.networks import receptive_field, selection
from cnnviz.notebook import given, pixels
from cnnviz.notebook.display import Several, counted, rest, short
from cnnviz.notebook.tiles import Row, Tile, as_picture

BATCH = 8  # images at a time
SHOWN = 16  # filters
SIDE = 96  # pixels of a patch on the page: nine fit side by side


@dataclass(frozen=True, repr=False, eq=False)
class Examples(Several):
    """n filters of a layer and the k images that drive each most, best first; a photo counts once, at its best place.

    values: float32 `(n, k)`, the unit's pre-activation, after its normalization and before its nonlinearity; images:
    int32 `(n, k)`, the image's number; positions: int32 `(n, k, 2)`, y and x in the layer's map; boxes: int32 `(n, k,
    4)`, the receptive field in pixels of the network's input: top, left, bottom, right (the last two not included),
    beyond the image where padding fills it; outside: float32 `(n, k)`, the share of each box beyond the image; patches:
    n lists of k cut-outs uint8 `(h, w, channels)`, cut off where the image ends.
    """

    layer: str
    filters: tuple[int, ...]
    values: NDArray[np.float32]
    images: NDArray[np.int32]
    positions: NDArray[np.int32]
    boxes: NDArray[np.int32]
    outside: NDArray[np.float32]
    patches: list[list[NDArray[np.uint8]]]

    def _take(self, rows: NDArray[np.intp]) -> Self:
        return replace(
            self,
            filters=tuple(self.filters[i] for i in rows),
            values=self.values[rows],
            images=self.images[rows],
            positions=self.positions[rows],
            boxes=self.boxes[rows],
            outside=self.outside[rows],
            patches=[self.patches[i] for i in rows],
        )

    def _line(self) -> str:
        k = self.values.shape[1]
        return f"{counted(k, 'example')} of each of {counted(len(self), 'filter')} of {self.layer}"

    def _note(self) -> str:
        shown = rest(SHOWN, len(self), "filter", f"[{SHOWN}:] has the others")
        beyond = "cut off where the image ends" if self.outside.any() else ""
        return "; ".join(filter(None, ["below each patch its image and the pre-activation", beyond, shown]))

    def _rows(self, most: int = SHOWN) -> list[Row]:
        return [Row(f"filter {k}", self._tiles(i), SIDE) for i, k in enumerate(self.filters[:most])]

    def _tiles(self, i: int) -> list[Tile]:
        k = self.filters[i]
        return [
            Tile(as_picture(patch), f"{self.layer}_{k}_{rank + 1}", f"image {image}", [short(value), *_said(beyond)])
            for rank, (patch, image, value, beyond) in enumerate(
                zip(self.patches[i], self.images[i], self.values[i], self.outside[i], strict=True)
            )
        ]

    def _stem(self) -> str:
        return f"{self.layer}_examples"

    def _arrays(self) -> dict[str, NDArray]:
        named = {"filters": np.array(self.filters, np.int32)}
        return named | {name: getattr(self, name) for name in ("values", "images", "positions", "boxes", "outside")}


def _said(beyond: float) -> list[str]:
    return [f"{beyond:.0%} outside the image"] if beyond >= 0.005 else []


def examples(
    model: given.Model,
    images: Any,
    layer: str,
    filters: Sequence[int],
    *,
    preprocessing: given.Preprocessing | None = None,
    size: int | None = None,
    count: int = 9,
) -> Examples:
    """The `count` patches of the images that drive each filter of a conv layer most.

    model, images, preprocessing, size: as `feature_maps` takes them; filters: their numbers. Fewer than `count` where
    there are fewer images, copies of one photo counting as one. Raises InputError.
    """
    of = given.subject(model)
    name = given.layer(layer)
    spec = given.preprocessing(preprocessing, of)
    numbers = selection.numbers(filters, given.conv(of.trace(until=name), name).filters, name)
    seen = pixels.images(images, of, size)
    observer = Observer(of.network, {"input_shape": seen.shape[1:], "preprocessing": spec}, [name])
    conv = observer.convs[name]
    whole = np.rint(seen).astype(np.uint8)
    top = Extremes(conv.filters, given.whole(count, "count"), 1, photos(whole))
    for batch in observer.batches(lambda indices: seen[indices], len(seen), BATCH):
        top.update(batch[name])
    positions = top.positions[numbers]
    boxes = receptive_field.boxes(conv.output, positions).reshape(*positions.shape[:2], 4).astype(np.int32)
    return Examples(
        name,
        tuple(numbers),
        top.values[numbers],
        top.images[numbers],
        positions,
        boxes,
        np.array([[outside(box, *whole.shape[1:3]) for box in one.tolist()] for one in boxes], np.float32),
        [
            [cut(whole[i], box.tolist()) for i, box in zip(*one, strict=True)]
            for one in zip(top.images[numbers], boxes, strict=True)
        ],
    )
