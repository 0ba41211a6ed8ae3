"""What the functions of the notebook are given: each argument checked in one place, each mistake one line."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from cnnviz.errors import InputError, choices, reason
from cnnviz.errors import said as said
from cnnviz.networks import Graph, graph, input_of, opened, rescaling, scaling

INPUT_SIZE = 224  # of a network that takes any
WANTED = "raw (0..255), unit (0..1), tf (-1..1), torch, caffe, a range (lowest, highest), {mean, std} or a function"

Model: TypeAlias = keras.Model | str | Path
Preprocessing = str | tuple[float, float] | Mapping[str, Any] | Callable[[Any], Any]


@dataclass(frozen=True)
class Subject:
    """A network to look at. height, width: of its input, None where it takes any; stored: model.json, if it has one."""

    network: keras.Model
    name: str
    height: int | None
    width: int | None
    channels: int
    stored: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width to trace it with, whatever images it will see."""
        return self.height or INPUT_SIZE, self.width or INPUT_SIZE

    def trace(self, size: tuple[int, int] | None = None, until: str | Sequence[str] | None = None) -> Graph:
        return graph.trace(self.network, (*(size or self.size), self.channels), until)


def subject(model: Model) -> Subject:
    """A Keras model, a .keras or .h5 file, or the name of a stored model. InputError if it doesn't look at images."""
    network, name, stored = opened(model)
    height, width, channels = input_of(network, name)
    height, width = stored.get("input_shape", (height, width))[:2]
    return Subject(network, name, height, width, channels, stored)


def preprocessing(given: Preprocessing | None, of: Subject) -> Any:
    """What `networks.preprocess` takes: a mapping as in model.json, or a function. Only a stored model needs none.

    Warns where the network scales its images as well.
    """
    if given is None:
        if of.stored:
            return of.stored["preprocessing"]
        raise InputError(f"preprocessing: not given; say what {of.name} was trained on: {WANTED}")
    spec = _scaling(given, of)
    try:
        found = rescaling.inside(of.trace())
    except InputError:  # of any size, but not of this one: what is asked for will say so
        return spec
    if said := rescaling.note(found, spec, (*of.size, of.channels)):
        warnings.warn(f"{of.name}: {said}", stacklevel=3)
    return spec


def _scaling(given: Preprocessing, of: Subject) -> Any:
    if callable(given):
        return _works(given, of)
    if isinstance(given, str | Mapping):
        try:
            return scaling(given, of.channels)
        except InputError as error:
            raise InputError(f"preprocessing: {error}") from None
    try:
        low, high = (float(end) for end in given)
    except (TypeError, ValueError):
        raise InputError(f"preprocessing: {said(given)} given; expected {WANTED}") from None
    if not -np.inf < low < high < np.inf:
        raise InputError(f"preprocessing: range ({low:g}, {high:g}) given; expected (lowest, highest), finite")
    return {"scale": [(high - low) / 255], "offset": [low], "reverse_channels": False}


def _works(function: Callable[[Any], Any], of: Subject) -> Callable[[Any], Any]:
    """A function that TensorFlow can trace and that keeps the shape of a batch of images."""
    shape = (None, *of.size, of.channels)
    try:
        made = tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec(shape, tf.float32))
        found = getattr(made.structured_outputs, "shape", None)
        kept, why = found is not None and found.is_compatible_with(shape), f"it makes {found} of images {shape}"
    except Exception as error:  # whatever a function of the user's raises
        kept, why = False, f"{type(error).__name__}: {reason(error, 120)}"
    if not kept:
        raise InputError(f"preprocessing: the function can't be used: {why}; keep the shape, compute with keras.ops")
    return function


def layer(given: str) -> str:
    """A layer's name; whether it is there, the graph knows."""
    if not isinstance(given, str):
        raise InputError(f"layer: {said(given)} given; expected a layer's name{_own_name(given)}")
    return given


def _own_name(given: Any) -> str:
    return f", here {given.name!r}" if isinstance(given, keras.layers.Layer) else ""


def conv(traced: Graph, name: str) -> graph.Conv:
    """A convolution of the network. Raises InputError with the nearest names."""
    if name not in traced.convs:
        raise InputError(
            f"layer: no conv layer {name!r}; {choices(name, traced.convs) if traced.convs else 'there is none'}"
        )
    return traced.convs[name]


def whole(given: Any, name: str, lowest: int = 1) -> int:
    """A whole number, `lowest` at least."""
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < lowest:
        raise InputError(f"{name}: {said(given)} given; expected a whole number, {lowest} or more")
    return int(given)


def number(given: Any, name: str, lowest: float, highest: float) -> float:
    """A number in a range, its ends included."""
    real = isinstance(given, int | float | np.integer | np.floating) and not isinstance(given, bool)
    if not real or not lowest <= given <= highest:
        raise InputError(f"{name}: {said(given)} given; expected a number in {lowest:g}..{highest:g}")
    return float(given)
