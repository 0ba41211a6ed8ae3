"""Networks inside networks: which layers to look into, and what the layers in them are called."""

import re
from collections import Counter
from collections.abc import Collection
from typing import Any

import keras
from keras.src.models.functional import Functional  # what keras.Model(inputs, outputs) makes; it has no public name

CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)
Path = tuple[str, ...]  # names of the networks around a layer, from the outside, and its own


def is_graph(layer: Any) -> bool:
    """Whether a layer is a network whose own layers are known, and that does nothing but call them."""
    if isinstance(layer, keras.Sequential):
        return bool(type(layer).call is keras.Sequential.call)
    return isinstance(layer, Functional) and type(layer).call is Functional.call


def inside(layer: Any, tensors: Any) -> Functional | None:
    """The graph of a layer that calls other layers or operations by itself, for Keras tensors shaped as these.

    None where what it does can't be traced: it calls TensorFlow, or asks for numbers. tensors: its arguments, or the
    first of them.
    """
    inputs = keras.tree.map_structure(
        lambda t: keras.Input(batch_shape=t.shape, dtype=t.dtype) if isinstance(t, keras.KerasTensor) else t, tensors
    )
    try:
        output = layer.call(*inputs) if isinstance(inputs, tuple) else layer.call(inputs)
        return Functional([t for t in keras.tree.flatten(inputs) if isinstance(t, keras.KerasTensor)], output)
    except Exception:  # a layer of one's own may raise anything here
        return None


def composite(layer: Any) -> bool:
    """Whether convolutions lie in a layer that is not a network, a wrapper or one's own class."""
    if isinstance(layer, CONVOLUTIONS) or not isinstance(layer, keras.layers.Layer) or is_graph(layer):
        return False
    return any(isinstance(one, CONVOLUTIONS) for one in layer._flatten_layers(include_self=False))


def opens(layer: Any) -> bool:
    """Whether to look for the graph inside a composite: Keras's own ones but this do more than call their layer."""
    return isinstance(layer, keras.layers.SpectralNormalization) or not type(layer).__module__.startswith("keras.")


def names(network: Any) -> dict[int, str]:
    """Names by the id of each layer and operation in a network: `conv1`, or `a.conv1` and `b.conv1`.

    All of those that share a name get as many of their networks' names as tell them apart, upper and lower case alike.
    They depend on the whole network, not on how far it is walked.
    """
    paths: dict[int, Path] = {}
    seen: set[int] = set()

    def visit(nested: Any, path: Path) -> None:
        for one in _parts(nested):
            if id(one) in seen or isinstance(one, keras.layers.InputLayer):
                continue
            seen.add(id(one))
            if not is_graph(one):
                paths[id(one)] = (*path, one.name)
            if is_graph(one) or (composite(one) and opens(one)):
                visit(one, (*path, one.name))

    visit(network, ())
    alike: dict[str, list[int]] = {}
    for key, path in paths.items():
        alike.setdefault(path[-1].lower(), []).append(key)
    found: dict[int, str] = {}
    taken: set[str] = set()
    for group in alike.values():
        for key, name in zip(group, _apart([paths[key] for key in group]), strict=True):
            found[key] = _free(name, taken)
            taken.add(found[key].lower())
    return {key: found[key] for key in paths}


def _parts(nested: Any) -> list[Any]:
    if isinstance(nested, keras.Sequential):
        return list(nested.layers)
    if hasattr(nested, "operations"):
        return list(nested.operations)
    return list(nested._flatten_layers(include_self=False, recursive=False))


def _apart(paths: list[Path]) -> list[str]:
    """The ends of paths, joined by dots, as short as they all differ in."""
    for length in range(1, max(map(len, paths)) + 1):
        ends = [".".join(path[-length:]) for path in paths]
        if len({end.lower() for end in ends}) == len(ends):
            break
    return ends


def _free(name: str, taken: Collection[str]) -> str:
    number, tried = 1, name
    while tried.lower() in taken or tried in taken:
        number += 1
        tried = f"{name}-{number}"
    return tried


def called(name: str, times: Counter[str], others: Collection[str]) -> str:
    """What the next call of a layer of this name is called: the name, then `name-2`, … . others: the layers' names."""
    times[name] += 1
    if times[name] == 1:
        return name
    return called(name, times, others) if (tried := f"{name}-{times[name]}") in others else tried


def passing(operation: Any, path: Path, others: Collection[str]) -> str:
    """A name for what a layer of one's own makes anew whenever it is called: by its kind, Keras would count on."""
    return _free(".".join((*path[-1:], snake(type(operation).__name__))), others)


def renamed(layer: Any, name: str) -> Any:
    """The same layer or operation, its weights shared, under another name: in one graph no two may have the same."""
    twin = object.__new__(type(layer))
    twin.__dict__.update(layer.__dict__, name=name, _inbound_nodes=[], _outbound_nodes=[])
    return twin


def snake(name: str) -> str:
    """`LeakyRelu` -> `leaky_relu`, `ReLU` -> `re_lu`, `Relu6` -> `relu6`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
