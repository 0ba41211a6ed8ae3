"""The weights of one network at several moments, of each only what changed: files `<folder>/<name>.npz`.

A file holds arrays by the paths that they have in Keras's weights file, and `about`, a JSON text that says when this
was, and for every array of the network in which file it stands. So none is ever changed, and each is enough by itself,
with those that it names.
"""

import hashlib
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError, quoted, reason
from cnnviz.files import npz, write_bytes

# In the place of a network's digest: the noise that a filter's picture grows from is the same at every checkpoint, and
# in all series, so that pictures differ by what the network learned alone; it hangs on a filter's number, not on the
# name of its layer, which Keras counts on from one training of a process to the next
NOISE = "series"
ABOUT = "about"
SKIPPED = "optimizer"  # the group of a weights file that is no part of the network
BOMB, EXPANSION = 1 << 28, 100  # bytes that a member may unpack to, or so many times what is stored
FILE = re.compile(r"[\w-]{1,100}\.npz", re.ASCII)
LARGEST = 2**53
# What zipfile, NumPy and JSON of any content raise
ODD = (
    *(OSError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, EOFError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
Arrays = Mapping[str, NDArray]


@dataclass(frozen=True)
class Moment:
    """One state of a network. epoch, step: so many were done by then, None where unknown; logs: what Keras measured.

    stands: of every array the name of the file in which it is, and its SHA-256. more: what else is known.
    """

    epoch: int | None = None
    step: int | None = None
    logs: dict[str, float | None] = field(default_factory=dict)
    stands: dict[str, tuple[str, str]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """What `state` gives for its arrays."""
        return _one(digest for _, digest in self.stands.values())

    @property
    def files(self) -> set[str]:
        """In which its arrays are."""
        return {file for file, _ in self.stands.values()}


def from_weights(path: Path) -> dict[str, NDArray]:
    """All arrays of a `.weights.h5` file of Keras that a network computes with, by their paths in it."""
    found: dict[str, NDArray] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not idle(name, item):
            found[name] = np.asarray(item[()])

    with h5py.File(path) as file:
        file.visititems(visit)  # it follows no link out of the file
    return found


def idle(name: str, array: Any) -> bool:
    """Whether what a weights file holds is no part of the network: an optimizer's, or where a random generator is."""
    generator = name.endswith("vars/0") and tuple(array.shape) == (2,) and array.dtype.kind == "u"
    return generator or name.split("/")[0] == SKIPPED


def state(arrays: Iterable[NDArray]) -> str:
    """One digest of all weights, in whatever order they come."""
    return _one(map(_digest, arrays))


def _one(digests: Iterable[str]) -> str:
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


def _digest(array: NDArray) -> str:
    """SHA-256 of type, shape and bytes."""
    found = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def keep(folder: Path, name: str, arrays: Arrays, before: Moment | None, moment: Moment) -> Moment:
    """Write `<folder>/<name>.npz`, whole or not at all: what `before`, an earlier state of this folder, has not.

    moment: all but `stands`, which is returned with it.
    """
    file, known = f"{name}.npz", before.stands if before else {}
    now = {key: _digest(array) for key, array in arrays.items()}
    stands = {key: known[key] if known.get(key, ("", ""))[1] == now[key] else (file, now[key]) for key in arrays}
    whole = Moment(moment.epoch, moment.step, moment.logs, stands, moment.more)
    about = json.dumps(asdict(whole), allow_nan=False)
    changed = {key: arrays[key] for key, (of, _) in stands.items() if of == file}
    write_bytes(folder / file, npz.pack({ABOUT: np.array(about), **changed}))
    return whole


def read_moment(path: Path, thorough: bool = False) -> Moment:
    """What a file says of its state. Raises InputError, naming the file, where it is none or damaged, or gone.

    thorough: all of it is read, so that a damage anywhere is found.
    """
    with _whole(path, "it was there a moment ago"):
        _check(path, thorough)
        with npz.opened(path) as stored:
            found = json.loads(str(stored[ABOUT][()]))
        stands = {str(key): (str(of), str(digest)) for key, (of, digest) in found["stands"].items()}
        if not all(FILE.fullmatch(of) for of, _ in stands.values()):
            raise ValueError("it names files elsewhere")
        logs = {str(key): finite(value) for key, value in found["logs"].items()}
        return Moment(count(found["epoch"]), count(found["step"]), logs, stands, dict(found["more"]))


def read_arrays(folder: Path, moment: Moment, name: str) -> dict[str, NDArray]:
    """All arrays of a state. name: of its file, for errors. Raises InputError where one is gone, damaged or another."""
    found: dict[str, NDArray] = {}
    for file in dict.fromkeys(of for of, _ in moment.stands.values()):
        path = folder / file
        with _whole(path, f"{name} needs it"):
            _check(path)
            with npz.opened(path) as stored:
                for key, (of, digest) in moment.stands.items():
                    if of == file:
                        found[key] = stored[key]
                        if _digest(found[key]) != digest:
                            raise ValueError(f"{quoted(key)} is not what {name} was kept with")
    return found


@contextmanager
def _whole(path: Path, why: str) -> Iterator[None]:
    """What goes wrong inside is that the file is gone or damaged, in a line. why: what it is missed for."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: not found, {why}; put it back, or copy the folder again") from None
    except InputError as error:
        raise InputError(_damaged(path, str(error).removeprefix(f"{path}: ").split(";")[0])) from None
    except KeyError as missing:
        raise InputError(_damaged(path, f"it has no {quoted(missing.args[0])}")) from None
    except ODD as error:
        raise InputError(_damaged(path, reason(error, 160))) from None


def count(value: Any) -> int | None:
    """Of epochs or steps, None where unknown. Raises ValueError for what counts no epochs or steps."""
    if value is not None and (type(value) is not int or not 0 <= value < LARGEST):
        raise ValueError("its epoch or step is no number of them")
    return value


def finite(value: Any) -> float | None:
    """A number; None for what is none."""
    return float(value) if value is not None and isfinite(value) else None


def _check(path: Path, thorough: bool = False) -> None:
    """Raises ValueError for what is no archive, or one that unpacks to far more than it has room for."""
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("no npz archive, corrupt or cut off?")
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.file_size > max(BOMB, EXPANSION * member.compress_size):
                    raise ValueError(f"{quoted(member.filename)} unpacks to {member.file_size >> 20:,} MB")
            if thorough and (bad := archive.testzip()):
                raise ValueError(f"{quoted(bad)} is damaged")


def _damaged(path: Path, why: str) -> str:
    return f"{path}: is no whole checkpoint ({why}); copy it again, or remove it"
