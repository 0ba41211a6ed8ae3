"""The weights of an HDF5 file, put where they belong by the names of layers, in Keras's order only where names fail.

Order alone would exchange weights of equal shape without a word where versions sort layers otherwise.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from cnnviz.networks.files.mending import Unreadable
from cnnviz.networks.files.names import Names

IDLE = ("statevar", "seed_generator_state", "random_generator")  # states of random numbers, which Keras keeps elsewhere
CONVOLVED = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose")  # as in Keras 2's preprocess_weights_for_loading
Entry = tuple[str, Any]  # name and data set


def load(path: Path, network: keras.Model, names: Names) -> list[str]:
    """Fill a network from `model_weights`. Returns what was done to them, in sentences.

    Raises Unreadable where the file has other weights than the network.
    """
    with h5py.File(path) as file:
        backend = file.attrs.get("backend", b"")
        group = _inside(file, "model_weights")
        stored = {name: _entries(_inside(group, name)) for name in _attribute(group, "layer_names")}
        stored = {name: entries for name, entries in stored.items() if entries}
        layers = [layer for layer in network.layers if _variables(layer)]
        by_name = {layer.name: layer for layer in layers}
        named = {names.of(name): entries for name, entries in stored.items()}
        if set(named) <= set(by_name):
            pairs = [(by_name[name], entries) for name, entries in named.items()]
        else:
            pairs = list(zip(layers, stored.values(), strict=False))
        if len(stored) != len(layers):
            raise Unreadable(f"it has weights of {len(stored)} layers, its architecture has {len(layers)} with weights")
        for layer, entries in pairs:
            _fill(layer, entries, names)
        if "top_level_model_weights" in group:
            inside = {id(v) for layer in network.layers for v in layer.weights}
            left = [v for v in network.weights if id(v) not in inside]
            top = _entries(_inside(group, "top_level_model_weights"))
            if len(top) == len(left):
                _assign(network, left, [data for _, data in top])
    for layer in network._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()  # Normalization computes with what it makes of its weights
    return _turned(network) if backend in (b"theano", "theano") else []


def _turned(network: keras.Model) -> list[str]:
    """Theano convolves, with kernels the other way round; Keras 2.0 to 2.3 turned them (`convert_kernel`)."""
    for layer in network._flatten_layers():
        if type(layer).__name__ in CONVOLVED:
            kernel = keras.ops.convert_to_numpy(layer.kernel)
            layer.kernel.assign(np.flip(kernel, tuple(range(kernel.ndim - 2))))
    return ["trained with Theano, which applies kernels the other way round: they were turned by 180 degrees"]


def _inside(group: Any, name: str) -> Any:
    """What lies in the file itself under a path: no link to elsewhere, no data outside."""
    for part in name.split("/"):
        if group.get(part, getclass=True, getlink=True) is not h5py.HardLink:
            raise Unreadable(f"its weights have no {name!r} of their own (damaged?)")
        group = group[part]
    if isinstance(group, h5py.Dataset) and (group.external or group.is_virtual):
        raise Unreadable(f"its weights {name!r} lie in another file")
    return group


def _attribute(group: Any, name: str) -> list[str]:
    """A list of names, in several attributes where it is long."""
    found = (
        [name]
        if name in group.attrs
        else sorted(
            (key for key in group.attrs if key.startswith(name) and key[len(name) :].isdigit()),
            key=lambda k: int(k[len(name) :]),
        )
    )
    listed = [value for key in found for value in group.attrs[key]]
    return [value.decode() if isinstance(value, bytes) else str(value) for value in listed]


def _entries(group: Any) -> list[Entry]:
    found = [(name, _inside(group, name)) for name in _attribute(group, "weight_names")]
    return [(name, data) for name, data in found if not any(word in name.lower() for word in IDLE)]


def _variables(layer: Any) -> list[Any]:
    """In the order of HDF5 files: what is trained first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _fill(layer: Any, entries: Sequence[Entry], names: Names) -> None:
    variables = _variables(layer)
    if len(variables) != len(entries):
        raise Unreadable(f"its layer {layer.name!r} has {len(variables)} weights, the file {len(entries)} for it")
    if isinstance(layer, keras.Model) and (placed := _by_name(layer, entries, names)):
        variables, data = [v for v, _ in placed], [d for _, d in placed]
    else:
        data = [d for _, d in entries]
    _assign(layer, variables, data)


def _by_name(network: Any, entries: Sequence[Entry], names: Names) -> list[tuple[Any, Any]] | None:
    """A nested network's variables with their data sets, by names "…/layer/kernel:0"; None where they leave doubts."""
    stored: dict[tuple[str, str], Any] = {}
    for name, data in entries:
        *_, layer, variable = ["", *name.split(":")[0].split("/")]
        if (names.of(layer), variable) in stored:
            return None
        stored[names.of(layer), variable] = data
    placed = []
    for leaf in network._flatten_layers(include_self=False):
        if isinstance(leaf, keras.Model):
            continue
        own = [v for v in leaf.weights if (leaf.name, v.name) in stored]
        placed += [(v, stored.pop((leaf.name, v.name))) for v in own]
    return placed if not stored and len(placed) == len(entries) else None


def _assign(layer: Any, variables: Sequence[Any], data: Sequence[Any]) -> None:
    for variable, one in zip(variables, data, strict=True):
        if tuple(variable.shape) != tuple(one.shape):  # before it is read: no more than the network has room for
            raise Unreadable(
                f"its layer {layer.name!r} has a weight {variable.name} of shape {tuple(variable.shape)}, "
                f"the file has {tuple(one.shape)}"
            )
        variable.assign(np.asarray(one))


def damaged(network: keras.Model) -> list[str]:
    """A note for each layer with weights that are no numbers, with how many of its filters have such."""
    notes = []
    for layer in network._flatten_layers(include_self=False):
        if isinstance(layer, keras.Model) or not layer.weights:
            continue
        bad: Any = None
        count = 0
        for weight in layer.weights:
            values = keras.ops.convert_to_numpy(weight)
            if values.dtype.kind != "f" or np.isfinite(values).all():
                continue
            wrong = ~np.isfinite(values)
            last = wrong.reshape(-1, wrong.shape[-1]).any(0) if wrong.ndim else wrong[None]
            bad = last if bad is None or bad.shape != last.shape else bad | last
            count = int(bad.sum())
        if bad is not None:
            what = "filters are" if "Conv" in type(layer).__name__ else "channels are"
            notes.append(
                f"{layer.name}: {count} {what if count != 1 else what.replace('s are', ' is')} NaN or infinite"
            )
    return notes
