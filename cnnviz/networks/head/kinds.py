"""What kind of answer an output is, and the scores that stand for it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnviz.networks.head import ends
from cnnviz.networks.head.ends import SIGMOID, SOFTMAX, End

Kind = Literal["classes", "binary", "labels", "regression", "pictures", "none"]
FLAT = 64  # numbers from which a dense layer may write a picture
ADVICE = "give class_names if these are scores of classes"


@dataclass(frozen=True)
class Head:
    """The answer of a network. output: the name of its layer; why: one sentence.

    names: of the classes, labels or values; known: whether they were given, else they are called by number. For all
    kinds but `pictures` and `none`, Keras tensors of the flat graph: scores `(None, n)`, what is explained: logits (for
    `binary` those of the two classes, -z/2 and z/2), values of a regression; features `(None, d)`: what the last dense
    layer sees. dense: that layer, where it makes the logits; activation, ends_in: what makes the output of them, and
    its name; tensor: the output itself. assumed: whether nothing but the number of class names makes it classes.
    """

    kind: Kind
    output: str | None
    why: str
    names: tuple[str, ...] = ()
    known: bool = False
    tensor: Any = None
    scores: Any = None
    features: Any = None
    dense: Any = None
    activation: Callable[[Any], Any] = field(default=keras.activations.linear)
    ends_in: str = "linear"
    assumed: bool = False

    @property
    def answers(self) -> bool:
        """Whether there are scores: classes, labels or values."""
        return self.scores is not None

    @property
    def classifies(self) -> bool:
        return self.kind in ("classes", "binary", "labels")

    def probabilities(self, scores: NDArray) -> NDArray[np.float32]:
        """`(b, n)`: the network's output where that is a softmax or sigmoid, else the softmax of it.

        The values themselves of a regression.
        """
        if self.kind == "regression":
            return np.asarray(scores, np.float32)
        if self.kind == "binary":
            return np.asarray(tf.nn.softmax(tf.constant(scores)), np.float32)
        output = self.activation(tf.constant(scores))
        return np.asarray(output if self.ends_in in ("softmax", "sigmoid") else _made(output, self), np.float32)

    def described(self) -> dict[str, Any]:
        """As model.json holds it."""
        return {"kind": self.kind, "output": self.output, "why": self.why, "names": list(self.names)}


def _made(output: Any, head: Head) -> Any:
    return output if head.ends_in in (*SIGMOID, "sparsemax") else tf.nn.softmax(output)


class _Both(keras.layers.Layer):  # type: ignore[misc]
    """Logits of two classes from the one of the second: -z/2 and z/2, of which softmax makes its sigmoid."""

    def call(self, z: Any) -> Any:
        return tf.concat([-z / 2, z / 2], -1)


def describe(tensor: Any, name: str, given: Sequence[str], image: Any) -> Head:
    """One output by itself, with the class names that are given; image: the network's input."""
    sides = [int(side) if side is not None else None for side in tensor.shape[1:]]
    if len(sides) == 3 and sides[:2] == [1, 1]:
        sides = sides[2:]
    if sides and sides[-1] is None:
        return Head("none", name, f"the size of {name!r} is not known", tensor=tensor)
    if len(sides) == 1:
        return _vector(tensor, name, given, image, int(sides[0] or 0))
    if len(sides) == 3:
        return _map(tensor, name, given, image)
    if len(sides) == 2 and (found := _flattened(tensor)) is not None:
        return _map(found, name, given, image)
    return Head("none", name, f"{name!r} {_shape(tensor)} is neither classes, values nor a picture", tensor=tensor)


def _shape(tensor: Any) -> str:
    return " × ".join("?" if side is None else str(side) for side in tensor.shape[1:])


def _vector(tensor: Any, name: str, given: Sequence[str], image: Any, n: int) -> Head:
    found = ends.end(tensor)
    said = f"{name!r} has {n} output{'s' if n > 1 else ''}"
    if found.name in SOFTMAX:
        if n == 1:
            return Head("none", name, f"{name!r} is a softmax over a single output: it is always 1", tensor=tensor)
        return _classes(tensor, name, given, found, n, f"{name!r} is a softmax over {n} classes")
    if found.name in SIGMOID and n == 1:
        return _binary(tensor, name, given, found, f"{name!r} is one sigmoid: two classes")
    pixels = [side for side in image.shape[1:] if side is not None]
    if n >= FLAT and len(pixels) == 3 and n == math.prod(pixels):
        why = f"{said}, as many as the image has numbers: a picture"
        return Head("pictures", name, why, tensor=keras.layers.Reshape(pixels)(ends.flat(tensor)), ends_in=found.name)
    if found.name in SIGMOID:
        why = f"{said}, a sigmoid each: labels that don't exclude each other"
        return _scored("labels", tensor, name, found, why, *_named(given, n, "label"))
    if n > 1 and len(given) == n:
        why = f"{said}, as many as there are class_names: scores of classes"
        return replace(_classes(tensor, name, given, found, n, why), assumed=True)
    if n == 1 and len(given) == 2:
        why = f"{said} and there are two class_names: the score of {given[1]!r}"
        return replace(_binary(tensor, name, given, found, why), assumed=True)
    last = type(ends.made_by(ends.skip(tensor))[0]).__name__
    if last in ("UnitNormalization", "Normalize"):
        return Head("none", name, f"{said} of length 1: an embedding, no classes or values", tensor=tensor)
    if n > 1 and not found.trained:
        return Head("none", name, f"{said} without weights of their own: features; {ADVICE}", tensor=tensor)
    names = (given[0] if len(given) == 1 else name,) if n == 1 else tuple(f"{name}[{i}]" for i in range(n))
    end = "no activation" if found.name == "linear" else f"the activation {found.name}"
    why = f"{said} with {end}: {'a value' if n == 1 else 'values'}, no classes"
    value = ends.flat(tensor)
    head = _scored("regression", tensor, name, found, why if n == 1 else f"{why}; {ADVICE}", names, len(given) == n)
    return replace(head, scores=value, features=value if head.features is head.scores else head.features)


def _named(given: Sequence[str], n: int, what: str = "class") -> tuple[tuple[str, ...], bool]:
    return (tuple(given), True) if len(given) == n else (tuple(f"{what} {i}" for i in range(n)), False)


def _scored(kind: Kind, tensor: Any, name: str, end: End, why: str, names: tuple[str, ...], known: bool) -> Head:
    parts = end.scores, end.features, end.dense, end.activation, end.name
    return Head(kind, name, why, names, known, tensor, *parts)


def _classes(tensor: Any, name: str, given: Sequence[str], found: End, n: int, why: str) -> Head:
    names, known = _named(given, n)
    why = why if known else f"{why}; no class_names are given, so they are called by number"
    return _scored("classes", tensor, name, found, why, names, known)


def _binary(tensor: Any, name: str, given: Sequence[str], found: End, why: str) -> Head:
    """Two classes by one score."""
    both, known = ("class 0", "class 1"), len(given) in (1, 2)
    if known:
        both = (given[0], given[1]) if len(given) == 2 else (f"not {given[0]}", given[0])
    else:
        why = f"{why}; no class_names are given, so they are called class 0 (low) and class 1 (high)"
    head = _scored("binary", tensor, name, found, why, both, known)
    return replace(head, scores=_Both(dtype="float32")(found.scores), dense=None)


def _flattened(tensor: Any) -> Any:
    """The map (None, h, w, c) that a network gives as (None, h * w, c), its activation kept."""
    name, last = None, ends.skip(tensor)
    operation, sources = ends.made_by(last)
    if (name := ends.activation_of(operation)) and len(sources) == 1:
        last = ends.skip(sources[0])
        operation, sources = ends.made_by(last)
    if type(operation).__name__ != "Reshape" or len(sources) != 1 or len(sources[0].shape) != 4:
        return None
    _, height, width, channels = sources[0].shape
    if None in (height, width) or tuple(last.shape[1:]) != (height * width, channels):
        return None
    return keras.layers.Activation(name)(sources[0]) if name else sources[0]


def _map(tensor: Any, name: str, given: Sequence[str], image: Any) -> Head:
    """A picture where it is about as large as the image, or its channels are classes of places; else features."""
    found = ends.last_activation(tensor)
    *size, channels = tensor.shape[1:]
    large = all(a is None or b is None or 2 * a >= b for a, b in zip(size, image.shape[1:3], strict=True))
    colours = channels in (1, 3, image.shape[-1])
    if found == "linear" and channels > 1 and len(given) == channels:
        why = (
            f"{name!r} is {_shape(tensor)}, as many channels as there are class_names: scores of classes at every place"
        )
        return Head("pictures", name, why, tuple(given), True, tensor, ends_in="softmax", assumed=True)
    if found in SOFTMAX and channels > 1:
        why = f"{name!r} is a softmax over {channels} classes at every place: a map of classes"
    elif (found in SIGMOID and large) or (large and (colours or _upsampled(tensor))):
        why = f"{name!r} is {_shape(tensor)}: a picture"
        if found == "linear" and channels > 1:
            drawn = "as red, green and blue" if channels == 3 else "one by one"
            why = f"{why}, its channels drawn {drawn}; {ADVICE}"
    else:
        return Head("none", name, f"{name!r} is {_shape(tensor)}: features, no classes", tensor=tensor)
    names, known = _named(given, channels)
    return Head("pictures", name, why, names, known, tensor, ends_in=found)


def _upsampled(tensor: Any) -> bool:
    """Whether something on the way to a tensor makes maps larger."""
    todo, seen = [tensor], set()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        operation, sources = ends.made_by(one)
        if type(operation).__name__ in ("Conv2DTranspose", "UpSampling2D", "Resizing", "Resize"):
            return True
        todo += sources
    return False
