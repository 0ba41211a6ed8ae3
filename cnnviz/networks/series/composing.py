"""A checkpoint as a model file: the weights that it has in the place of those of its architecture's file."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError, quoted, reason
from cnnviz.networks.series.kept import from_weights, idle, read_arrays
from cnnviz.networks.series.listing import Checkpoint

INSIDE = "model.weights.h5"  # of a .keras file
TEXTS = ("config.json", "metadata.json")


@contextmanager
def whole(checkpoint: Checkpoint, where: str) -> Iterator[Path]:
    """Inside, a model file with what the checkpoint holds. Raises InputError, naming its file, where it can't be had.

    That is: where it, or a file that it needs, is gone or damaged, or its weights are those of another network.
    """
    if checkpoint.architecture is None:
        if not checkpoint.path.is_file():
            raise InputError(f"{where}: {str(checkpoint.path)!r} is not there any more; put it back, or leave it out")
        yield checkpoint.path
        return
    with tempfile.TemporaryDirectory() as folder:
        arrays = _arrays(checkpoint, where)
        weights, model = Path(folder) / INSIDE, Path(folder) / "checkpoint.keras"
        try:
            with zipfile.ZipFile(checkpoint.architecture) as source, zipfile.ZipFile(model, "w") as target:
                if INSIDE not in source.namelist():
                    raise InputError(f"{where}: {str(checkpoint.architecture)!r} has no {INSIDE}; save it by Keras 3")
                with source.open(INSIDE) as stream, weights.open("wb") as copy:
                    shutil.copyfileobj(stream, copy)
                replace(weights, arrays, f"{where}: {str(checkpoint.path)!r}", str(checkpoint.architecture))
                for text in (one for one in TEXTS if one in source.namelist()):
                    target.writestr(text, source.read(text))
                target.write(weights, INSIDE)
        except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
            raise InputError(f"{where}: {str(checkpoint.architecture)!r}: {reason(error, 120)}") from None
        try:
            yield model
        except InputError as error:  # which names a file that nobody has seen
            raise InputError(str(error).replace(repr(str(model)), repr(str(checkpoint.path)))) from None


def _arrays(checkpoint: Checkpoint, where: str) -> dict[str, NDArray]:
    path = checkpoint.path
    try:
        if checkpoint.moment.stands:
            return read_arrays(path.parent, checkpoint.moment, path.name)
        return from_weights(path)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"{where}: {str(path)!r} can't be read ({reason(error, 120)}); copy it again") from None


def replace(weights: Path, arrays: dict[str, NDArray], what: str, network: str = "the first checkpoint") -> None:
    """Put arrays into a weights file of Keras that has others of the same names and shapes.

    Raises InputError, beginning with `what`, where they have not: they are of another network.
    """
    with h5py.File(weights, "r+") as file:
        there: dict[str, tuple[int, ...]] = {}

        def visit(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset) and not idle(name, item):
                there[name] = tuple(item.shape)

        file.visititems(visit)
        arrays = {name: array for name, array in arrays.items() if not idle(name, array)}  # of an older file
        for name in sorted(set(there) ^ set(arrays)):
            has = "lacks" if name in there else "has also"
            raise InputError(f"{what} is of another architecture than {network}: it {has} {quoted(name)}; leave it out")
        for name, array in arrays.items():
            if there[name] != tuple(array.shape):
                raise InputError(
                    f"{what} is of another architecture than {network}: {name!r} has the shape "
                    f"{tuple(array.shape)} there, expected {there[name]}; leave it out"
                )
            file[name][...] = np.asarray(array)
