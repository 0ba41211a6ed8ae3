"""The classifier head of a network: what its last layer sees, the logits, and the probabilities made of them."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnviz.networks.graph import Call, Graph

PROBABILITIES = ("softmax", "sigmoid")  # activations whose values are taken for probabilities as they are


@dataclass(frozen=True)
class Head:
    """`features`: Keras tensor `(None, d)` that the last dense layer sees (the logits themselves where there is none).

    dense: that layer, or None; activation: what the network applies to the logits at its end.
    """

    features: Any
    classes: int
    dense: Any
    activation: Any

    def logits(self, features: tf.Tensor) -> tf.Tensor:
        """Class scores before the final activation: `(b, d)` -> `(b, classes)`."""
        if self.dense is None:
            return features
        scores = tf.matmul(features, self.dense.kernel)
        return scores + self.dense.bias if self.dense.use_bias else scores

    def probabilities(self, logits: NDArray) -> NDArray[np.float32]:
        """The network's output where it is a softmax or sigmoid, else the softmax of its output: `(b, classes)`."""
        output = self.activation(tf.constant(logits))
        name = getattr(self.activation, "__name__", type(self.activation).__name__.lower())
        return np.asarray(output if name in PROBABILITIES else tf.nn.softmax(output), np.float32)


def find(graph: Graph) -> Head | None:
    """The head of a network that ends in a dense layer, or in an activation on class scores; None for any other."""
    last = graph.calls[-1]
    if len(last.output.shape) != 2 or int(last.output.shape[-1]) < 2:
        return None
    classes = int(last.output.shape[-1])
    if type(last.layer) is keras.layers.Dense:
        return Head(last.input, classes, last.layer, last.layer.activation)
    if not isinstance(last.layer, keras.layers.Activation | keras.layers.Softmax):
        return None
    activation = last.layer.activation if isinstance(last.layer, keras.layers.Activation) else keras.activations.softmax
    before = next((call for call in graph.calls if call.output is last.input), None)
    if before is not None and _plain(before):
        return Head(before.input, classes, before.layer, activation)
    return Head(last.input, classes, None, activation)


def _plain(call: Call) -> bool:
    return type(call.layer) is keras.layers.Dense and call.layer.activation is keras.activations.linear
