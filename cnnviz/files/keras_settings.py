"""Keras with its own defaults on TensorFlow, whatever the user has set for other projects.

`KERAS_BACKEND` and `keras.json` may say JAX, channels first or float16, and Keras heeds them while it is imported.
`KERAS_HOME`, where Keras keeps its downloads beside `keras.json`, stays the user's. With Keras comes TensorFlow:
what it may compute on is settled here, too.

While it is imported, Keras does not see what it would import for parts of it that nobody here uses: a quarter of the
time, in every stage.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from cnnviz.files import cards

OPTIONAL = ("sklearn", "matplotlib.pyplot", "IPython", "pandas")  # Keras does without where they are not installed


def use_defaults() -> None:
    """Set them for this process and those that it starts; costs nothing where Keras is never imported.

    Raises InputError, here or when Keras is imported, for a graphics card that is asked for and can't be used.
    """
    cards.settle()
    os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_NNX_ENABLED": "0"}
    for name in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):  # the latter cuts `predict` short
        os.environ.pop(name, None)
    if "keras" in sys.modules:
        _set(sys.modules["keras"])
    else:
        sys.meta_path.insert(0, _AfterImport())


def _set(keras: ModuleType) -> None:
    """What only `keras.json` sets, no environment variable."""
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    cards.check(sys.modules["tensorflow"])


class _AfterImport(MetaPathFinder):
    """Finds Keras where Python does, and lets `_set` follow the import."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def load_and_set(module: ModuleType) -> None:
            with _hidden(OPTIONAL):
                load(module)
            _set(module)

        spec.loader.exec_module = load_and_set  # type: ignore[method-assign]
        return spec


@contextmanager
def _hidden(names: Sequence[str]) -> Iterator[None]:
    """Modules that nobody has imported yet, out of the import's sight."""
    new = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(new))  # type: ignore[arg-type]  # None: as if it were not there
    try:
        yield
    finally:
        for name in new:
            del sys.modules[name]
