"""The weights of one network at several moments, of each only what changed: files `<folder>/<name>.npz`.

A file holds arrays by the paths that they have in Keras's weights file, and `about`, a JSON text that says when this
was, and for every array of the network in which file it stands. So none is ever changed, and each is enough by itself,
with those that it names.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
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
# in all series, so that pictures differ by what the network learned alone
NOISE = "series"
ABOUT = "about"
SKIPPED = "optimizer"  # the group of a weights file that is no part of the network
BOMB, EXPANSION = 1 << 28, 100  # bytes that a member may unpack to, or so many times what is stored
FILE = re.compile(r"[\w-]{1,100}\.npz", re.ASCII)
LARGEST = 2**53
# What zipfile, NumPy and JSON of any content raise
ODD = (OSError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, zipfile.BadZipFile)
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
    def digests(self) -> dict[str, str]:
        """Of every array."""
        return {name: digest for name, (_, digest) in self.stands.items()}


def from_weights(path: Path) -> dict[str, NDArray]:
    """All arrays of a `.weights.h5` file of Keras, by their paths in it, but for what belongs to an optimizer."""
    found: dict[str, NDArray] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and name.split("/")[0] != SKIPPED:
            found[name] = np.asarray(item[()])

    with h5py.File(path) as file:
        file.visititems(visit)  # it follows no link out of the file
    return found


def digests(arrays: Arrays) -> dict[str, str]:
    """SHA-256 of each array's type, shape and bytes."""
    return {name: _digest(array) for name, array in arrays.items()}


def _digest(array: NDArray) -> str:
    head = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


def keep(folder: Path, name: str, arrays: Arrays, before: Moment | None, moment: Moment) -> Moment:
    """Write `<folder>/<name>.npz`, whole or not at all: what `before`, an earlier state of this folder, has not.

    moment: all but `stands`, which is returned with it.
    """
    file, now, known = f"{name}.npz", digests(arrays), before.stands if before else {}
    stands = {key: known[key] if known.get(key, ("", ""))[1] == now[key] else (file, now[key]) for key in arrays}
    whole = Moment(moment.epoch, moment.step, moment.logs, stands, moment.more)
    about = json.dumps(asdict(whole), allow_nan=False)
    changed = {key: arrays[key] for key, (of, _) in stands.items() if of == file}
    write_bytes(folder / file, npz.pack({ABOUT: np.array(about), **changed}))
    return whole


def read_moment(path: Path) -> Moment:
    """What a file says of its state. Raises InputError, naming the file, where it is none or damaged, or gone."""
    with _whole(path, "it was there a moment ago"):
        _check(path)
        with npz.opened(path) as stored:
            found = json.loads(str(stored[ABOUT][()]))
        stands = {str(key): (str(of), str(digest)) for key, (of, digest) in found["stands"].items()}
        if not all(FILE.fullmatch(of) for of, _ in stands.values()):
            raise ValueError("it names files elsewhere")
        logs = {str(key): _finite(value) for key, value in found["logs"].items()}
        return Moment(_count(found["epoch"]), _count(found["step"]), logs, stands, dict(found["more"]))


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
    except (
        OSError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        zipfile.BadZipFile,
    ) as error:
        raise InputError(_damaged(path, reason(error, 160))) from None


def _count(value: Any) -> int | None:
    """Raises ValueError for what counts no epochs or steps."""
    if value is not None and (type(value) is not int or not 0 <= value < LARGEST):
        raise ValueError("its epoch or step is no number of them")
    return value


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and isfinite(value) else None


def _check(path: Path) -> None:
    """Raises ValueError for what is no archive, or one that unpacks to far more than it has room for."""
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("no npz archive, corrupt or cut off?")
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.file_size > max(BOMB, EXPANSION * member.compress_size):
                    raise ValueError(f"{quoted(member.filename)} unpacks to {member.file_size >> 20:,} MB")


def _damaged(path: Path, why: str) -> str:
    return f"{path}: is no whole checkpoint ({why}); copy it again, or remove it"
