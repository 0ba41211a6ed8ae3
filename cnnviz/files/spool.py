"""Arrays that wait in a file until they are asked for, where memory has no room for all of them."""

import math
import tempfile
import weakref
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.files.disk import LOCAL


class Spool:
    """A file without a name, which is gone with the process, however it ends."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile(dir=LOCAL if LOCAL.is_dir() else None)  # noqa: SIM115
        weakref.finalize(self, self.file.close)


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
        self._places.append((self.spool.file.seek(0, 2), rows.shape))
        self.spool.file.write(np.ascontiguousarray(rows).data)

    def joined(self) -> NDArray[Any]:
        """All rows. Raises ValueError where there are none."""
        if self.spool is None:
            return np.concatenate(self._held)
        return np.concatenate([_read(self.spool.file, *place, self._kind) for place in self._places])


def _read(file: IO[bytes], start: int, shape: tuple[int, ...], kind: np.dtype[Any]) -> NDArray[Any]:
    file.seek(start)
    return np.frombuffer(file.read(kind.itemsize * math.prod(shape)), kind).reshape(shape)
