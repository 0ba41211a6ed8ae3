"""Natural patches as a filter looks at them: grey where its response does not depend on the pixels. docs/scores.md.

No TensorFlow: what makes the gradients is looking.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from cnnviz.analysis.examples import GREY
from cnnviz.files import npz

SIDE = 48  # rows and columns of a stored mask at most
FINER = 12  # how much narrower than the receptive field the Gaussian is that blurs it
CLEAR = 0.98  # quantile of what the response depends on from which on a pixel is seen wholly
Size = tuple[int, int]


def grid(boxes: NDArray[np.integer]) -> Size:
    """Rows and columns of the masks of boxes `(n, 4)`: a pixel each, or SIDE."""
    height, width = (boxes[:, 2:] - boxes[:, :2]).max(0).tolist()
    return min(height, SIDE), min(width, SIDE)


def opacity(slope: NDArray[np.floating], box: Sequence[int], size: Size, rows: Size) -> NDArray[np.uint8] | None:
    """How far each place of a box (top, left, bottom, right) is seen: 0 not at all, 255 wholly; `(*rows,)`.

    slope: the response's gradient by the pixels of the box that are in an image of this size (height, width),
    `(h, w, channels)`. None, unknown, where it is 0 everywhere or no number somewhere.
    """
    depends = np.abs(slope.astype(np.float64)).sum(-1)
    if not np.isfinite(depends).all() or not depends.any():
        return None
    height, width = box[2] - box[0], box[3] - box[1]
    depends = ndimage.gaussian_filter(depends, (height / FINER, width / FINER))
    seen = np.clip(depends / np.quantile(depends[depends > 0], CLEAR), 0, 1)
    beyond = [(max(-box[i], 0), max(box[i + 2] - size[i], 0)) for i in (0, 1)]
    return _scaled(np.pad(np.rint(255 * seen).astype(np.uint8), beyond, mode="edge"), rows)


def masked(image: NDArray[np.uint8], box: Sequence[int], seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image `(h, w, 3)` as a filter looks at it through this box: what it does not look at is grey.

    seen: the box's opacity. Cut as any patch, see examples.cut and examples.window.
    """
    height, width = image.shape[:2]
    whole = _scaled(seen, (box[2] - box[0], box[3] - box[1]))
    (top, bottom), (left, right) = ((max(box[i], 0), min(box[i + 2], side)) for i, side in ((0, height), (1, width)))
    shown = np.full_like(image, GREY)
    if top < bottom and left < right:
        share = whole[top - box[0] : bottom - box[0], left - box[1] : right - box[1], None] / 255
        shown[top:bottom, left:right] = np.rint(image[top:bottom, left:right] * share + GREY * (1 - share))
    return shown


def _scaled(seen: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    if seen.shape == size:
        return seen
    smooth = Image.Resampling.BILINEAR  # with a support that grows where it shrinks
    return np.asarray(Image.fromarray(seen).resize((size[1], size[0]), smooth))


@dataclass(frozen=True)
class Masks:
    """Of rendered filters of a layer, in the order of their top examples. seen: `(k, rows, columns)` by filter, known:
    `(k,)`, whether there is one.
    """

    seen: dict[int, NDArray[np.uint8]]
    known: dict[int, NDArray[np.bool_]]

    def __bool__(self) -> bool:
        return bool(self.seen)


def read_masks(folder: Path, layer: str) -> Masks:
    """The masks of one layer in one model's folder, none where there is no file."""
    stored = npz.read(folder / "masks" / f"{layer}.npz")
    if not stored:
        return Masks({}, {})
    filters = stored["filters"].tolist()
    return Masks(*(dict(zip(filters, stored[name], strict=True)) for name in ("opacity", "known")))


def known_masks(
    folder: Path, layer: str, starts: Mapping[str, int]
) -> dict[int, dict[tuple[int, ...], NDArray[np.uint8]]]:
    """Those that are known, by filter, then by patch: number of the image, counted on over the sets, and box.

    starts: the number of each set's first image.
    """
    masks, stored = read_masks(folder, layer), folder / "examples" / f"{layer}.npz"
    if not masks or not stored.is_file():
        return {}
    with npz.opened(stored) as one:  # its patches are not needed
        sets, image, box = (one[name] for name in ("top_set", "top_image", "top_box"))
        first = np.array([starts[name] for name in one["sets"].tolist()])
    return {
        k: {
            (int(number), *each): mask
            for number, each, mask, known in zip(
                first[sets[k]] + image[k], box[k].tolist(), masks.seen[k], masks.known[k], strict=True
            )
            if known
        }
        for k in masks.seen
    }
