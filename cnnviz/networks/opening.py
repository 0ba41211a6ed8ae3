"""Models that a user names: a Keras model itself, a file of one's own, a stored model.

Nothing that a file carries is run.
"""

import warnings
from pathlib import Path
from typing import Any

import keras

from cnnviz.errors import InputError, choices
from cnnviz.files import ARTIFACTS, drop_retracing
from cnnviz.networks.files import SUFFIXES, Read, brought, read, recognise
from cnnviz.networks.store import load


def opened(model: Any, artifacts: Path = ARTIFACTS) -> tuple[keras.Model, str, dict[str, Any]]:
    """A Keras model, what it is called, and its model.json (empty where it is no stored model).

    model: a Keras model, a `.keras`, `.h5` or `.hdf5` file, or the key of a model in `<artifacts>/models/`. Raises
    InputError for anything else.
    """
    drop_retracing()  # whoever calls this will look at the model, from a notebook again and again
    if isinstance(model, keras.Model):
        found = brought(model)
        _warn(model.name, found)
        return found.network, model.name, {}
    if not isinstance(model, str | Path):
        raise InputError(
            f"model: {type(model).__name__} given; expected a Keras model, a .keras or .h5 file, "
            f"or the name of a model in {artifacts / 'models'}"
        )
    if Path(model).suffix.lower() in SUFFIXES:
        found = read(Path(model), "model")
        _warn(Path(model).name, found)
        return found.network, Path(model).name, {}
    known = sorted(path.parent.name for path in (artifacts / "models").glob("*/model.json"))
    if str(model) not in known:
        if Path(model).exists():  # which is no model of Keras: the line says what it is
            recognise(Path(model), "model")
        there = choices(str(model), known) if known else "run `dvc repro models` first"
        raise InputError(f"{model}: neither a .keras or .h5 file nor a model in {artifacts / 'models'}; {there}")
    network, described = load(artifacts / "models" / str(model))
    return network, str(model), described


def _warn(name: str, found: Read) -> None:
    for note in found.notes:  # on the pages of stored models they stand in the text
        warnings.warn(f"{name}: {note}", stacklevel=3)


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
