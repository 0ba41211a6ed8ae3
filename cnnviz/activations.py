"""Feature maps of every conv layer and their statistics, a batch of images at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnviz import graph, models
from cnnviz.montage import Picture, fit, label_grid, to_uint8

BATCH = 8
TILE = 112  # pixels of a tile in the montage
Batches = Callable[[Sequence[int]], np.ndarray]


@dataclass
class Statistics:
    """Per channel, float64 or bool `(channels,)`, over images and positions of one layer."""

    measured_at: str
    positive: np.ndarray
    total: np.ndarray
    maximum: np.ndarray
    positions: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The entry of statistics.json."""
        return {
            "measured_at": self.measured_at,
            "firing_rate": _rounded(self.positive / self.positions),
            "mean": _rounded(self.total / self.positions),
            "maximum": _rounded(self.maximum),
            "never_active": [bool(m <= 0) for m in self.maximum],
        }


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{v:.7g}") for v in values]


class FeatureMaps:
    """All conv layers of a network at one input size, its own preprocessing included.

    Images are RGB float32 `(n, h, w, 3)` in 0..255.
    """

    def __init__(self, network: keras.Model, described: dict[str, Any]) -> None:
        self.shape = tuple(described["input_shape"])
        self.preprocessing = described["preprocessing"]
        traced = graph.trace(network, self.shape)
        self.convs = traced.convs
        self._units = keras.Model(traced.input, [conv.unit.output for conv in self.convs.values()])
        self._outputs = keras.Model(traced.input, [conv.output for conv in self.convs.values()])
        self._measured = tf.function(self._measure, autograph=False, reduce_retracing=True)
        self._computed = tf.function(self._compute, autograph=False, reduce_retracing=True)

    def _measure(self, images: tf.Tensor) -> list[tuple[tf.Tensor, ...]]:
        units = self._units(models.preprocess(images, self.preprocessing), training=False)
        over = [0, 1, 2]
        return [
            (tf.math.count_nonzero(u > 0, over), tf.reduce_sum(tf.reduce_sum(u, [1, 2]), 0), tf.reduce_max(u, over))
            for u in units
        ]

    def _compute(self, images: tf.Tensor, channels: list[tf.Tensor]) -> list[tf.Tensor]:
        outputs = self._outputs(models.preprocess(images, self.preprocessing), training=False)
        return [tf.gather(output, chosen, axis=-1) for output, chosen in zip(outputs, channels, strict=True)]

    def statistics(self, read: Batches, count: int, tick: Callable[[int], object]) -> dict[str, Statistics]:
        """Measure every channel over `count` images; `read(indices)` returns a batch, `tick(n)` counts images done."""
        result: dict[str, Statistics] = {}
        for indices in _batches(range(count)):
            for conv, (positive, total, most) in zip(
                self.convs.values(), self._measured(tf.constant(read(indices))), strict=True
            ):
                zero = np.zeros(conv.filters)
                entry = result.setdefault(conv.name, Statistics(conv.unit.name, zero, zero, zero - np.inf))
                entry.positive = entry.positive + positive.numpy()
                entry.total = entry.total + total.numpy()
                entry.maximum = np.maximum(entry.maximum, most.numpy())
                entry.positions += len(indices) * int(np.prod(conv.unit.output.shape[1:3]))
            tick(len(indices))
        return result

    def maps(self, read: Batches, images: Sequence[int], channels: dict[str, list[int]]) -> dict[str, np.ndarray]:
        """Return the layers' outputs as Keras computes them, float32 `(n, h, w, c)`, for some images and channels."""
        chosen = [tf.constant(channels[name], tf.int32) for name in self.convs]
        parts = [[a.numpy() for a in self._computed(tf.constant(read(some)), chosen)] for some in _batches(images)]
        return {name: np.concatenate(layer) for name, layer in zip(self.convs, zip(*parts, strict=True), strict=True)}


def _batches(indices: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(indices), BATCH):
        yield indices[start : start + BATCH]


def most_active(per_set: Sequence[Statistics], count: int) -> list[int]:
    """Return the `count` channels of highest mean activation, averaged over the image sets, strongest first."""
    mean = np.mean([s.total / s.positions for s in per_set], axis=0)
    return [int(k) for k in np.argsort(-mean, kind="stable")[:count]]


def picture(images: np.ndarray, indices: Sequence[int], maps: np.ndarray, channels: Sequence[int]) -> Picture:
    """Lay out feature maps `(n, h, w, c)`: a row per image, the image `(n, H, W, 3)` uint8 first, a column per channel.

    One grey scale for all of them: black is the smallest value, white what 0.5% of the values exceed.
    """
    n, _, _, c = maps.shape
    grey = to_uint8(maps, maps.min(), np.quantile(maps, 0.995)).transpose(0, 3, 1, 2).reshape(n * c, *maps.shape[1:3])
    tiles = _square(fit(grey, TILE))
    first = _square(fit(images, TILE))
    rows = np.concatenate([first[:, None], tiles.reshape(n, c, TILE, TILE, 3)], axis=1).reshape(-1, TILE, TILE, 3)
    return label_grid(rows, [str(i) for i in indices], ["image", *map(str, channels)])


def _square(tiles: Picture) -> Picture:
    """Centre tiles on white squares of TILE pixels, as RGB."""
    tiles = tiles if tiles.ndim == 4 else np.repeat(tiles[..., None], 3, axis=-1)
    above, left = (TILE - tiles.shape[1]) // 2, (TILE - tiles.shape[2]) // 2
    framed = np.full((len(tiles), TILE, TILE, 3), 255, np.uint8)
    framed[:, above : above + tiles.shape[1], left : left + tiles.shape[2]] = tiles
    return framed
