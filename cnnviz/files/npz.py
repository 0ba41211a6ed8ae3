"""npz archives with the same bytes for the same arrays.

NumPy's own writer asks zipfile for large-file headers, which Pythons write differently (even 3.11.2 and 3.11.7), and
with them DVC's digests would differ.
"""

import io
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError
from cnnviz.files.disk import writing

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that zip knows


def write(file: Path | IO[bytes], arrays: Mapping[str, NDArray], compress: bool = False) -> None:
    """Write arrays into a file that `numpy.load` reads, without a copy of any in memory. Objects are refused."""
    with writing(file) if isinstance(file, Path) else nullcontext(), zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with _member(archive, name, np.asarray(array).nbytes, compress) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


def pack(arrays: Mapping[str, NDArray], compress: bool = False) -> bytes:
    """Write arrays into bytes."""
    buffer = io.BytesIO()
    write(buffer, arrays, compress)
    return buffer.getvalue()


def add(archive: zipfile.ZipFile, name: str, npy: Path) -> None:
    """Add the array in a file of NumPy's npy format."""
    with _member(archive, name, npy.stat().st_size, False) as member, npy.open("rb") as file:
        shutil.copyfileobj(file, member, 2**20)


def read(path: Path) -> dict[str, NDArray]:
    """All arrays of a file, none where there is no file. Raises InputError where it is damaged."""
    try:
        return load(path)
    except FileNotFoundError:
        return {}


def load(path: Path) -> dict[str, NDArray]:
    """All arrays of a file. Raises as `opened` does."""
    with opened(path) as stored:
        return dict(stored)


@contextmanager
def opened(path: Path) -> Iterator["Archive"]:
    """A file's arrays, each read when it is asked for.

    Raises InputError, then or now, where the file is damaged, OSError where it can't be opened.
    """
    with path.open("rb") as file:
        yield Archive(path, file)


class Archive(Mapping[str, NDArray]):
    """Arrays by name."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        with self._whole():
            self._stored = np.load(file, allow_pickle=False)
            self._names = list(self._stored.files)

    def __getitem__(self, name: str) -> NDArray:
        if name not in self._names:
            raise KeyError(name)
        with self._whole():
            return np.asarray(self._stored[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a flipped bit makes zipfile, zlib and NumPy raise all kinds of them
            said = " ".join(str(error).split())[:200] or type(error).__name__
            raise InputError(f"{self._path}: damaged ({said}); remove it, then: make repro") from None


def _member(archive: zipfile.ZipFile, name: str, size: int, compress: bool) -> IO[bytes]:
    info = zipfile.ZipInfo(f"{name}.npy", EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    info.file_size = size + 2**16  # with its header, an upper bound: large-file headers only where they are needed
    return archive.open(info, "w")
