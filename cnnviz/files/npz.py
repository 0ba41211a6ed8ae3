"""npz archives with the same bytes for the same arrays.

NumPy's own writer asks zipfile for large-file headers, which Pythons write differently (even 3.11.2 and 3.11.7), and
with them DVC's digests would differ.
"""

import io
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that zip knows


def write(file: Path | IO[bytes], arrays: Mapping[str, NDArray], compress: bool = False) -> None:
    """Write arrays into a file that `numpy.load` reads, without a copy of any in memory. Objects are refused."""
    with zipfile.ZipFile(file, "w") as archive:
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
    """All arrays of a file, none where there is no file."""
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def _member(archive: zipfile.ZipFile, name: str, size: int, compress: bool) -> IO[bytes]:
    info = zipfile.ZipInfo(f"{name}.npy", EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    info.file_size = size + 2**16  # with its header, an upper bound: large-file headers only where they are needed
    return archive.open(info, "w")
