"""Which images show the same photo: copies byte for byte, scaled, or compressed again; in one set or in several."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 8  # pixels of the thumbnails that are compared
ALIKE = 0.98  # cosine from which two thumbnails are of one photo
FLAT = 1.0  # standard deviation of a thumbnail, of 255, below which it is a colour and no photo
ROWS, COLUMNS = 256, 8192  # thumbnails that are compared with so many others at once


def photos(images: Iterable[NDArray[np.uint8]]) -> NDArray[np.int32]:
    """For each image the number of the first one that shows the same photo, its own where there is none: int32 `(n,)`.

    images: uint8 `(h, w, channels)`, of any sizes and numbers of channels. Of one photo are two whose luminance (mean
    of the channels), scaled to 8 x 8 pixels and less its mean, has a cosine of 0.98 or more: brightness and contrast
    make no difference, a crop, a shift or a mirror does. Images of one colour are of one photo where it is the same.
    """
    thumbnails = [_thumbnail(image) for image in images]
    found = np.arange(len(thumbnails), dtype=np.int32)
    if not thumbnails:
        return found
    values = np.stack(thumbnails).reshape(len(thumbnails), -1)
    centred = values - values.mean(1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    flat = length[:, 0] < FLAT * SIDE
    unit = np.where(flat[:, None], 0, centred / np.maximum(length, FLAT)).astype(np.float32)
    for start in range(0, len(unit), ROWS):
        block = unit[start : start + ROWS]
        for before in range(0, start + 1, COLUMNS):  # COLUMNS: a multiple of ROWS
            others = unit[before : min(before + COLUMNS, start + ROWS)]
            rows, columns = np.nonzero(block @ others.T >= ALIKE)
            for row, column in zip((rows + start).tolist(), (columns + before).tolist(), strict=True):
                if column < row:
                    found[row] = min(found[row], found[column])
    first: dict[int, int] = {}
    for i in np.flatnonzero(flat):
        found[i] = first.setdefault(round(float(values[i].mean())), int(i))
    return found


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The luminance at 8 x 8 pixels, averaged over what each covers."""
    grey = Image.fromarray(image.mean(2, dtype=np.float32))
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
