"""One pass of a network over images: what every unit does, a batch and a layer at a time, for any number of measures.

A unit is a conv layer with the batch normalization and the nonlinearity that follow it directly (networks/graph.py).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnviz import device
from cnnviz.analysis.seen import Seen
from cnnviz.errors import InputError, choices
from cnnviz.networks import graph, head, preprocess

TOGETHER = {"cpu": 128_000_000, "gpu": 2_000_000_000}  # bytes that the layers of a few images take, computed at once


class Observer:
    """A network of which all conv layers are watched at once (or only `layers`), its own preprocessing included.

    described: as in model.json, `input_shape` (h, w, channels) and `preprocessing` at least. head: what it answers.
    Raises InputError for a layer that is not there.
    """

    def __init__(self, network: keras.Model, described: dict[str, Any], layers: Sequence[str] = ()) -> None:
        self.preprocessing = described["preprocessing"]
        self.graph = graph.trace(network, described["input_shape"])
        for name in layers:
            if name not in self.graph.convs:
                raise InputError(f"no conv layer {name!r}; {choices(name, self.graph.convs)}")
        self.convs = {name: conv for name, conv in self.graph.convs.items() if not layers or name in layers}
        self.head = head.stored(self.graph, described)
        outputs = [(conv.norm or conv).output for conv in self.convs.values()]
        if self.head.answers:
            outputs += [self.head.scores, self.head.features]
        self._network = keras.Model(self.graph.input, outputs)
        kind = tf.TensorSpec((None, *self.graph.input.shape[1:]))  # one graph for any number of images
        self._run = tf.function(self._compute, [kind], autograph=False)
        each = 4 * sum(graph.numbers(output) for output in outputs)
        self._together = max(1, TOGETHER[device.here().kind] // each)

    def _compute(self, images: tf.Tensor) -> tuple[list[tf.Tensor], tuple[tf.Tensor, ...]]:
        with _inputs_of_activations(self.graph.convs) as before:
            made = self._network(preprocess(images, self.preprocessing), training=False)
        outputs = keras.tree.flatten(made)  # Keras gives a single output without its list
        found = [before.get(id(output), (output, output))[0] for output in outputs[: len(self.convs)]]
        classified = tuple(outputs[len(self.convs) :])
        return found, classified

    def batches(self, read: Callable[[Sequence[int]], np.ndarray], count: int, size: int) -> "Iterator[Batch]":
        """Run `count` images once, `size` at a time; `read(indices)` returns float32 `(b, h, w, channels)` in 0..255.

        Yields per batch a mapping {layer: Seen} that computes a layer's `unit` when it is asked for.
        """
        for start in range(0, count, size):
            indices = np.arange(start, min(start + size, count))
            yield self._batch(indices, read(indices.tolist()))  # nothing of it is kept here

    def _batch(self, indices: np.ndarray, images: np.ndarray) -> "Batch":
        made = self._all(images) if len(images) <= self._together else self._by_few(images)
        pre, classified = made[: len(self.convs)], made[len(self.convs) :]
        return Batch(indices, dict(zip(self.convs, pre, strict=True)), self.convs, [np.asarray(x) for x in classified])

    def _all(self, images: np.ndarray) -> list[Any]:
        return keras.tree.flatten(self._run(tf.constant(images)))

    def _by_few(self, images: np.ndarray) -> list[Any]:
        """The same, a few at a time: TensorFlow never gives back what it once took of a CPU's memory."""
        found: list[np.ndarray] = []
        for start in range(0, len(images), self._together):
            some = images[start : start + self._together]
            made = [np.asarray(x) for x in self._all(some)]
            if any(len(x) % len(some) for x in made):  # its first axis is no axis of images
                return self._all(images)
            of_one = [len(x) // len(some) for x in made]  # several of a network that cuts its images to pieces
            if not found:
                found = [np.empty((n * len(images), *x.shape[1:]), x.dtype) for n, x in zip(of_one, made, strict=True)]
            for n, whole, x in zip(of_one, found, made, strict=True):
                whole[n * start : n * start + len(x)] = x
            del made, x
        return found


class Batch(dict[str, Seen]):
    """What all layers did on one batch. classified: scores `(b, n)` and what the last layer saw; or nothing."""

    def __init__(
        self,
        indices: np.ndarray,
        pre: dict[str, tf.Tensor | np.ndarray],
        convs: dict[str, graph.Conv],
        classified: Sequence[np.ndarray] = (),
    ) -> None:
        super().__init__()
        self._indices, self._pre, self._convs = indices, pre, convs
        self.classified = classified

    def __missing__(self, layer: str) -> Seen:
        pre = tf.convert_to_tensor(self._pre[layer])
        unit = _turned_unit(self._convs[layer], pre)  # one after the other: 260 MB each for 20 images of VGG16
        turned = _channels_first(pre)
        return Seen(self._indices, turned, turned if unit is None else unit)

    def __iter__(self) -> Iterator[str]:
        return iter(self._pre)

    def release(self) -> None:
        """Let its maps go, a gigabyte for 20 images of VGG16, before those of the next batch are computed."""
        self._pre.clear()


def _turned_unit(conv: graph.Conv, pre: tf.Tensor) -> np.ndarray | None:
    """The unit's output for its pre-activation `(b, h, w, channels)`: `(b, channels, h, w)`; None: it is the same."""
    if graph.activation_of(conv.layer) != "linear":
        function = conv.layer.activation
    elif conv.nonlinearity is not None:
        function = conv.nonlinearity.layer
    else:
        return None
    return _channels_first(function(pre))


def _channels_first(maps: tf.Tensor) -> np.ndarray:
    return np.asarray(tf.transpose(maps, [0, 3, 1, 2]))


@contextmanager
def _inputs_of_activations(convs: dict[str, graph.Conv]) -> Iterator[dict[int, tuple[tf.Tensor, tf.Tensor]]]:
    """Note what goes into the activation that a conv layer has itself, while a network of these layers is traced.

    By the id of what comes out, since a layer may be called again in any order: pairs of both. The first is in no Keras
    graph; computing it again would run every such layer twice.
    """
    found: dict[int, tuple[tf.Tensor, tf.Tensor]] = {}
    own = {id(conv.layer): conv.layer for conv in convs.values() if graph.activation_of(conv.layer) != "linear"}

    def noting(function: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[tf.Tensor], tf.Tensor]:
        def noted(x: tf.Tensor) -> tf.Tensor:
            out = function(x)
            found[id(out)] = (x, out)  # held, so that no id is used twice
            return out

        return noted

    with ExitStack() as stack:
        for layer in own.values():
            stack.enter_context(graph.activated_by(layer, noting(layer.activation)))
        yield found
