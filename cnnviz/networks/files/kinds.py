"""What a model file is, and the line with the remedy where it is none that Keras can read (no TensorFlow)."""

import os
import zipfile
from pathlib import Path
from typing import IO

import h5py

from cnnviz.errors import InputError, shortened
from cnnviz.files import lfs_pointer

SUFFIXES = (".keras", ".h5", ".hdf5")
SAVE = "load it where it was made and save it with model.save('name.keras')"
FOREIGN = {
    ".pb": f"a TensorFlow graph; {SAVE}",
    ".tflite": f"a TensorFlow Lite model, which can't be turned back; take the Keras model it was made from and {SAVE}",
    ".onnx": f"an ONNX model; {SAVE} from Keras",
    ".pt": "a PyTorch model; cnnviz reads Keras models",
    ".pth": "a PyTorch model; cnnviz reads Keras models",
    ".pkl": f"a pickle, which can run code when it is read; {SAVE}",
    ".joblib": f"a pickle, which can run code when it is read; {SAVE}",
    ".json": f"an architecture without weights; {SAVE}",
    ".ckpt": f"a TensorFlow checkpoint, weights without architecture; {SAVE}",
    ".weights": f"weights without architecture; {SAVE}",
}
WEIGHTS = ("model.weights.h5", "model.weights.npz")  # of a .keras archive, one of both
FLOAT = 4  # bytes of a number
BOMB, EXPANSION = 1 << 28, 100  # bytes that a member of an archive may have, or so many times what is stored
CONFIGURATION = 1 << 24  # bytes of a configuration; the largest network of keras.applications has 2 MB


def wrong_suffix(path: str) -> str | None:
    """What a path can't be by its name, with the remedy; None for a model file's."""
    suffix = Path(path).suffix.lower()
    if suffix in SUFFIXES and not path.endswith(".weights.h5"):
        return None
    if path.endswith(".weights.h5"):
        return f"weights without architecture; {SAVE}"
    return FOREIGN.get(suffix, f"no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file; {SAVE}")


def recognise(path: Path, where: str) -> str:
    """`keras` or `hdf5`, by name and content. Raises InputError with the remedy for anything else."""
    if path.is_dir():
        reason = _folder(path)
    elif not path.is_file():
        there = "is a pipe or device, or a link to nothing" if os.path.lexists(path) else "not found"
        raise InputError(f"{where}: model file {str(path)!r} {there}")
    elif (kind := wrong_suffix(path.name)) is not None:
        reason = f"is {kind}"
    else:
        try:
            reason = _archive(path) if path.suffix.lower() == ".keras" else _hdf5(path)
        except Exception as error:  # h5py and zipfile raise almost anything for a damaged file
            reason = f"is damaged ({shortened(' '.join(str(error).split()), 120)}); copy it again"
    if reason:
        raise InputError(f"{where}: {str(path)!r} {reason}")
    return "keras" if path.suffix.lower() == ".keras" else "hdf5"


def _folder(path: Path) -> str:
    if (path / "saved_model.pb").is_file():
        return f"is the folder of a SavedModel; {SAVE}"
    if (path / "config.json").is_file():
        return "is an unpacked .keras file; pack what is in that folder again: zip -0 -r ../packed.keras ."
    return "is a folder; expected a model file"


def _common(path: Path) -> str:
    if not path.stat().st_size:
        return "is empty; copy it again"
    pointer = lfs_pointer(path)
    return f"is {pointer}" if pointer else ""


def _archive(path: Path) -> str:
    if reason := _common(path):
        return reason
    if h5py.is_hdf5(path):
        return f"is an HDF5 file by its content; rename it to {path.stem}.h5"
    if not zipfile.is_zipfile(path):
        return "is no Keras archive (not a zip file; corrupt or cut off?); copy it again"
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
        if "config.json" not in members:
            inner = next((name for name in members if name.endswith("/config.json")), None)
            hint = f"its members lie in the folder {Path(inner).parent}: pack them without it" if inner else SAVE
            return f"is a zip file without a network's config.json; {hint}"
        for member in archive.infolist():
            if member.filename.endswith(".json") and member.file_size > CONFIGURATION:
                return f"holds {member.filename!r} of {member.file_size >> 20} MB; {_at_most()}"
            if member.file_size > max(BOMB, EXPANSION * member.compress_size):
                return (
                    f"holds {member.filename!r}, which unpacks to {member.file_size >> 20} MB; that is no weights file"
                )
            if member.flag_bits & 1:
                return "is encrypted; pack it again without a password"
        weights = next((name for name in WEIGHTS if name in members), None)
        if weights is None:
            return f"can't be loaded: it has no weights (cut off?); {SAVE}"
        with archive.open(weights) as stream, _opened(stream, weights):  # an empty or cut one is none
            return ""


def _at_most() -> str:
    return f"no network needs more than {CONFIGURATION >> 20} MB there"


def numbers(path: Path, kind: str) -> int:
    """How many numbers the weights in a recognised file are, as its headers say.

    Raises ValueError where they are far more than the file has room for: it would fill the memory.
    """
    if kind == "hdf5":
        with h5py.File(path) as file:
            return _plausible(_bytes_in(file), path.stat().st_size) // FLOAT
    with zipfile.ZipFile(path) as archive:
        weights = next(name for name in WEIGHTS if name in archive.namelist())
        size = archive.getinfo(weights).file_size
        with archive.open(weights) as stream, _opened(stream, weights) as file:
            if isinstance(file, zipfile.ZipFile):
                return _plausible(sum(member.file_size for member in file.infolist()), size) // FLOAT
            return _plausible(_bytes_in(file), size) // FLOAT


def _opened(stream: IO[bytes], name: str) -> zipfile.ZipFile | h5py.File:
    """The weights in an archive."""
    return zipfile.ZipFile(stream) if name.endswith(".npz") else h5py.File(stream)


def _bytes_in(file: h5py.File) -> int:
    """Of all data sets, each number counted as FLOAT bytes."""
    found = 0

    def visit(_: str, item: object) -> None:
        nonlocal found
        if isinstance(item, h5py.Dataset) and item.size:
            found += item.size * FLOAT

    file.visititems(visit)
    return found


def _plausible(unpacked: int, stored: int) -> int:
    if unpacked > max(BOMB, EXPANSION * stored):
        raise ValueError(
            f"its weights unpack to {unpacked >> 20:,} MB, out of {max(1, stored >> 20)} MB; those are no weights"
        )
    return unpacked


def _hdf5(path: Path) -> str:
    if reason := _common(path):
        return reason
    if not h5py.is_hdf5(path):
        if zipfile.is_zipfile(path):
            return f"is a .keras archive by its content; rename it to {path.stem}.keras"
        return "is no HDF5 file (corrupt or cut off?); copy it again"
    with h5py.File(path) as file:
        if "model_config" not in file.attrs:
            weights = "layer_names" in file.attrs or "layers" in file or "_layer_checkpoint_dependencies" in file
            return f"has weights without architecture; {SAVE}" if weights else f"holds no Keras model; {SAVE}"
        return "" if "model_weights" in file else f"holds an architecture without weights; {SAVE}"
