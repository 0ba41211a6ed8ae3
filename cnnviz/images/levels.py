"""Numbers of any kind -> 0..255, by rules that docs/params.md states."""

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError

BITS = (1, 8, 10, 12, 14, 16)
SLACK = 0.001  # by which scaling may have overshot 0..1, as a share
BETWEEN = 2  # no picture in 0..255 is so dark, none in 0..1 so bright


def bits(largest: int) -> int | None:
    """How many bits a channel has whose largest number this is; None for more than 16."""
    return next((count for count in BITS if largest < 2**count), None)


def as_bytes(values: NDArray, name: str, largest: float | None = None) -> NDArray[np.uint8]:
    """uint8 numbers as they are, but for a `largest` of 1; true and false as 255 and 0; else in 0..255, rounded.

    Whole numbers: the `largest` of the set tells how many bits they use, 1, 8, 10, 12, 14 or 16, and the largest number
    of so many bits becomes 255. Floating point: 0..1 where the `largest` of the file is not over 1, else 0..255. By
    default, the largest of these.
    Raises InputError, naming `name`, for NaN and for numbers that are neither.
    """
    if values.dtype == np.uint8:
        return values * np.uint8(255) if largest == 1 else values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if not values.size:
        return values.astype(np.uint8)
    low, high = values.min(), values.max()
    if values.dtype.kind in "ui":
        most = max(int(high), int(largest or 0))
        count = bits(most)
        if low < 0 or count is None:
            raise InputError(f"{name}: whole numbers in {low}..{most}; expected 0..65535 at most; scale them first")
        full = 2**count - 1
        return ((values.astype(np.uint32) * 255 + full // 2) // full).astype(np.uint8)
    if not np.isfinite([low, high]).all():  # NaN is the minimum of what holds it
        raise InputError(f"{name}: holds NaN or infinity; expected numbers in 0..1 or 0..255")
    high = max(high, largest or 0)
    unit = high <= 1 + SLACK
    if low < -SLACK * (1 if unit else 255) or high > 255 * (1 + SLACK) or (not unit and high <= BETWEEN):
        raise InputError(f"{name}: numbers in {low:g}..{high:g}; expected 0..1 or 0..255; scale them first")
    return np.rint(np.clip(values, 0, 1) * 255 if unit else np.clip(values, 0, 255)).astype(np.uint8)
