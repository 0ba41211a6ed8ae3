"""Which files a series of checkpoints is, in which order: the folder of a watched training, or files by a pattern."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from glob import glob
from itertools import count
from os.path import commonpath
from pathlib import Path

import h5py

from cnnviz.errors import InputError
from cnnviz.networks.files import recognise
from cnnviz.networks.series.kept import Moment, read_moment

NETWORK = "network.keras"  # of a watched training: the architecture, and the weights that it began with
KEPT = re.compile(r"(\d+)-(\d+)\.npz")  # epochs and steps that were done
ASIDE = "set-aside"  # begins the names of folders in one of these, in which none looks for checkpoints
WEIGHTS = ".weights.h5"
WHOLE = "a .keras file of the same network, such as any whole checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """A file of a series. architecture: the .keras file whose weights it replaces, None where it is a whole model.

    moment: what is known of when it was; of a watched training where its arrays stand, too. folder: in which it is,
    where files of other folders have its name.
    """

    path: Path
    architecture: Path | None = None
    moment: Moment = field(default_factory=Moment)
    folder: str = ""

    @property
    def name(self) -> str:
        """What it is called where there is no room for its path."""
        stem = self.path.name.removesuffix(WEIGHTS) if self.path.name.endswith(WEIGHTS) else self.path.stem
        return f"{self.folder}-{stem}" if self.folder else stem


def natural(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts numbers in names by what they are: epoch_2 before epoch_10."""
    parts = re.split(r"(\d+)", path.as_posix())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts], path.as_posix()


def find(pattern: str, architecture: str | None, where: str) -> list[Checkpoint]:
    """The checkpoints of a series, the earliest first: `models.<m>.checkpoints` and `.architecture` of params.yaml.

    where: what an error begins with. Raises InputError, naming the file, where there is none, and for one that can't
    be a checkpoint, as far as names and headers tell.
    """
    folder = Path(pattern)
    if folder.is_dir():
        if architecture:
            raise InputError(f"{where}: {pattern!r} is a folder with its own {NETWORK}; leave out `architecture`")
        found = kept_in(folder, where)
        if not found:
            raise InputError(f"{where}: {pattern!r} has no checkpoint yet; train with cnnviz.FilterWatch({pattern!r})")
        return found
    paths = sorted(_matching(pattern), key=natural)
    if not paths:
        kind = "no such folder, and no file of that name" if not re.search(r"[*?[]", pattern) else "no file matches"
        raise InputError(f"{where}: {pattern!r}: {kind}; expected a folder of cnnviz.FilterWatch, or *.keras files")
    if architecture:
        recognise(Path(architecture), f"{where} (architecture)")
    found = [_one(path, architecture, where) for path in paths]
    if len({one.name for one in found}) == len(found):
        return found
    top = commonpath([path.parent for path in paths])
    return [replace(one, folder="-".join(one.path.parent.relative_to(top).parts)) for one in found]


def _matching(pattern: str) -> list[Path]:
    """Files and folders, but for hidden ones."""
    found = map(Path, glob(pattern, recursive=True))  # noqa: PTH207 (of any folder)
    return [path for path in found if not path.name.startswith(".")]


def _one(path: Path, architecture: str | None, where: str) -> Checkpoint:
    folder = path.parent
    if (
        (path.name == NETWORK or KEPT.fullmatch(path.name))
        and (folder / NETWORK).is_file()
        and files_of(str(folder))[1:]
    ):
        raise InputError(f"{where}: {str(path)!r} is of a watched training; give its folder: {folder.as_posix()}")
    if not path.name.endswith(WEIGHTS):
        recognise(path, where)
        return Checkpoint(path)
    if not path.is_file() or not path.stat().st_size or not h5py.is_hdf5(path):
        raise InputError(f"{where}: {str(path)!r} is no whole HDF5 file (corrupt or cut off?); copy it again")
    if architecture is None:
        raise InputError(f"{where}: {str(path)!r} is weights alone; say once `architecture: …`, {WHOLE}")
    return Checkpoint(path, Path(architecture))


def kept_in(folder: Path, where: str) -> list[Checkpoint]:
    """The checkpoints in the folder of a watched training, the earliest first; none where it has none.

    Raises InputError where it is no such folder, and for a damaged file.
    """
    network = folder / NETWORK
    if not network.is_file():
        raise InputError(
            f"{where}: {str(folder)!r} has no {NETWORK}, as cnnviz.FilterWatch writes it; "
            f"of other files give a pattern: {folder.as_posix()}/*.keras"
        )
    recognise(network, where)
    named = [(match, path) for path in folder.iterdir() if (match := KEPT.fullmatch(path.name)) and path.is_file()]
    ordered = sorted(named, key=lambda one: (int(one[0][1]), int(one[0][2])))
    try:
        found = [Checkpoint(path, network, read_moment(path)) for _, path in ordered]
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    for one in found:
        if one.path.stem != (kept := f"{one.moment.epoch}-{one.moment.step}"):
            raise InputError(f"{where}: {str(one.path)!r} was kept as {kept}.npz; give its name back, or remove it")
    return found


def files_of(pattern: str, architecture: str | None = None) -> list[Path]:
    """All files that a series is made of, whether or not they are right."""
    folder = Path(pattern)
    if folder.is_dir():
        return [path for path in folder.iterdir() if path.name == NETWORK or KEPT.fullmatch(path.name)]
    return [*_matching(pattern), *([Path(architecture)] if architecture else [])]


def set_aside(folder: Path, files: Sequence[Path]) -> Path | None:
    """Move files into a folder in this one where none looks for checkpoints. Returns it; None where there are none."""
    if not files:
        return None
    place = next(one for number in count(1) if not (one := folder / f"{ASIDE}-{number}").exists())
    place.mkdir()
    for file in files:
        file.replace(place / file.name)
    return place
