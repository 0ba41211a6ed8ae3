"""Dataset examples: the image patches that drive a filter most and least, found in one pass, cropped and drawn."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnviz.analysis.seen import Seen
from cnnviz.pictures import montage

GREY = 128  # what lies beyond the image, where the network pads
TILE = 48  # pixels of a patch in the pictures
SMALL = 32  # and where one patch of every filter is shown


class Extremes:
    """The `count` images with the highest (sign 1) or lowest (sign -1) pre-activation of each channel.

    A photo takes part once, with its best position, so that one striking spot doesn't fill all places. Of equal ones
    the first image, and in it the first position, comes first. What is kept doesn't grow with the number of images.
    photos: int `(images of all sets,)`, which of them show the same one (images.photos); None: all are different.
    values: float32 `(channels, k)`, best first; images: int32 `(channels, k)`, number of the image, counted on over the
    sets; positions: int32 `(channels, k, 2)`, y and x in the layer's map. k <= count.
    """

    def __init__(self, channels: int, count: int, sign: int, photos: NDArray[np.integer] | None = None) -> None:
        self.count, self.sign = count, sign
        self.photos = None if photos is None or len(np.unique(photos)) == len(photos) else photos
        self.start = 0  # number of images in the sets before this one
        self.values = np.zeros((channels, 0), np.float32)
        self.images = np.zeros((channels, 0), np.int32)
        self.positions = np.zeros((channels, 0, 2), np.int32)

    def update(self, seen: Seen) -> None:
        b, channels, _, width = seen.pre.shape
        flat = seen.pre.reshape(b, channels, -1)
        best = flat.argmax(2) if self.sign > 0 else flat.argmin(2)
        values = np.take_along_axis(flat, best[..., None], 2)[..., 0].T
        images = np.broadcast_to((seen.indices + self.start).astype(np.int32), values.shape)
        places = np.stack(np.divmod(best.T, width), axis=-1).astype(np.int32)
        values = np.concatenate([self.values, values], axis=1)
        images = np.concatenate([self.images, images], axis=1)
        places = np.concatenate([self.positions, places], axis=1)
        order = np.argsort(-self.sign * values, axis=1, kind="stable")
        order = (order if self.photos is None else _once(order, self.photos[images]))[:, : self.count]
        self.values, self.images = (np.take_along_axis(a, order, 1) for a in (values, images))
        self.positions = np.take_along_axis(places, order[..., None], 1)


def _once(order: NDArray[np.intp], photos: NDArray[np.integer]) -> NDArray[np.intp]:
    """Of an order `(channels, n)` of images, which show these photos `(channels, n)`, the first place of each photo.

    All channels have seen the same photos, or more than are kept: the rows are cut to the shortest.
    """
    ranked = np.take_along_axis(photos, order, 1)
    by_photo = np.argsort(ranked, axis=1, kind="stable")
    neighbours = np.take_along_axis(ranked, by_photo, 1)
    new = np.ones(order.shape, bool)
    np.put_along_axis(new, by_photo[:, 1:], neighbours[:, 1:] != neighbours[:, :-1], 1)
    kept = np.argsort(~new, axis=1, kind="stable")[:, : int(new.sum(1).min())]
    return np.take_along_axis(order, kept, 1)


def crop(image: NDArray[np.uint8], box: Sequence[int]) -> NDArray[np.uint8]:
    """The part of an image `(h, w, 3)` that is in a box (top, left, bottom, right), which may reach beyond."""
    top, left, bottom, right = box
    return image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]


def cut(image: NDArray[np.uint8], box: Sequence[int]) -> NDArray[np.uint8]:
    """`crop`, and one grey pixel where nothing of the box is in the image: a unit may see padding alone."""
    part = crop(image, box)
    return part if part.size else np.full((1, 1, image.shape[2]), GREY, np.uint8)


def outside(box: Sequence[int], height: int, width: int) -> float:
    """The share of a box (top, left, bottom, right) that lies outside an image of this size, from 0 to 1."""
    top, left, bottom, right = box
    within = max(min(bottom, height) - max(top, 0), 0) * max(min(right, width) - max(left, 0), 0)
    return 1 - within / ((bottom - top) * (right - left))


def inset(box: Sequence[int], height: int, width: int) -> tuple[float, float]:
    """What `tile` leaves empty above and below, left and right, of what an image of this size has of a box: shares."""
    high, wide = (max(min(box[2], height) - max(box[0], 0), 0), max(min(box[3], width) - max(box[1], 0), 0))
    longest = max(high, wide)
    if not high or not wide:
        return 0.0, 0.0
    return round((1 - high / longest) / 2, 3), round((1 - wide / longest) / 2, 3)


def window(image: NDArray[np.uint8], box: Sequence[int]) -> NDArray[np.uint8]:
    """What the box shows of an image `(h, w, channels)`, in the box's own size, grey where there is no image: for
    networks that look at it (`judge`). What people look at is `cut`.

    No side is longer than the image's.
    """
    height, width = image.shape[:2]
    (top, bottom), (left, right) = (
        (start, end) if end - start < side else (0, side)
        for start, end, side in ((box[0], box[2], height), (box[1], box[3], width))
    )
    shown = np.full((bottom - top, right - left, image.shape[2]), GREY, np.uint8)
    part = crop(image, (top, left, bottom, right))
    y, x = max(-top, 0), max(-left, 0)
    shown[y : y + part.shape[0], x : x + part.shape[1]] = part
    return shown


def tile(patch: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Scale a patch to `(size, size, 3)`: small ones with their pixels as squares, large ones averaged.

    One that is no square keeps its proportions and stands in the middle, on white.
    """
    longest = max(patch.shape[:2])
    filter_ = Image.Resampling.NEAREST if longest <= size else Image.Resampling.BOX
    height, width = (max(1, round(side * size / longest)) for side in patch.shape[:2])
    scaled = np.asarray(Image.fromarray(patch).resize((width, height), filter_))
    if height == width:
        return scaled
    square = np.full((size, size, 3), montage.WHITE, np.uint8)
    above, left = (size - height) // 2, (size - width) // 2
    square[above : above + height, left : left + width] = scaled
    return square


def sheet(filters: Sequence[int], top: NDArray[np.uint8], bottom: NDArray[np.uint8]) -> montage.Picture:
    """A row per filter: patches `(filters, k, t, t, 3)` that drive it most, a gap, those that drive it least."""
    gap = np.full((len(top), 1, *top.shape[2:]), 255, np.uint8)
    tiles = np.concatenate([top, gap, bottom[:, ::-1]], axis=1)
    k = top.shape[1]
    labels = [*(f"+{i + 1}" for i in range(k)), "", *(f"-{i}" for i in range(k, 0, -1))]
    rows = tiles.reshape(-1, *tiles.shape[2:])
    return montage.label_grid(rows, [f"filter {k}" for k in filters], labels)


def overview(top: NDArray[np.uint8]) -> montage.Picture:
    """The patch that drives each filter of a layer most, `(filters, t, t, 3)`, numbers above."""
    tiles = montage.caption(top, [str(k) for k in range(len(top))])
    return montage.montage(tiles, columns=min(32, len(top)), padding=3)
