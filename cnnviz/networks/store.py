"""Keras models as cnnviz stores them, loads them again and feeds them.

A stored model is `model.json` (architecture, provenance, conv layers) and `weights.weights.h5`; see docs/artifacts.md.
"""

import hashlib
import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from cnnviz.errors import InputError
from cnnviz.files import read_json, write_json
from cnnviz.networks import graph
from cnnviz.networks.files import OWN, own_code

WEIGHTS, CODE = "weights.weights.h5", "code.py"


@dataclass
class Loaded:
    """A Keras model with what is known of it; `preprocessing` as in model.json."""

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


def digest(network: keras.Model) -> str:
    """SHA-256 over all weights in Keras's order, float32, little-endian, C order."""
    sha = hashlib.sha256()
    for weight in network.weights:
        sha.update(np.ascontiguousarray(weight.numpy(), "<f4").tobytes())
    return sha.hexdigest()


def save(key: str, loaded: Loaded, folder: Path) -> None:
    """Write model.json, the weights file, and code.py where the network has layers of the user's own."""
    network = loaded.network
    try:
        traced = graph.trace(network, loaded.input_shape)
    except InputError as error:
        raise InputError(f"models.{key}: {error}") from error
    if not traced.convs:
        raise InputError(f"models.{key}: has no convolutional layer")
    network.save_weights(folder / WEIGHTS)
    if loaded.code is not None:
        (folder / CODE).write_text(loaded.code, encoding="utf-8")
    with h5py.File(folder / WEIGHTS) as file:
        keys = _keys_by_content(file)
    write_json(
        folder / "model.json",
        {
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
            "layers": traced.layers,
            "conv_layers": [
                graph.describe(conv, keys) | _titled(conv.layer.name, loaded) for conv in traced.convs.values()
            ],
            "notes": loaded.notes,
            **({"bands": loaded.bands} if loaded.bands else {}),
            **({"code": own_code.sha256(loaded.code)} if loaded.code is not None else {}),
            "config": json.loads(network.to_json()),
        },
    )


def _titled(name: str, loaded: Loaded) -> dict[str, str]:
    return {"title": loaded.titles[name]} if name in loaded.titles else {}


def _keys_by_content(file: h5py.File) -> dict[str, str]:
    """Map the SHA-256 of each data set's content to its key, since Keras's key names follow no public rule."""
    keys: dict[str, str] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape:
            keys.setdefault(graph.content(item[()]), name)

    file.visititems(visit)
    return keys


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
