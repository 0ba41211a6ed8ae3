"""What a judge gets to see: natural patches as large as the receptive field, pictures cut to pieces of that size."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST = 3  # pieces of a picture along a side


def pieces(picture: NDArray[np.uint8], field: Sequence[int]) -> list[NDArray[np.uint8]]:
    """A picture `(h, w, 3)` as up to nine pieces of a receptive field's size (height, width), spread inside the rim.

    At the scale of natural patches: one that shows a texture of a hundred periods is not held against one of a single
    period. A side that is not longer than the field is not cut.
    """
    rows, columns = (_starts(side, extent) for side, extent in zip(picture.shape[:2], field, strict=True))
    return [picture[y : y + field[0], x : x + field[1]] for y in rows for x in columns]


def _starts(side: int, extent: int) -> list[int]:
    room = side - extent
    if room <= 0:
        return [0]
    count = min(MOST, 1 + -(-room // extent))
    return [round((i + 0.5) * room / count) for i in range(count)]
