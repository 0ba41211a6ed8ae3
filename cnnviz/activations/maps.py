"""Feature maps of every conv layer and their statistics, a batch of images at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnviz.errors import InputError
from cnnviz.networks import graph, preprocess, receptive_field
from cnnviz.pictures import Picture, fit, label_grid, to_uint8

BATCH = 8
FAR = 2**15 - 1  # pixels: what int16 holds
TILE = 112  # pixels of a tile in the montage
Batches = Callable[[Sequence[int]], np.ndarray]


def _none() -> np.ndarray:
    return np.zeros((0, 0), "float32")


@dataclass
class Statistics:
    """Per channel, float64 or bool `(channels,)`, over images and positions of one layer.

    Per image and channel, float32 `(images, channels)`: `peak`, the highest pre-activation of any position (after the
    unit's own batch normalization; where the layer itself ends in a ReLU, after that: 0 then means "never above 0");
    `feature`, the mean over the positions of the unit's output; `drive`, that of the pre-activation where it is above 0
    (elsewhere 0). `place`, int16 `(images, channels, 2)`: the centre of what the unit sees where its peak is, the first
    of equals, y and x in pixels of the input.
    """

    measured_at: str
    positive: np.ndarray
    total: np.ndarray
    maximum: np.ndarray
    positions: int = 0
    peak: np.ndarray = field(default_factory=_none)
    feature: np.ndarray = field(default_factory=_none)
    drive: np.ndarray = field(default_factory=_none)
    place: np.ndarray = field(default_factory=_none)

    def as_dict(self) -> dict[str, Any]:
        """The entry of statistics.json."""
        return {
            "measured_at": self.measured_at,
            "firing_rate": _rounded(np.where(np.isnan(self.total), np.nan, self.positive / self.positions)),
            "mean": _rounded(self.total / self.positions),
            "maximum": _rounded(self.maximum),
            "never_active": [bool(m <= 0) for m in self.maximum],
        }


def _rounded(values: np.ndarray) -> list[float | None]:
    """Seven digits; None for what is no number, as where a filter's weights are none."""
    return [float(f"{v:.7g}") if np.isfinite(v) else None for v in values]


class FeatureMaps:
    """All conv layers of a network at one input size (or only `layer`), its own preprocessing included.

    described: `input_shape` (h, w, channels) and `preprocessing`, as in model.json. Images are float32
    `(n, h, w, channels)` in 0..255, RGB where there are 3 channels. Raises InputError for a layer that is not there,
    and where there is none at all.
    """

    def __init__(self, network: keras.Model, described: dict[str, Any], layer: str | None = None) -> None:
        self.shape = tuple(described["input_shape"])
        self.preprocessing = described["preprocessing"]
        traced = graph.trace(network, self.shape, until=layer)
        self.convs = traced.convs if layer is None else {layer: graph.unit(traced, layer)}
        if not self.convs:
            raise InputError(f"model: {network.name} has no conv layer")
        convs = self.convs.values()
        # the network runs once for both: a unit's output, and its pre-activation or what that is computed from
        self._units = keras.Model(traced.input, [conv.unit.output for conv in convs] + [_before(c) for c in convs])
        self._outputs = keras.Model(traced.input, [conv.output for conv in convs])
        self._measured = tf.function(self._measure, autograph=False, reduce_retracing=True)
        self._computed = tf.function(self._compute, autograph=False, reduce_retracing=True)

    def _measure(self, images: tf.Tensor) -> list[tuple[tf.Tensor, ...]]:
        made = keras.tree.flatten(self._units(preprocess(images, self.preprocessing), training=False))
        units, before = made[: len(self.convs)], made[len(self.convs) :]
        linear = [
            _linear(conv.layer, b) if _hidden(conv) else b for conv, b in zip(self.convs.values(), before, strict=True)
        ]
        return [
            (
                tf.math.count_nonzero(u > 0, [0, 1, 2]),
                tf.reduce_sum(u, [1, 2]),
                tf.reduce_max(u, [0, 1, 2]),
                tf.reduce_max(pre, [1, 2]),
                _argmax(pre),
                tf.reduce_mean(tf.maximum(tf.cast(pre, tf.float32), 0.0), [1, 2]),
            )
            for u, pre in zip(units, linear, strict=True)
        ]

    def _compute(self, images: tf.Tensor, channels: list[tf.Tensor]) -> list[tf.Tensor]:
        made = self._outputs(preprocess(images, self.preprocessing), training=False)
        outputs = keras.tree.flatten(made)  # Keras gives a single output without its list
        return [tf.gather(output, chosen, axis=-1) for output, chosen in zip(outputs, channels, strict=True)]

    def statistics(self, read: Batches, count: int, tick: Callable[[int], object]) -> dict[str, Statistics]:
        """Measure every channel over `count` images; `read(indices)` returns a batch, `tick(n)` counts images done."""
        result: dict[str, Statistics] = {}
        for name, conv in self.convs.items():
            zero, each = np.zeros(conv.filters), np.zeros((count, conv.filters), "float32")
            result[name] = Statistics(
                conv.unit.name, zero, zero, zero - np.inf, peak=each, feature=each.copy(), drive=each.copy()
            )
            result[name].place = np.zeros((count, conv.filters, 2), "int16")
        centres = {name: _centres(conv) for name, conv in self.convs.items()}
        for indices in _batches(range(count)):
            measured = self._measured(tf.constant(read(indices)))
            for (name, conv), entry, arrays in zip(self.convs.items(), result.values(), measured, strict=True):
                positive, total, most, peak, place, drive = (array.numpy() for array in arrays)
                positions = int(np.prod(conv.unit.output.shape[1:3]))
                entry.positive = entry.positive + positive
                entry.total = entry.total + total.sum(0)
                entry.maximum = np.where(np.isnan(entry.total), np.nan, np.maximum(entry.maximum, most))
                entry.positions += len(indices) * positions
                for kept, values in ((entry.peak, peak), (entry.feature, total / positions), (entry.drive, drive)):
                    kept[list(indices)] = values
                rows, columns = centres[name]
                row, column = np.divmod(place, len(columns))
                entry.place[list(indices)] = np.stack([rows[row], columns[column]], -1)
            tick(len(indices))
        return result

    def maps(self, read: Batches, images: Sequence[int], channels: dict[str, list[int]]) -> dict[str, np.ndarray]:
        """Return the layers' outputs as Keras computes them, float32 `(n, h, w, c)`, for some images and channels."""
        chosen = [tf.constant(channels[name], tf.int32) for name in self.convs]
        parts = [[a.numpy() for a in self._computed(tf.constant(read(some)), chosen)] for some in _batches(images)]
        return {name: np.concatenate(layer) for name, layer in zip(self.convs, zip(*parts, strict=True), strict=True)}


def _argmax(maps: tf.Tensor) -> tf.Tensor:
    """Where each channel of `(n, h, w, c)` is highest, `(n, c)`: y * w + x, the first of equals."""
    channels = maps.shape[-1]
    return tf.argmax(tf.reshape(maps, [tf.shape(maps)[0], -1, channels]), 1, tf.int32)


def _centres(conv: graph.Conv) -> tuple[np.ndarray, np.ndarray]:
    """The middles of what the units of each row and of each column of a map see, in pixels of the input."""
    found = []
    for axis in (0, 1):
        positions = np.zeros((int(conv.output.shape[axis + 1]), 2), int)
        positions[:, axis] = np.arange(len(positions))
        boxes = receptive_field.boxes(conv.output, positions)
        found.append(((boxes[:, axis] + boxes[:, axis + 2]) // 2).clip(-FAR, FAR).astype("int16"))
    return found[0], found[1]


def _hidden(conv: graph.Conv) -> bool:
    """Whether the layer itself ends in a nonlinearity from whose output the pre-activation can't be read off.

    ReLU's can: above 0 it is the same number, and no higher than 0 elsewhere.
    """
    own = getattr(conv.layer, "activation", None)
    return isinstance(conv.layer, graph.CONVOLUTIONS) and own not in (
        None,
        keras.activations.linear,
        keras.activations.relu,
    )


def _before(conv: graph.Conv) -> Any:
    """The Keras tensor that is the unit's pre-activation; the conv layer's input where no tensor is."""
    return conv.input if _hidden(conv) else (conv.norm or conv).output


def _linear(layer: keras.layers.Layer, inputs: tf.Tensor) -> tf.Tensor:
    """Call a layer without its own activation."""
    with graph.activated_by(layer, keras.activations.linear):
        return layer(inputs)


def _batches(indices: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(indices), BATCH):
        yield indices[start : start + BATCH]


def per_image(found: dict[str, Statistics]) -> dict[str, np.ndarray]:
    """The arrays of per_image.npz, `<layer>/<kind>`: see Statistics."""
    kinds = ("peak", "feature", "drive", "place")
    return {f"{name}/{kind}": getattr(s, kind) for name, s in found.items() for kind in kinds}


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
