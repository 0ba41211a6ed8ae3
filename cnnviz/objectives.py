"""What is maximised, as values: `channel("block3_conv1", 159) - 0.5 * neuron("block3_conv1", 41)`.

An objective is a weighted sum of terms. Operators return new ones; `str` writes an objective as `parse` reads it.
Knows no TensorFlow: `evaluation.py` turns objectives into numbers.
"""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from cnnviz.errors import InputError, choices

Kind = Literal["channel", "neuron", "direction", "layer", "logit", "diversity"]


@dataclass(frozen=True)
class Term:
    """One thing to maximise.

    layer: name of a layer, empty for a logit. channels: (channel, weight) pairs of the unit that is looked at.
    position: (y, x) of a neuron in its feature map, None for the centre. index: the class of a logit.
    """

    kind: Kind
    layer: str = ""
    channels: tuple[tuple[int, float], ...] = ()
    position: tuple[int, int] | None = None
    index: int = 0

    def __str__(self) -> str:
        if self.kind in ("layer", "diversity"):
            return f"{self.kind}({self.layer!r})"
        if self.kind == "logit":
            return f"logit({self.index})"
        if self.kind == "direction":
            return f"direction({self.layer!r}, {dict(self.channels)})"
        place = "" if self.position is None else f", {self.position[0]}, {self.position[1]}"
        return f"{self.kind}({self.layer!r}, {self.channels[0][0]}{place})"


@dataclass(frozen=True)
class Objective:
    """A weighted sum of terms: ((weight, term), …)."""

    terms: tuple[tuple[float, Term], ...]

    def __add__(self, other: "Objective") -> "Objective":
        return Objective(self.terms + other.terms) if isinstance(other, Objective) else NotImplemented

    def __sub__(self, other: "Objective") -> "Objective":
        return self + -other if isinstance(other, Objective) else NotImplemented

    def __neg__(self) -> "Objective":
        return -1.0 * self

    def __mul__(self, factor: float) -> "Objective":
        if isinstance(factor, bool) or not isinstance(factor, int | float):
            return NotImplemented
        return Objective(tuple((weight * factor, term) for weight, term in self.terms))

    __rmul__ = __mul__

    def __str__(self) -> str:
        text = ""
        for weight, term in self.terms:
            sign = "-" if weight < 0 else "+"
            size = "" if abs(weight) == 1 else f"{abs(weight):.9g} * "
            text += f" {sign} {size}{term}" if text else f"{'-' if weight < 0 else ''}{size}{term}"
        return text

    @property
    def structure(self) -> tuple[tuple[Kind, str], ...]:
        """What objectives of one batch must have in common: the kind and layer of each term."""
        return tuple((term.kind, term.layer) for _, term in self.terms)

    @property
    def nameless(self) -> "Objective":
        """The same of layers without names: what is left of it in a network whose layers are called otherwise."""
        return Objective(tuple((weight, replace(term, layer="")) for weight, term in self.terms))

    @property
    def layers(self) -> list[str]:
        return list(dict.fromkeys(term.layer for _, term in self.terms if term.layer))


def _one(term: Term) -> Objective:
    return Objective(((1.0, term),))


def channel(layer: str, index: int) -> Objective:
    """The mean over all positions of one channel of a layer."""
    return _one(Term("channel", layer, ((_index(index), 1.0),)))


def neuron(layer: str, index: int, y: int | None = None, x: int | None = None) -> Objective:
    """One channel at one position of its feature map, (height - 1) // 2 and (width - 1) // 2 if none is given."""
    if (y is None) != (x is None):
        raise InputError(f"neuron({layer!r}, {index}): expected both y and x, or neither")
    position = None if y is None or x is None else (_index(y), _index(x))
    return _one(Term("neuron", layer, ((_index(index), 1.0),), position))


def direction(layer: str, weights: Mapping[int, float] | Sequence[float] | np.ndarray) -> Objective:
    """The mean over all positions of a weighted sum of a layer's channels: {channel: weight} or one weight each."""
    pairs = weights.items() if isinstance(weights, Mapping) else enumerate(np.asarray(weights, float).tolist())
    kept = tuple(sorted((_index(k), float(w)) for k, w in pairs if w))
    if not kept or not np.isfinite([w for _, w in kept]).all():
        raise InputError(f"direction({layer!r}, …): expected finite weights, at least one of them not 0")
    return _one(Term("direction", layer, kept))


def layer(name: str) -> Objective:
    """A whole layer, as DeepDream does: the mean of the squares of all its activations."""
    return _one(Term("layer", name))


def logit(index: int) -> Objective:
    """The score of one class before the softmax (the last Dense layer's output without its activation)."""
    return _one(Term("logit", index=_index(index)))


def diversity(layer: str) -> Objective:
    """How unlike each other the images of one group are in a layer: minus their mean cosine similarity there.

    Compared are the Gram matrices (products of channels, summed over positions). Source: Olah et al., "Feature
    Visualization", Distill 2017.
    """
    return _one(Term("diversity", layer))


def opposite(of: Objective) -> Objective:
    """What drives a unit most strongly in the other direction: channels with the opposite sign *before* the ReLU.

    (`-channel(…)` is minus the value, which is 0 at most where a ReLU follows.)
    """
    turned = [
        (weight, replace(term, kind="direction", channels=tuple((k, -w) for k, w in term.channels)))
        if term.kind in ("channel", "direction")
        else (-weight, term)
        for weight, term in of.terms
    ]
    return Objective(tuple(turned))


def _index(value: Any) -> int:
    try:
        found = operator.index(value)
    except TypeError:
        found = -1
    if found < 0 or isinstance(value, bool):
        raise InputError(f"expected a whole number from 0 on, got {value!r}")
    return found


_NAMES: dict[str, Callable[..., Objective]] = {
    "channel": channel,
    "neuron": neuron,
    "direction": direction,
    "layer": layer,
    "logit": logit,
    "diversity": diversity,
}
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def parse(text: str) -> Objective:
    """Read an objective such as `channel('block3_conv1', 159) + 0.5 * logit(3)`. Nothing in the text is run.

    Raises InputError that says what is wrong where.
    """

    def read(node: ast.AST) -> Any:
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            left, right = read(node.left), read(node.right)
            if isinstance(left, Objective | int | float) and isinstance(right, Objective | int | float):
                return _OPERATORS[type(node.op)](left, right)
            raise InputError(f"{text!r}: {ast.unparse(node)!r}: expected objectives and numbers around the operator")
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return read(node.operand) * -1
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            if node.func.id not in _NAMES:
                raise InputError(f"{text!r}: unknown objective {node.func.id!r}; {choices(node.func.id, _NAMES)}")
            return _NAMES[node.func.id](*map(read, node.args))
        if isinstance(node, ast.Dict) and all(key is not None for key in node.keys):
            return {read(key): read(value) for key, value in zip(node.keys, node.values, strict=True) if key}
        if isinstance(node, ast.List):
            return [read(item) for item in node.elts]
        if isinstance(node, ast.Name):
            return node.id  # a layer's name without quotes
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
            return node.value
        raise InputError(f"{text!r}: {ast.unparse(node)!r} is no part of an objective")

    try:
        found = read(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{text!r}: not an objective ({' '.join(str(error).split())[:120]}); "
            "expected for example channel('conv1', 3), logit(2) or layer('conv4') + 0.5 * neuron('conv4', 7)"
        ) from error
    if not isinstance(found, Objective):
        raise InputError(f"{text!r}: expected an objective such as channel('conv1', 3), got {found!r}")
    return found
