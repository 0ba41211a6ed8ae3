"""Layers of the user's own: a Python file that params.yaml names, and for no other reason is run."""

import hashlib
import inspect
import stat
import sys
import traceback
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
from keras.src.ops import core, image, math, nn, numpy

from cnnviz.errors import InputError
from cnnviz.networks.files.mending import Unreadable, class_of, layers_of
from cnnviz.networks.files.tensor_ops import CLASSES

LARGEST = 1_000_000  # bytes
MODULES = (numpy, nn, core, math, image)  # of Keras: where its operations are classes
NETWORKS = ("Functional", "Sequential")


def read(path: Path, where: str) -> str:
    """The text of the file. Raises InputError where there is none."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{where}: own layers {str(path)!r}: is no file")
        if path.stat().st_size > LARGEST:
            raise InputError(
                f"{where}: {str(path)!r} is larger than {LARGEST // 1000} KB; name the file with the layers"
            )
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "not found" if isinstance(error, FileNotFoundError) else " ".join(str(error).split())[:120]
        raise InputError(f"{where}: own layers {str(path)!r}: {reason}") from None


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def run(text: str, name: str, where: str) -> dict[str, Any]:
    """Run the file and return what a model may name: its classes and functions, and what it registers.

    name: the file's, for lines of errors. Raises InputError with the line of the file that fails.
    """
    module = types.ModuleType(f"cnnviz_own_{sha256(text)[:16]}")
    module.__file__ = name
    before = dict(keras.saving.get_custom_objects())
    sys.modules[module.__name__] = module  # dataclasses, pickling and inspection look there
    try:
        exec(compile(text, name, "exec"), vars(module))  # noqa: S102 (params.yaml names it for that)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        line = _line(error, name)
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{where}: {name}{line}: {reason}") from error
    registered = keras.saving.get_custom_objects()
    found = {key: value for key, value in registered.items() if before.get(key) is not value}
    for key, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__
        if own and not key.startswith("__") and (inspect.isclass(value) or inspect.isfunction(value)):
            found[key] = value
            label = keras.saving.get_registered_name(value)
            if label != key:
                found[label] = value
    return found


def _line(error: BaseException, name: str) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return f", line {lines[-1]}" if lines else ""


def of(model: keras.Model) -> dict[str, Any]:
    """Classes and activations of a model's layers that Keras does not have, by the names of configurations."""
    found: dict[str, Any] = {}
    for layer in model._flatten_layers():
        for one in (type(layer), getattr(layer, "activation", None), getattr(layer, "recurrent_activation", None)):
            name = getattr(one, "__name__", None)
            if name is not None and not str(getattr(one, "__module__", "")).startswith("keras."):
                found |= {name: one, keras.saving.get_registered_name(one): one}
    return found


def check(config: dict[str, Any], own: Mapping[str, Any]) -> None:
    """Raise Unreadable, with the key that helps, where layers or activations are the user's own and not given."""
    there = {**keras.saving.get_custom_objects(), **own}
    missing: dict[str, None] = {}
    for layer in layers_of(config):
        name, module = layer["class_name"], str(layer.get("module") or "")
        labels = {name, layer.get("registered_name") or name}
        known = class_of(layer) is not None or name in (*NETWORKS, *CLASSES)
        operation = module_of(layer) is not None or (module.startswith("keras.") and ".ops" in module)
        if not known and not operation and not labels & set(there):
            missing[f"the layer class {name.rsplit('>', 1)[-1]!r}"] = None
        for key in ("activation", "recurrent_activation"):
            value = layer["config"].get(key)
            label = value.get("config") if isinstance(value, dict) else value
            layer_like = isinstance(value, dict) and "layers" in str(value.get("module"))
            known = layer_like or not isinstance(label, str) or hasattr(keras.activations, label)
            if not known and label not in there:
                missing[f"the activation {label!r}"] = None
    if missing:
        raise Unreadable(
            f"it has {' and '.join(missing)}, which Keras does not know: name the Python file that defines it, "
            "`models.<m>.code` in params.yaml (in a notebook: keras.saving.register_keras_serializable)"
        )


def module_of(layer: dict[str, Any]) -> str | None:
    """Where Keras has the operation that a configuration means, which HDF5 files don't say; None for a layer.

    Add and others are operations and layers; only a layer's configuration says whether it is trained.
    """
    if not isinstance(layer["config"], dict) or "trainable" in layer["config"] or layer.get("registered_name"):
        return None
    found = (module for module in MODULES if isinstance(getattr(module, str(layer["class_name"]), None), type))
    return next((module.__name__ for module in found), None)
