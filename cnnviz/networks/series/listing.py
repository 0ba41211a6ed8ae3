"""Which files a series of checkpoints is, in which order: the folder of a watched training, or files by a pattern."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from glob import escape, glob
from itertools import count, zip_longest
from os.path import commonpath, lexists
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
    """Files and folders, but for hidden ones. A name that is there as it is written is no pattern: `run[1]`."""
    there, parts = Path(), list(Path(pattern).parts)
    while parts and lexists(there / parts[0]):
        there /= parts.pop(0)
    found = map(Path, glob(str(Path(escape(str(there)), *parts)), recursive=True))  # noqa: PTH207 (of any folder)
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
    found, lost = whole_in(folder)
    for why in lost.values():
        raise InputError(f"{where}: {why}")
    return found


def whole_in(folder: Path, thorough: bool = False) -> tuple[list[Checkpoint], dict[Path, str]]:
    """The checkpoints that can be had, the earliest first; the files of the others with what is wrong with each.

    thorough: all bytes are read. Of two files of one state, which a kill can leave, the first one is no checkpoint.
    """
    named = [(match, path) for path in folder.iterdir() if (match := KEPT.fullmatch(path.name)) and path.is_file()]
    ordered = sorted(named, key=lambda one: (int(one[0][1]), int(one[0][2])))
    found: list[Checkpoint] = []
    lost: dict[Path, str] = {}
    for _, path in ordered:
        try:
            about = path.stat()
            moment = _read(path, (about.st_dev, about.st_ino, about.st_mtime_ns, about.st_size), thorough)
            if path.stem != (kept := f"{moment.epoch}-{moment.step}"):
                raise InputError(f"{str(path)!r} was kept as {kept}.npz; give its name back, or remove it")
        except (InputError, OSError) as error:
            if path.exists():  # a training that goes on may take one back
                lost[path] = str(error)
        else:
            found.append(Checkpoint(path, folder / NETWORK, moment))
    there = {one.path.name for one in found}
    for one in found:
        for of in sorted(one.moment.files - there):
            gone = f"{folder / of}: not found, {one.path.name} needs it; put it back, or copy the folder again"
            why = lost.get(folder / of, gone)
            lost.setdefault(one.path, why)
    found = [one for one in found if one.path not in lost]
    return [one for one, after in zip_longest(found, found[1:]) if not after or not _same(one, after)], lost


@lru_cache(4096)
def _read(path: Path, stamp: tuple[int, ...], thorough: bool) -> Moment:
    """What a file says, read once as long as its stamp is the same. Raises InputError where it is damaged."""
    return read_moment(path, thorough)


def _same(one: Checkpoint, other: Checkpoint) -> bool:
    return one.moment.step == other.moment.step and one.moment.state == other.moment.state


def files_of(pattern: str, architecture: str | None = None) -> list[Path]:
    """All files that a series is made of, whether or not they are right."""
    folder = Path(pattern)
    if folder.is_dir():
        return [path for path in folder.iterdir() if path.name == NETWORK or KEPT.fullmatch(path.name)]
    return [*_matching(pattern), *([Path(architecture)] if architecture else [])]


def place(path: Path) -> tuple[int, int] | None:
    """How many epochs and steps were done, as the name of a watched training's file says; None for others."""
    match = KEPT.fullmatch(path.name)
    return (int(match[1]), int(match[2])) if match else None


def set_aside(folder: Path, files: Sequence[Path]) -> Path | None:
    """Move files, one after the other, into a folder in this one where none looks for checkpoints.

    Returns it; None where there are no files.
    """
    if not files:
        return None
    aside = next(one for number in count(1) if not (one := folder / f"{ASIDE}-{number}").exists())
    aside.mkdir()
    for file in files:
        file.replace(aside / file.name)
    return aside
