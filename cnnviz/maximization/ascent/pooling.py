"""Max pooling whose gradient scatters nothing: by comparison with the maximum, so that a card adds in one order.

Values and gradients are those of TensorFlow's own pooling; of equal values the first of a window, row by row, gets all.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

Pair = tuple[int, int]


def max_pool(maps: tf.Tensor, window: Pair, strides: Pair, padding: str) -> tf.Tensor:
    """Pool maps `(n, h, w, c)` of any float type, h and w known; padding: `same` or `valid`."""
    height, width = (Side(*one, padding) for one in zip(maps.shape[1:3], window, strides, strict=True))
    padded = tf.pad(maps, [[0, 0], height.pad, width.pad, [0, 0]], constant_values=maps.dtype.min)
    padded = padded[:, : height.used, : width.used]
    return (_apart if window == strides else _overlapping)(padded, window, height, width)


class Side:
    """Along one side: windows, cells that are put in front and behind, cells that are used of all these."""

    def __init__(self, size: int, window: int, stride: int, padding: str) -> None:
        same = padding == "same"
        self.stride = stride
        self.count = -(-size // stride) if same else (size - window) // stride + 1
        self.used = (self.count - 1) * stride + window
        lacking = max(0, self.used - size) if same else 0
        self.pad = [lacking // 2, lacking - lacking // 2]

    def end(self, place: int) -> int:
        return place + (self.count - 1) * self.stride + 1

    def along(self, place: int) -> slice:
        """The cells at this place of all windows."""
        return slice(place, self.end(place), self.stride)


def _first(cells: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """The largest of cells, and the number of the first that is as large."""
    largest = cells[0]
    for cell in cells[1:]:
        largest = tf.maximum(largest, cell)
    dtype = largest.dtype if len(cells) <= 256 else tf.float32  # whole numbers that bfloat16 has
    which = tf.zeros_like(largest, dtype)
    for number in reversed(range(len(cells))):
        which = tf.where(cells[number] == largest, tf.constant(number, which.dtype), which)
    return largest, which


def _apart(maps: tf.Tensor, window: Pair, down: Side, across: Side) -> tf.Tensor:
    """Windows that fill the maps side by side: each cell asks whether its window's gradient is its own."""
    (high, wide), rows, columns, channels = window, down.count, across.count, maps.shape[3]

    def pool(maps: tf.Tensor) -> Any:
        cells = tf.reshape(maps, [-1, rows, high, columns, wide, channels])
        largest, which = _first([cells[:, :, y, :, x] for y in range(high) for x in range(wide)])

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            number = tf.constant(np.arange(high * wide).reshape(1, 1, high, 1, wide, 1), which.dtype)
            mine = which[:, :, None, :, None] == number
            given = tf.where(mine, upstream[:, :, None, :, None], tf.zeros([], upstream.dtype))
            return tf.reshape(given, [-1, rows * high, columns * wide, channels])

        return largest, gradient

    return tf.custom_gradient(pool)(maps)


def _overlapping(maps: tf.Tensor, window: Pair, down: Side, across: Side) -> tf.Tensor:
    """Windows that share cells, or leave some out: what each place of a window gets, shifted there and added up."""
    places = [(y, x) for y in range(window[0]) for x in range(window[1])]

    def pool(maps: tf.Tensor) -> Any:
        largest, which = _first([maps[:, down.along(y), across.along(x)] for y, x in places])

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            shape, total = tf.shape(maps), []
            for number, (y, x) in enumerate(places):
                mine = which == tf.constant(number, which.dtype)
                given = tf.where(mine, upstream, tf.zeros([], upstream.dtype))
                end = tf.stack([shape[0], down.end(y), across.end(x), shape[3]])
                steps = [1, down.stride, across.stride, 1]
                shifted = tf.raw_ops.StridedSliceGrad(shape=shape, begin=[0, y, x, 0], end=end, strides=steps, dy=given)
                total.append(shifted)
            return tf.add_n(total)

        return largest, gradient

    return tf.custom_gradient(pool)(maps)
