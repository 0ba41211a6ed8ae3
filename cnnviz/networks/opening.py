"""Models that a user names: a Keras model itself, a file of one's own, a stored model.

Nothing that a file carries is run.
"""

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras

from cnnviz.errors import InputError, choices
from cnnviz.files import ARTIFACTS, drop_retracing
from cnnviz.networks.store import load

SAFE_NAME = re.compile(r"[\w+-][\w+\-. ]{0,119}")  # layers give their names to files
TAKEN = ("objectives", "per_image")  # files of our own beside those of the layers
SUFFIXES = (".keras", ".h5")


def opened(model: Any, artifacts: Path = ARTIFACTS) -> tuple[keras.Model, str, dict[str, Any]]:
    """A Keras model, what it is called, and its model.json (empty where it is no stored model).

    model: a Keras model, a `.keras` or `.h5` file, or the key of a model in `<artifacts>/models/`. Raises InputError
    for anything else.
    """
    drop_retracing()  # whoever calls this will look at the model, from a notebook again and again
    if isinstance(model, keras.Model):
        return model, model.name, {}
    if not isinstance(model, str | Path):
        raise InputError(
            f"model: {type(model).__name__} given; expected a Keras model, a .keras or .h5 file, "
            f"or the name of a model in {artifacts / 'models'}"
        )
    if Path(model).suffix in SUFFIXES:
        return load_file(Path(model), "model"), Path(model).name, {}
    known = sorted(path.parent.name for path in (artifacts / "models").glob("*/model.json"))
    if str(model) not in known:
        there = choices(str(model), known) if known else "run `dvc repro models` first"
        raise InputError(f"{model}: neither a .keras or .h5 file nor a model in {artifacts / 'models'}; {there}")
    network, described = load(artifacts / "models" / str(model))
    return network, str(model), described


def input_of(network: keras.Model, name: str) -> tuple[int | None, int | None, int]:
    """Height and width, None where it takes any, and channels. Raises InputError where it doesn't look at images."""
    shape = getattr(network, "input_shape", None)
    if shape is None:
        raise InputError(
            f"model: {name} has no input shape; expected a graph of layers: start with keras.Input((height, width, 3))"
        )
    if not isinstance(shape, tuple) or len(shape) != 4 or not isinstance(shape[3], int):
        raise InputError(f"model: {name} takes {shape}; expected one input of images (None, height, width, channels)")
    return shape[1], shape[2], shape[3]


def load_file(path: Path, where: str) -> keras.Model:
    """Load a .keras or .h5 file without running anything that it may carry."""
    if not path.is_file():
        raise InputError(f"{where}: model file {str(path)!r} not found")
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise InputError(f"{where}: {str(path)!r} is no Keras archive (not a zip file; corrupt or cut off?)")
    if path.suffix == ".h5" and not h5py.is_hdf5(path):
        raise InputError(f"{where}: {str(path)!r} is no HDF5 file (corrupt or cut off?)")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Do not pass an `input_shape`")  # older models say so; nothing to be done
            network = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises almost anything for a file that it can't read
        reason = " ".join(str(error).split())
        if "ambda" in reason:
            reason = "it has a Lambda layer, which carries code; replace it by a layer of Keras"
        elif "not registered" in reason or "Could not locate class" in reason or "Unknown layer" in reason:
            reason = f"it has a layer that Keras does not know: {reason[:160]}"
        raise InputError(f"{where}: {str(path)!r} can't be loaded: {reason[:300]}") from error
    for layer in network._flatten_layers():
        if not SAFE_NAME.fullmatch(layer.name) or layer.name in TAKEN:
            raise InputError(f"{where}: the layer name {layer.name!r} can't be a file name; rename the layer")
    return network
