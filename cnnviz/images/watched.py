"""What is wrong with files before DVC starts, which stops at it with a line that names no remedy."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cnnviz.images.listing import LEFT, leads_nowhere, missing, said

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
    """A line for each file below a folder that DVC stops at: its path is not UTF-8, it is a link to nothing, a pipe."""
    for above, inner, files in os.walk(folder):
        inner[:] = sorted(name for name in inner if not _ignored(name))
        for path in (Path(above, name) for name in inner):
            if path.is_symlink() and Path(above).resolve().is_relative_to(path.resolve()):
                yield f"{said(path)}: a link to a folder that it lies in, in which DVC would walk for ever; remove it"
        for name in sorted(name for name in files if not _ignored(name)):
            path = Path(above, name)
            if not _is_text(str(path)):
                yield f"{os.fsencode(path)!r}: a name that is not UTF-8, which DVC can't read; rename it"
            elif path.is_symlink() and leads_nowhere(path):
                yield f"{said(path)}: a link to {said(path.readlink())}, which is not there; remove the link"
            elif not path.is_file():
                yield f"{said(path)}: a pipe or device, at which DVC would wait for ever; remove it"


def _ignored(name: str) -> bool:
    return name[0] == "." or name in LEFT


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
