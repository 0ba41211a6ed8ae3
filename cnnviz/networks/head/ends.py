"""How a network ends: walking back from an output to the scores before its last activation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

SOFTMAX, SIGMOID = ("softmax", "log_softmax", "sparsemax"), ("sigmoid", "hard_sigmoid")
_TRAINING = ("Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout")
_KEEPING = (*_TRAINING, "ActivityRegularization", "Identity", "Cast")
_RESHAPING = ("Flatten", "Reshape", "Squeeze", "ExpandDims", "GlobalAveragePooling2D", "GlobalMaxPooling2D")
_ARITHMETIC = ("TrueDivide", "Divide", "Multiply", "Add", "Subtract", "Rescaling", "Clip")
_ACTIVATIONS = {  # operations of keras.ops and layers that are nothing but an activation
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hard_sigmoid",
    "Sparsemax": "sparsemax",
    "Tanh": "tanh",
    "Relu": "relu",
    "ReLU": "relu",
    "Softplus": "softplus",
}


@dataclass(frozen=True)
class End:
    """`activation(scores)` is the output; both Keras tensors are `(None, n)`, `(None, d)` where the output has no map.

    name: of the activation, `linear` where there is none; features: what the last dense layer sees (the scores where
    there is none); dense: that layer, where the scores are its plain output; trained: whether weights stand right
    before the scores.
    """

    scores: Any
    features: Any
    dense: Any
    activation: Callable[[Any], Any]
    name: str
    trained: bool


class Before(keras.layers.Layer):  # type: ignore[misc]
    """A dense or convolutional layer without its activation; the weights are shared."""

    def __init__(self, layer: Any) -> None:
        super().__init__(dtype="float32")
        self.layer = layer

    def call(self, x: Any) -> Any:
        layer = self.layer
        if isinstance(layer, keras.layers.Dense):
            made = tf.matmul(x, layer.kernel) if len(x.shape) == 2 else keras.ops.matmul(x, layer.kernel)
        else:
            made = layer.convolution_op(x, layer.kernel)
        return made + layer.bias if layer.use_bias else made


class Odds(keras.layers.Layer):  # type: ignore[misc]
    """Scores of which softmax, or sigmoid, makes the given probabilities again: log p, or log p / (1 - p)."""

    def __init__(self, name: str) -> None:
        super().__init__(dtype="float32")
        self.sigmoid = name == "sigmoid"

    def call(self, x: Any) -> Any:
        if not self.sigmoid:
            return tf.math.log(tf.maximum(x, 1e-30))
        inside = tf.clip_by_value(x, 1e-7, 1 - 1e-7)
        return tf.math.log(inside) - tf.math.log1p(-inside)


def made_by(tensor: Any) -> tuple[Any, Sequence[Any]]:
    """The operation (a layer, or one of keras.ops) that made a tensor, and the tensors that went in."""
    operation, node, _ = tensor._keras_history
    return operation, operation._inbound_nodes[node].input_tensors


def ancestors(tensor: Any) -> set[int]:
    """Ids of all Keras tensors that a tensor is made of, its own too."""
    seen, todo = set(), [tensor]
    while todo:
        one = todo.pop()
        if id(one) not in seen:
            seen.add(id(one))
            todo += made_by(one)[1]
    return seen


def _sides(tensor: Any) -> list[int | None]:
    return [side for side in tensor.shape[1:] if side != 1]


def activation_of(operation: Any) -> str | None:
    """The activation that an operation is, and nothing else; None for any other."""
    if isinstance(operation, keras.layers.Activation):
        return getattr(operation.activation, "__name__", "other")
    return _ACTIVATIONS.get(type(operation).__name__)


def skip(tensor: Any) -> Any:
    """The tensor before what changes no number when a network is used: dropout, linear activations, reshaping."""
    while True:
        operation, sources = made_by(tensor)
        kind = type(operation).__name__
        if len(sources) != 1:
            return tensor
        same = kind in _RESHAPING and None not in _sides(tensor) and _sides(sources[0]) == _sides(tensor)
        if not (kind in _KEEPING or activation_of(operation) == "linear" or same):
            return tensor
        tensor = sources[0]


def fused(operation: Any) -> str | None:
    """The activation that a layer has itself; None where it has none."""
    activation = getattr(operation, "activation", None)
    if not isinstance(operation, keras.layers.Layer) or isinstance(operation, keras.layers.Activation):
        return None
    name = getattr(activation, "__name__", "other") if callable(activation) else None
    return None if name == "linear" else name


def probabilities(tensor: Any) -> str | None:
    """`softmax` or `sigmoid` where a tensor holds what such an activation gave, or means of that; else None."""
    tensor = skip(tensor)
    operation, sources = made_by(tensor)
    name = activation_of(operation) or fused(operation)
    if name in ("softmax", "sparsemax"):
        return "softmax"
    if name in SIGMOID:
        return "sigmoid"
    kind = type(operation).__name__
    found = {probabilities(one) for one in sources} if sources else set()
    if kind in ("Average", "GlobalAveragePooling2D") and len(found) == 1:
        return found.pop()
    if kind in ("Maximum", "Minimum", "Concatenate", "GlobalMaxPooling2D") and found == {"sigmoid"}:
        return "sigmoid"
    return None


def flat(tensor: Any) -> Any:
    """`(None, n)` of `(None, 1, 1, n)`."""
    return tensor if len(tensor.shape) == 2 else keras.layers.Flatten(dtype="float32")(tensor)


def last_activation(tensor: Any) -> str:
    """The activation at the end of a tensor, `linear` where there is none."""
    last = skip(tensor)
    operation, _ = made_by(last)
    return activation_of(operation) or fused(operation) or probabilities(last) or "linear"


def end(tensor: Any) -> End:
    """How an output `(None, n)`, or `(None, 1, 1, n)`, is made of scores."""
    last = skip(tensor)
    operation, sources = made_by(last)
    name, inner = activation_of(operation), fused(operation)
    if name and len(sources) == 1:
        scores, activation = skip(sources[0]), getattr(operation, "activation", operation)
    elif inner and type(operation) in (keras.layers.Dense, keras.layers.Conv2D):
        name, activation, scores = inner, operation.activation, Before(operation)(sources[0])
        if isinstance(operation, keras.layers.Dense) and len(scores.shape) == 2:
            return End(scores, sources[0], operation, activation, name, True)
    elif odds := probabilities(last):
        name, activation, scores = odds, keras.activations.get(odds), Odds(odds)(last)
    else:
        name, activation, scores = "linear", keras.activations.linear, last
    features, dense, trained = _features(scores)
    scores = flat(scores)
    return End(scores, features if len(features.shape) == 2 else scores, dense, activation, name, trained)


def _features(scores: Any) -> tuple[Any, Any, bool]:
    """What the dense layer behind scores sees; that layer where they are its output; whether weights are there."""
    operation, sources = made_by(scores)
    if isinstance(operation, Before):
        return scores, None, True
    if type(operation) is keras.layers.Dense and len(scores.shape) == 2 and fused(operation) is None:
        return sources[0], operation, True
    tensor = skip(scores)
    while type(made_by(tensor)[0]).__name__ in _ARITHMETIC and len(made_by(tensor)[1]) == 1:  # such as a temperature
        tensor = skip(made_by(tensor)[1][0])
    operation, sources = made_by(tensor)
    weights = isinstance(operation, keras.layers.Dense | keras.layers.EinsumDense)
    if weights and len(sources) == 1 and len(sources[0].shape) == 2 and fused(operation) is None:
        return sources[0], None, True
    return scores, None, weights
