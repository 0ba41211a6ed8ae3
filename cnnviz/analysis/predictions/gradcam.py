"""Where in an image a class score comes from, and which filters made it: Grad-CAM, occlusion, contributions.

Formulas and sources: docs/analysis.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnviz.analysis.causes import Tail
from cnnviz.errors import InputError, choices
from cnnviz.networks import Graph, Head, ancestors, preprocess

Floats = NDArray[np.floating]
WINDOWS = 7  # occluding windows per side
SHARE = 4  # a window's side is the image's, divided by this
TOGETHER = 8  # images that go through the network at once
FEWEST = 4  # positions per side that the map of the default layer has at least


def default_layer(graph: Graph, among: Sequence[str], answer: Head) -> str | None:
    """The deepest layer whose map has at least 4 x 4 positions, else of those with the largest maps the deepest.

    Only layers on the way to the answer count; None where there is none.
    """
    way = ancestors(answer.scores)
    sides = {
        name: min(graph.convs[name].unit.output.shape[1:3]) for name in among if id(graph.convs[name].output) in way
    }
    wide = [name for name, side in sides.items() if side >= min(FEWEST, max(sides.values()))]
    return wide[-1] if wide else None


def gradcam(maps: Floats, gradients: Floats) -> Floats:
    """Grad-CAM of one class: maps and gradients of its logit, both `(h, w, channels)` -> `(h, w)`, not negative."""
    return np.maximum((maps * gradients.mean((0, 1))).sum(-1), 0)


def contributions(maps: Floats, gradients: Floats) -> NDArray[np.float64]:
    """Gradient times activation, summed over the positions: `(h, w, channels)` both -> `(channels,)`."""
    return np.asarray((maps.astype(np.float64) * gradients).sum((0, 1)))


def stretch(values: Floats, size: tuple[int, int]) -> NDArray[np.float32]:
    """A map `(h, w)` drawn over an image of `size`, from corner to corner, linear between: float32 `size`."""
    rows, columns = (np.linspace(0, side - 1, n) for side, n in zip(size, values.shape, strict=True))
    across = np.array([np.interp(np.arange(size[1]), columns, row) for row in values])
    return np.array([np.interp(np.arange(size[0]), rows, column) for column in across.T], np.float32).T


def windows(size: tuple[int, int]) -> NDArray[np.int32]:
    """The occluding windows of an image, `(49, 4)`: top, left, bottom, right; a quarter of the image high and wide."""
    (height, tops), (width, lefts) = ((max(1, side // SHARE), _starts(side)) for side in size)
    return np.array([[y, x, y + height, x + width] for y in tops for x in lefts], np.int32)


def _starts(side: int) -> list[int]:
    return [int(i) for i in np.linspace(0, side - max(1, side // SHARE), WINDOWS).round()]


def occluded(image: NDArray, boxes: NDArray[np.integer]) -> NDArray[np.float32]:
    """The image `(h, w, c)` once per box, the box filled with the image's mean colour: `(boxes, h, w, c)`."""
    found = np.repeat(np.asarray(image, np.float32)[None], len(boxes), axis=0)
    for one, (top, left, bottom, right) in zip(found, boxes, strict=True):
        one[top:bottom, left:right] = image.mean((0, 1))
    return found


@dataclass(frozen=True)
class Check:
    """Occlusion check of a Grad-CAM. correlation: of the map's mean in a window with the window's drop; None: constant.

    peak_drop: of the window where the map is highest; mean_drop: of all windows, what a random one costs on average.
    """

    correlation: float | None
    peak_drop: float
    mean_drop: float


def check(cam: Floats, boxes: NDArray[np.integer], drops: Floats) -> Check:
    """Hold a map `(h, w)` over the image against the logit's drop under each window `(windows,)`."""
    inside = np.array([cam[top:bottom, left:right].mean() for top, left, bottom, right in boxes], np.float64)
    known = inside.std() > 1e-6 * np.abs(inside).max() and drops.std() > 0
    correlation = float(np.corrcoef(inside, drops)[0, 1]) if known else None
    return Check(correlation, float(drops[inside.argmax()]), float(drops.mean()))


@dataclass(frozen=True)
class Explanation:
    """Two classes (predicted, other) for one image (H, W); or one score by itself, then for it and against it.

    maps: Grad-CAM float32 `(2, h, w)`; over_image: the same over the image, `(2, H, W)`; drops: of each class's logit
    under each window `(2, windows)`; contributions: float64 `(channels,)` to the difference of the logits (to the one
    score); activations: the layer's units, `(h, w, channels)`; gradients: of each class's logit by them,
    `(2, h, w, channels)`.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    maps: NDArray[np.float32]
    over_image: NDArray[np.float32]
    boxes: NDArray[np.int32]
    drops: NDArray[np.float32]
    contributions: NDArray[np.float64]
    activations: NDArray[np.float32]
    gradients: NDArray[np.float32]

    @property
    def checks(self) -> list[Check]:
        return [check(cam, self.boxes, drops) for cam, drops in zip(self.over_image, self.drops, strict=True)]


class Explainer:
    """Explains scores of a network by the units of one conv layer; preprocessing as in model.json.

    Raises InputError for a layer that is not there, or from which no score depends.
    """

    def __init__(self, graph: Graph, head: Head, preprocessing: Any, layer: str) -> None:
        if layer not in graph.convs:
            raise InputError(f"no conv layer {layer!r}; {choices(layer, graph.convs)}")
        self.preprocessing, self.layer = preprocessing, layer
        conv = graph.convs[layer]
        way = ancestors(head.scores)
        if id(conv.output) not in way:
            raise InputError(f"layer {layer!r}: no score of {head.output!r} depends on it")
        output = conv.unit.output if id(conv.unit.output) in way else conv.output
        self._tail = Tail(output, {"scores": head.scores})
        self._network = keras.Model(graph.input, [output, head.features, head.scores, *self._tail.beside])
        kind = tf.TensorSpec((None, *graph.input.shape[1:]))  # one graph for any number of images
        self._run: Callable[..., Any] = tf.function(self._compute, [kind], autograph=False)

    def _compute(self, images: tf.Tensor) -> list[tf.Tensor]:
        """The layer's maps, features, scores, and what else the scores are made of."""
        return keras.tree.flatten(self._network(preprocess(images, self.preprocessing), training=False))

    def logits(self, images: NDArray) -> NDArray[np.float32]:
        """Class scores of images `(n, H, W, channels)` in 0..255: `(n, classes)`."""
        few = (np.asarray(images[i : i + TOGETHER], np.float32) for i in range(0, len(images), TOGETHER))
        return np.concatenate([np.asarray(self._run(tf.constant(some))[2]) for some in few])

    def gradients(self, image: NDArray, classes: Sequence[int]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """maps `(h, w, channels)`, gradients `(classes, h, w, channels)`, features `(d,)` and logits of one image."""
        maps, features, logits, *beside = self._run(tf.constant(np.asarray(image, np.float32)[None]))
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(maps)  # a tape of the whole network would hold all its maps
            again = self._tail(maps, beside)["scores"]
            scores = [again[0, c] for c in classes]
        found = [tape.gradient(score, maps) for score in scores]
        if any(one is None for one in found):
            raise InputError(f"layer {self.layer!r}: no score depends on it")
        return maps[0].numpy(), np.concatenate(found), features[0].numpy(), logits[0].numpy()

    def explain(self, image: NDArray, classes: tuple[int, int | None]) -> Explanation:
        """image: `(H, W, channels)` in 0..255; classes: the predicted one, and the one to hold it against or None."""
        size = (int(image.shape[0]), int(image.shape[1]))
        first, other = classes
        maps, slopes, features, logits = self.gradients(image, [first] if other is None else [first, other])
        difference = slopes[0] if other is None else slopes[0] - slopes[1]
        if other is None:
            slopes = np.concatenate([slopes, -slopes])
        cams = np.stack([gradcam(maps, one) for one in slopes])
        boxes = windows(size)
        hidden = occluded(image, boxes)
        lost = (logits - self.logits(hidden)).T
        return Explanation(
            logits,
            features,
            cams,
            np.stack([stretch(cam, size) for cam in cams]),
            boxes,
            np.stack([lost[first], -lost[first]]) if other is None else lost[[first, other]],
            contributions(maps, difference),
            maps,
            slopes,
        )
