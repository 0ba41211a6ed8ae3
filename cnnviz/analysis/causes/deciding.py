"""Whether the filters that are said to have decided a prediction did: silenced, what falls?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnviz.analysis.causes.tail import Change, Tail
from cnnviz.networks import Graph, Head, ancestors, preprocess

DRAWS = 10  # groups of other filters


@dataclass(frozen=True)
class Decision:
    """What silencing filters costs the difference of two logits (or one score, held against nothing).

    before: the difference itself; drops, at_mean: its fall where each filter alone is set to 0 and to its mean over all
    images, `(filters,)`; together: where all are set to 0; random: the same of as many other filters that are active on
    this image, mean over 10 draws, None where there are not so many; then: the class of the highest logit without them.
    """

    before: float
    drops: NDArray[np.float64]
    at_mean: NDArray[np.float64]
    together: float
    random: float | None
    then: int


class Decider:
    """Silences filters of one layer of a network; means: of its units over all images, `(channels,)`."""

    def __init__(self, graph: Graph, head: Head, preprocessing: Mapping[str, Any], layer: str, means: NDArray) -> None:
        conv, way = graph.convs[layer], ancestors(head.scores)
        unit = conv.unit.output if id(conv.unit.output) in way else conv.output
        self.preprocessing, self.means = preprocessing, means
        self._tail = Tail(unit, {"scores": head.scores})
        self._front = keras.Model(graph.input, [unit, *self._tail.beside])

    def decide(self, image: NDArray, classes: tuple[int, int | None], filters: Sequence[int]) -> Decision:
        """image `(H, W, channels)` in 0..255; classes: predicted, and what it is held against or None."""
        images = preprocess(tf.constant(np.asarray(image, np.float32)[None]), self.preprocessing)
        maps, *beside = keras.tree.flatten(self._front(images, training=False))
        units = np.asarray(maps)
        groups = _others(units, filters)
        changes: list[Change] = [{}, dict.fromkeys(filters, 0.0)]
        changes += [{k: 0.0} for k in filters] + [{k: float(self.means[k])} for k in filters]
        changes += [dict.fromkeys(group, 0.0) for group in groups]
        scores = self._tail.changed(units, beside, changes)["scores"].astype(np.float64)
        first, other = classes
        lead = scores[:, first] - (scores[:, other] if other is not None else 0)
        falls, n = lead[0] - lead, len(filters)
        random = float(falls[2 + 2 * n :].mean()) if groups else None
        single, at_mean = falls[2 : 2 + n], falls[2 + n : 2 + 2 * n]
        return Decision(float(lead[0]), single, at_mean, float(falls[1]), random, int(scores[1].argmax()))


def _others(units: NDArray, filters: Sequence[int]) -> list[list[int]]:
    """Groups of as many other filters that are active in units `(1, h, w, channels)`; none where there are too few."""
    active = np.flatnonzero(np.any(units != 0, axis=(0, 1, 2)))
    among = np.setdiff1d(active, filters)
    if len(among) < len(filters):
        return []
    draw = np.random.default_rng(0)
    return [draw.choice(among, len(filters), replace=False).tolist() for _ in range(DRAWS)]
