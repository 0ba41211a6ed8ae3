"""Natural images around a layer: what its pictures are held against, and where some of them start."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cnnviz.activations import Nature, nature
from cnnviz.images import ImageSet, fed, resize
from cnnviz.maximization.ascent.settings import Size

NOISE = "noise"


@dataclass(frozen=True)
class Surroundings:
    """Natural images around a layer: `nature` None where there are none.

    pictures: `(m, h, w, c)` in [0, 1] at the canvas size, for the spectrum and MaCo; start(row): one natural
    image of `nature.images` as start image at the canvas size; patch(row, k): of it what surrounds the place that
    drives filter k most; chosen: a start image `(1, …)` for all, None for noise.
    """

    nature: Nature | None = None
    pictures: np.ndarray | None = None
    start: Callable[[int], np.ndarray] | None = None
    patch: Callable[[int, int], np.ndarray] | None = None
    chosen: np.ndarray | None = None


def around(
    known: Nature,
    sets: Mapping[str, ImageSet],
    shape: tuple[int, int, int],
    start: str = NOISE,
    size: Size | None = None,
    receptive_field: Size | None = None,
) -> Surroundings:
    """Natural images for a layer on one canvas (h, w, channels), from stored sets. start: `noise`, `<set>/<index>`.

    size: of the network's input, in whose pixels places are; by default that of the canvas.
    """

    def natural(row: int) -> np.ndarray:
        name, i = known.images[row]
        return fed(sets[name], [i], shape)[0] / np.float32(255)

    def patch(row: int, k: int) -> np.ndarray:
        name, i = known.images[row]
        image = fed(sets[name], [i], (*(size or shape[:2]), shape[2]))[0]
        return cut(image, known.places[row, k].tolist(), receptive_field, shape[:2]) / np.float32(255)

    pictures = nature.pictures(sets, shape[:2], shape[2])
    return Surroundings(known, pictures, natural, patch, start_image(sets, shape, start))


def cut(image: np.ndarray, centre: Sequence[int], receptive_field: Size | None, canvas: Size) -> np.ndarray:
    """What of an image `(h, w, c)` lies around a place, as large as the canvas or as the receptive field if that is
    larger, moved inside and no larger than the image; at the size of the canvas, float32 of the same range.
    """
    window = []
    for middle, seen, side, most in zip(centre, receptive_field or canvas, canvas, image.shape, strict=False):
        extent = min(max(seen, side), most)
        first = min(max(middle - extent // 2, 0), most - extent)
        window.append(slice(first, first + extent))
    return resize([image[tuple(window)]], canvas)[0]


def start_image(sets: Mapping[str, ImageSet], shape: tuple[int, int, int], start: str) -> np.ndarray | None:
    """The image `<set>/<index>` on a canvas (h, w, channels), `(1, h, w, channels)` in [0, 1]; None for `noise`."""
    if start == NOISE:
        return None
    name, index = start.split("/")
    return fed(sets[name], [int(index)], shape) / np.float32(255)
