"""Keras models as cnnviz stores them, loads them again and feeds them.

A stored model is `model.json` (architecture, provenance, conv layers) and `weights.weights.h5`; see docs/artifacts.md.
"""

import hashlib
import json
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from cnnviz.errors import InputError
from cnnviz.files import read_json, write_json
from cnnviz.networks import graph, head, receptive_field, rescaling, selection
from cnnviz.networks.description import fingerprint
from cnnviz.networks.files import OWN, own_code
from cnnviz.networks.origins import sources
from cnnviz.networks.series import NOISE

WEIGHTS, CODE = "weights.weights.h5", "code.py"


@dataclass
class Loaded:
    """A Keras model with what is known of it; `preprocessing` as in model.json.

    notes: what was mended or assumed, a sentence each.
    """

    network: keras.Model
    title: str
    source: str
    origin: str
    license: str
    trained_on: str
    input_shape: tuple[int, int, int]  # height, width, channels
    preprocessing: dict[str, Any]
    class_names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what was mended, converted or assumed, a sentence each
    titles: dict[str, str] = field(default_factory=dict)  # safe name of a layer: the user's
    bands: dict[str, Any] | None = None  # names of the channels, and which are drawn red, green and blue
    code: str | None = None  # the text of a Python file with layers of the user's own
    checkpoints: list[dict[str, Any]] = field(default_factory=list)  # entries of a series, the earliest first


def digest(network: keras.Model) -> str:
    """SHA-256 over all weights in Keras's order, float32, little-endian, C order."""
    sha = hashlib.sha256()
    for weight in network.weights:
        sha.update(np.ascontiguousarray(weight.numpy(), "<f4").tobytes())
    return sha.hexdigest()


def save(key: str, loaded: Loaded, folder: Path, output: str | None = None) -> list[str]:
    """Write model.json, the weights file, and code.py where the network has layers of the user's own.

    output: the name of the layer whose output is the answer, if need be. Returns what should be said: the notes, and
    which of several outputs was taken. Raises InputError, before anything is written, for a network that can't be
    shown.
    """
    network = loaded.network
    try:
        traced = graph.trace(network, loaded.input_shape)
        if traced.calls:  # which every stage after this one computes
            largest = max(traced.calls, key=lambda call: graph.numbers(call.output))
            selection.check_output(largest.name, graph.numbers(largest.output), loaded.input_shape, 1)
        found_inside = rescaling.inside(traced)
    except InputError as error:
        raise InputError(f"models.{key}: {error}") from error
    if not traced.convs:
        raise InputError(f"models.{key}: has no layer that convolves images: {_contents(traced)}")
    spelled: dict[str, str] = {}
    for name in traced.convs:
        if (other := spelled.setdefault(name.lower(), name)) != name:
            raise InputError(f"models.{key}: its layers {other!r} and {name!r} would share files; rename one of them")
    where = f"params.yaml: models.{key}"
    found = head.find(traced, loaded.class_names, output, where, f"models.{key}.output")
    unused = f"class_names are not used: {found.why}" if loaded.class_names and not found.names else None
    doubled = rescaling.note(found_inside, loaded.preprocessing)
    notes = [*loaded.notes, *filter(None, (doubled, unused)), *traced.notes]
    network.save_weights(folder / WEIGHTS)
    if loaded.code is not None:
        (folder / CODE).write_text(loaded.code, encoding="utf-8")
    with h5py.File(folder / WEIGHTS) as file:
        keys = _keys_by_content(file)
    origins = sources(traced)
    convs = [
        describe(conv, keys) | {"sources": origins[name]} | _titled(conv.layer.name, loaded)
        for name, conv in traced.convs.items()
    ]
    described = {
        "name": key,
        "title": loaded.title,
        "origin": loaded.origin,
        "license": loaded.license,
        "trained_on": loaded.trained_on,
        "source": loaded.source,
        "digest": digest(network),
        "input_shape": list(loaded.input_shape),
        "preprocessing": loaded.preprocessing,
        "parameters": int(network.count_params()),
        "class_names": loaded.class_names,
        "head": found.described(),
        "output_names": traced.output_names,
        "layers": traced.layers,
        "conv_layers": convs,
        "notes": notes,
        **({"bands": loaded.bands} if loaded.bands else {}),
        **({"code": own_code.sha256(loaded.code)} if loaded.code is not None else {}),
        **({"checkpoints": loaded.checkpoints, "noise": NOISE} if loaded.checkpoints else {}),
        "config": json.loads(network.to_json()),
    }
    write_json(folder / "model.json", described | {"fingerprint": fingerprint(described)})
    return notes if len(traced.outputs) == 1 or output else [*notes, f"its answer: {found.why}"]


def _titled(name: str, loaded: Loaded) -> dict[str, str]:
    return {"title": loaded.titles[name]} if name in loaded.titles else {}


def _keys_by_content(file: h5py.File) -> dict[str, str]:
    """Map the SHA-256 of each data set's content to its key, since Keras's key names follow no public rule."""
    keys: dict[str, str] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape:
            keys.setdefault(content(item[()]), name)

    file.visititems(visit)
    return keys


def _contents(traced: graph.Graph) -> str:
    """What a network has instead: kinds of layers, the commonest first."""
    kinds = Counter(entry["type"] for entry in traced.layers)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(6)) or "no layers"


def content(array: np.ndarray) -> str:
    """SHA-256 of an array's shape and float32 content."""
    return hashlib.sha256(repr(array.shape).encode() + np.ascontiguousarray(array, "<f4").tobytes()).hexdigest()


def describe(conv: graph.Conv, keys: dict[str, str]) -> dict[str, Any]:
    """A conv layer as model.json lists it; `keys` maps content() of an array to its key in the weights file."""
    layer, seen = conv.layer, receptive_field.field(conv.output)
    local = seen if seen.size else receptive_field.field(conv.output, local=True)
    if isinstance(layer, keras.layers.SeparableConv2D):
        kernel: Any = [keys[content(k.numpy())] for k in (layer.depthwise_kernel, layer.pointwise_kernel)]
    else:
        kernel = keys[content(layer.kernel.numpy())]
    return {
        "name": conv.name,
        "type": type(layer).__name__,
        "kernel_shape": list(conv.kernel_shape),
        "filters": conv.filters,
        "strides": list(layer.strides),
        "padding": layer.padding,
        "dilation": list(layer.dilation_rate),
        "activation": graph.activation_of(layer),
        "input_shape": list(conv.input.shape[1:]),
        "output_shape": list(conv.output.shape[1:]),
        "depthwise": isinstance(layer, keras.layers.DepthwiseConv2D),
        "transposed": conv.transposed,
        "receptive_field": seen.size,
        "local_field": local.size,
        "jump": seen.jump,
        "kernel_key": kernel,
        "bias_key": keys[content(layer.bias.numpy())] if layer.use_bias else None,
        "unit": [call.name for call in (conv.norm, conv.nonlinearity) if call],
    }


def load(folder: Path) -> tuple[keras.Model, dict[str, Any]]:
    """Load a stored model; return the network and model.json."""
    described = read_json(folder / "model.json")
    own = _own(folder, described) if "code" in described else {}
    with warnings.catch_warnings(), keras.saving.custom_object_scope({**OWN, **own}):
        warnings.filterwarnings("ignore", "Do not pass an `input_shape`")  # older models say so; nothing to be done
        network = keras.saving.deserialize_keras_object(described["config"], safe_mode=True)
    network.load_weights(folder / WEIGHTS)
    network.trainable = False
    return network, described


def _own(folder: Path, described: dict[str, Any]) -> dict[str, Any]:
    """Run the stored model's code.py, which is the file that params.yaml named when it was stored."""
    text = own_code.read(folder / CODE, described["name"])
    if own_code.sha256(text) != described["code"]:
        raise InputError(f"{folder / CODE}: is not what the model was stored with; run `dvc repro models` again")
    return own_code.run(text, str(folder / CODE), described["name"])
