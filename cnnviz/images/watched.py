"""What is wrong with files before DVC starts, which stops at it with a line that names no remedy."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cnnviz.images.listing import LEFT, missing, said

WATCHED = (Path("inputs/images"), Path("inputs/models"))  # of which DVC reads every file


def faults(sets: Iterable[tuple[str, str | None]], watched: Iterable[Path] = WATCHED) -> Iterator[str]:
    """A line for each folder of a set (its key, its folder) that is not there, and for each file that DVC can't read.

    Nothing but names is looked at.
    """
    for key, folder in sets:
        if folder is not None and (line := missing(Path(folder))):
            yield f"params.yaml: images.sets.{key}.folder: {line}"
    for place in watched:
        yield from unreadable_names(place)


def unreadable_names(folder: Path) -> Iterator[str]:
    """A line for each file below a folder whose path is not UTF-8 or that is a link to nothing, as DVC sees them."""
    for above, inner, files in os.walk(folder):
        inner[:] = sorted(name for name in inner if not _ignored(name))
        for name in sorted(name for name in files if not _ignored(name)):
            path = Path(above, name)
            if not _is_text(str(path)):
                yield f"{os.fsencode(path)!r}: a name that is not UTF-8, which DVC can't read; rename it"
            elif path.is_symlink() and not path.exists():
                yield f"{said(path)}: a link to {said(path.readlink())}, which is not there; remove the link"


def _ignored(name: str) -> bool:
    return name[0] == "." or name in LEFT


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
