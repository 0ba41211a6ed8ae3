"""Arrays that wait in a file until they are asked for, where memory has no room for all of them."""

import math
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.files.disk import LOCAL, writing


class Spool:
    """A file without a name, which is gone with the process, however it ends."""

    def __init__(self) -> None:
        self.folder = LOCAL if LOCAL.is_dir() else Path(tempfile.gettempdir())
        with writing(self.folder):
            self.file: IO[bytes] = tempfile.TemporaryFile(dir=self.folder, buffering=0)  # noqa: SIM115
        weakref.finalize(self, self.file.close)

    def append(self, rows: NDArray[Any]) -> int:
        """Where in the file they are now. Raises OSError with the folder's name where there is no room."""
        with writing(self.folder):
            start, left = self.file.seek(0, 2), np.ascontiguousarray(rows).data.cast("B")
            while left:
                left = left[self.file.write(left) :]
        return start

    def read(self, start: int, shape: tuple[int, ...], kind: np.dtype[Any]) -> NDArray[Any]:
        self.file.seek(start)
        return np.fromfile(self.file, kind, math.prod(shape)).reshape(shape)


@dataclass
class Rows:
    """Arrays of one kind, put behind one another along their first axis; in memory where there is no spool."""

    spool: Spool | None = None
    _held: list[NDArray[Any]] = field(default_factory=list)
    _places: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    _kind: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float64))

    def append(self, rows: NDArray[Any]) -> None:
        if self.spool is None:
            self._held.append(rows)
            return
        self._kind = rows.dtype
        self._places.append((self.spool.append(rows), rows.shape))

    def joined(self) -> NDArray[Any]:
        """All rows. Raises ValueError where there are none."""
        if self.spool is None:
            return np.concatenate(self._held)
        return np.concatenate([self.spool.read(*place, self._kind) for place in self._places])
