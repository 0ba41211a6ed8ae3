"""What of a network lies behind one tensor, so that filters can be silenced there. Keras's own layers and weights."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

MEMORY = 8_000_000  # bytes of changed maps that go through together
Change = Mapping[int, float]  # channel: its value at all positions


class Tail:
    """`outputs` of a flat graph by the tensor `start` `(None, h, w, channels)`, all else as it is on the same image.

    names: of those outputs that depend on `start`; beside: tensors that they need besides, where a network forks.
    """

    def __init__(self, start: Any, outputs: Mapping[str, Any]) -> None:
        behind, self.beside = _behind(start, list(outputs.values()))
        self.names = [name for name, tensor in outputs.items() if id(tensor) in behind and tensor is not start]
        order = [_node(tensor) for tensor in _forwards(start, [outputs[name] for name in self.names])]
        self._nodes = [node for node in dict.fromkeys(order) if any(id(tensor) in behind for tensor in node.outputs)]
        self._start, self._ends = start, [outputs[name] for name in self.names]
        kinds = [tf.TensorSpec((None, *x.shape[1:]), x.dtype) for x in self.beside]
        signature = [tf.TensorSpec((None, *start.shape[1:])), kinds]  # one trace for any number of changes
        self._run = tf.function(self._compute, autograph=False, input_signature=signature)

    def _compute(self, maps: tf.Tensor, beside: list[tf.Tensor]) -> list[tf.Tensor]:
        """Node by node, since a layer may be called both behind `start` and beside it."""
        many = tf.shape(maps)[0]
        made = {id(one): tf.repeat(x, many, 0) for one, x in zip(self.beside, beside, strict=True)}
        made[id(self._start)] = maps
        with tf.name_scope("tail"):  # names that begin with _ may not stand at the root
            for node in self._nodes:
                arguments, words = node.arguments.fill_in(made)
                if getattr(node.operation, "_call_has_training_arg", False):
                    words = {**words, "training": False}
                found = keras.tree.flatten(node.operation(*arguments, **words))
                made |= {id(one): x for one, x in zip(node.outputs, found, strict=True)}
        found = [made[id(tensor)] for tensor in self._ends]
        return [tf.reduce_mean(tf.nn.relu(x), (1, 2)) if len(x.shape) == 4 else x for x in found]

    def __call__(self, maps: tf.Tensor, beside: Sequence[Any]) -> dict[str, tf.Tensor]:
        """Each output, see `changed`, for maps `(n, h, w, channels)`; gradients go through."""
        return dict(zip(self.names, self._run(maps, list(beside)), strict=True))

    def changed(
        self, maps: NDArray[np.floating], beside: Sequence[Any], changes: Sequence[Change]
    ) -> dict[str, NDArray[np.float32]]:
        """Each output under each change of the maps `(1, h, w, channels)`; beside: `self.beside` of the same image.

        Returns `(changes, n)` by name: of maps the mean rate of each channel, of anything else its values.
        """
        if not self.names:
            return {}
        step = max(1, MEMORY // max(1, maps.nbytes))
        if any(x.shape[0] != 1 for x in beside):  # windows of an image, say, which stand for no other image
            step = 1
        parts = []
        for start in range(0, len(changes), step):
            chosen = changes[start : start + step]
            many = np.repeat(np.asarray(maps, np.float32), min(step, _rounded(len(chosen))), axis=0)
            for one, change in zip(many, chosen, strict=False):
                for channel, value in change.items():
                    one[..., channel] = value
            made = self._run(tf.constant(many), list(beside))
            parts.append([np.asarray(x)[: len(x) * len(chosen) // len(many)] for x in made])
        return {name: np.concatenate(each) for name, each in zip(self.names, zip(*parts, strict=True), strict=True)}


def _rounded(count: int) -> int:
    """So many, or a few more: 1, 2, 3, 5, 9, 17, …, since oneDNN keeps what it makes for a size."""
    return 1 + (1 << (count - 2).bit_length()) if count > 1 else 1


def _node(tensor: Any) -> Any:
    """The call that a tensor of a Keras graph comes from."""
    operation, node, _ = tensor._keras_history
    return operation._inbound_nodes[node]


def _sources(tensor: Any) -> list[Any]:
    """The tensors that it is made of directly."""
    return list(_node(tensor).arguments.keras_tensors)


def _behind(start: Any, outputs: Sequence[Any]) -> tuple[set[int], list[Any]]:
    """Ids of the tensors made from `start` that lead to `outputs`, itself included; what else these are made of."""
    behind, beside = {id(start)}, {}
    for tensor in _forwards(start, outputs):
        made_of = _sources(tensor)
        if any(id(one) in behind for one in made_of):
            behind.add(id(tensor))
            beside[id(tensor)] = made_of
    others = {id(one): one for made_of in beside.values() for one in made_of if id(one) not in behind}
    return behind, list(others.values())


def _forwards(start: Any, outputs: Sequence[Any]) -> Iterator[Any]:
    """All tensors that `outputs` are made of, but for `start` and what it is made of alone; sources come first."""
    done, stack = {id(start)}, [(tensor, False) for tensor in outputs]
    while stack:
        tensor, ready = stack.pop()
        if ready:
            yield tensor
        elif id(tensor) not in done:
            done.add(id(tensor))
            stack.append((tensor, True))
            stack += [(one, False) for one in _sources(tensor)]
