"""Which filters are checked, on which images and patches. No TensorFlow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis.files import LayerExamples, Pixels
from cnnviz.files import WHOLE

FILTERS = 16  # of a layer, at most
STRONGEST = 2  # images that drive a filter most, on which it is silenced
RANDOM = 32  # patches that stand for any
Box = tuple[int, int, int, int]


@dataclass
class Subject:
    """Filters of one layer, `(n,)` of them, and where they are looked at.

    tops: for each the numbers of the images that drive it most, with the position and the receptive field there;
    random: numbers of images with a receptive field each, the same for all filters.
    """

    layer: str
    filters: list[int]
    tops: list[list[tuple[int, tuple[int, int], Box]]]
    random: list[tuple[int, Box]] = field(default_factory=list)

    @property
    def numbers(self) -> set[int]:
        """Of the images that it is looked at on."""
        return {top[0] for tops in self.tops for top in tops} | {number for number, _ in self.random}


def subjects(
    examples: Mapping[str, LayerExamples],
    rendered: Mapping[str, Sequence[int]],
    boxes: Callable[[str, NDArray[np.integer]], NDArray[np.integer]],
    sizes: Mapping[str, tuple[int, int]],
    pixels: Pixels,
) -> list[Subject]:
    """The rendered filters of each layer, of the first WHOLE 16 at most, evenly spread.

    boxes: receptive fields of positions `(n, 2)` in a layer's map; sizes: height and width of that map.
    """
    count = int(pixels.starts[-1])
    numbers = np.linspace(0, count - 1, min(RANDOM, count)).astype(int)
    found = []
    for layer, one in examples.items():
        among = list(rendered.get(layer, ()))[:WHOLE]
        if not among:
            continue
        filters = [among[i] for i in np.linspace(0, len(among) - 1, min(FILTERS, len(among))).astype(int)]
        top = one.layer.top
        tops = [
            [
                (int(i), (int(y), int(x)), _box(box))
                for i, (y, x), box in zip(top.images[k], top.positions[k], one.top[k], strict=True)
            ]
            for k in filters
        ]
        places = np.random.default_rng(0).integers(0, sizes[layer], (len(numbers), 2))
        around = [(int(i), _box(box)) for i, box in zip(numbers, boxes(layer, places), strict=True)]
        found.append(Subject(layer, filters, tops, around))
    return found


def _box(sides: Any) -> Box:
    top, left, bottom, right = (int(side) for side in sides)
    return top, left, bottom, right


def region(box: Box, image: Sequence[int], size: Sequence[int]) -> Box:
    """The part of a map of this size, one position at least, over which a box of the image lies."""
    ends = []
    for first, last, side, n in ((box[0], box[2], image[0], size[0]), (box[1], box[3], image[1], size[1])):
        start = min(max(first, 0) * n // side, n - 1)
        ends.append((start, max(start + 1, -(-min(last, side) * n // side))))
    return ends[0][0], ends[1][0], ends[0][1], ends[1][1]
