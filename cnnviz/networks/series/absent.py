"""What is said where a series has no files: what is there instead, what was expected, and what to do."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from cnnviz.networks.series.record import NETWORK

KINDS = (".keras", ".weights.h5", ".h5", ".hdf5")  # of files that can be checkpoints
MAGIC = re.compile(r"[*?[]")  # makes a name a pattern
EXPECTED = "expected a folder that cnnviz.FilterWatch wrote, or a pattern of model files"


def unwatched(folder: Path, states: int) -> str:
    """Of a folder without network.keras. states: how many files of a watched training it has for all that."""
    if states:
        return (
            f"{str(folder)!r} has {states} states of a watched training, but not their {NETWORK}; copy it there again, "
            "or go on training in the folder, which writes it"
        )
    if pattern := _pattern(folder):
        return f"{str(folder)!r} has no {NETWORK}, as cnnviz.FilterWatch writes it; of other files give {pattern}"
    return f"{str(folder)!r} {content(folder)}; {EXPECTED}; {_remedy(folder)}"


def unkept(folder: Path, missing: Sequence[str]) -> str:
    """Of a watched training's folder without checkpoints. missing: names of files that were there."""
    if missing:
        gone = f"{_listed(missing)} are not there any more"
        return f"{str(folder)!r} has no checkpoint, {gone}; copy the folder again, or go on training in it"
    return f"{str(folder)!r} has no checkpoint yet; train with cnnviz.FilterWatch({str(folder)!r})"


def unmatched(pattern: str, there: Path) -> str:
    """Of a pattern, or of a path that is not there. there: as much of it as is there as it is written."""
    what = f"{pattern!r}: " + ("no file matches" if MAGIC.search(pattern) else "there is no such folder or file")
    if not there.is_dir():
        return f"{what}, {str(there)!r} is a file; {EXPECTED}"
    what = f"{what}; {str(there)!r} {content(there)}; {EXPECTED}"
    if (there / NETWORK).is_file():
        return f"{what}; give {there.as_posix()}, which is of a watched training"
    return f"{what}; give {found}" if (found := _pattern(there)) else f"{what}; {_remedy(_plain(pattern))}"


def without(missing: Sequence[str]) -> str:
    """Of a series that has others."""
    return f"{_listed(missing)} {'are' if missing[1:] else 'is'} not there any more; the series goes on without"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def content(folder: Path) -> str:
    found = [f"{path.name}/" if path.is_dir() else path.name for path in _files(folder)]
    return f"has {_listed(found)}" if found else "is empty"


def _listed(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if names[most:] else ""
    return ", ".join(names[:most]) + more


def _pattern(folder: Path) -> str:
    """For the most of the model files in a folder, as they are called; empty where there are none."""
    kinds = [next((kind for kind in KINDS if path.name.endswith(kind)), "") for path in _files(folder)]
    if not (counted := Counter(kind for kind in kinds if kind)):
        return ""
    kind = counted.most_common(1)[0][0]
    more = ", and their `architecture`" if kind == ".weights.h5" else ""
    return f"a pattern: {folder.as_posix()}/*{kind}{more}"


def _plain(pattern: str) -> Path:
    """The folder that a pattern or path means, there or not."""
    folder = Path(*takewhile(lambda part: not MAGIC.search(part), Path(pattern).parts))
    return folder.parent if folder.suffix else folder


def _remedy(folder: Path) -> str:
    return f"train with cnnviz.FilterWatch({str(folder)!r}), or copy model files there: {folder.as_posix()}/*.keras"
