"""The files of a folder of images: which count, in which order, and which class each belongs to."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cnnviz.errors import InputError, choices, shortened

PICTURES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".gif", ".bmp")
ARRAYS = (".npy", ".npz")
SUFFIXES = (*PICTURES, *ARRAYS)
# What file managers leave behind; hidden files and folders besides. `.dvcignore` names the same.
LONGEST = 200  # characters of a path that a line shows
LEFT = ("__MACOSX", "Thumbs.db", "desktop.ini")
# Parts of a data set, which are no classes, whatever the case of their letters
PARTS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}


@dataclass(frozen=True)
class Listing:
    """files: in the order of their paths; classes: sub-folders that hold images, sorted; of: each file's class, -1 in a
    flat folder; others: suffixes of files of other kinds, links to nothing and the like, and how many there are; notes:
    what was assumed."""

    files: list[Path]
    classes: list[str]
    of: list[int]
    others: Counter[str]
    notes: list[str]


def listed(place: Path, root: Path) -> Listing:
    """All images below a folder.

    A class is a sub-folder, with all that lies below it at any depth; or one of the next level, where the first is that
    of PARTS such as train and test. Raises InputError where there is no such folder,
    where images lie both in sub-folders and beside them, and for a link that leaves `root`.
    """
    if line := missing(place):
        raise InputError(line)
    _inside(place, root)
    found: list[Path] = []
    others: Counter[str] = Counter()
    for path, kind in _walk(place, root):
        if kind in SUFFIXES:
            found.append(path)
        else:
            others[kind] += 1
    depth = len(place.parts)
    found.sort(key=lambda path: path.parts)
    folders = [path.parts[depth] if len(path.parts) > depth + 1 else "" for path in found]
    loose = [path for path, folder in zip(found, folders, strict=True) if not folder]
    if loose and len(loose) < len(found):
        raise InputError(
            f"{said(place)}: images both in sub-folders and beside them ({said(loose[0].name)}); use one of the two"
        )
    folders, notes = _without_parts(place, folders, [path.parts[depth + 1 : -1] for path in found])
    classes = sorted(set(folders) - {""})
    numbers = {name: i for i, name in enumerate(classes)}
    return Listing(found, classes, [numbers.get(folder, -1) for folder in folders], others, notes)


def hidden(place: Path) -> str:
    """A file below a folder that would count if its name, or that of a folder above it, did not begin with a dot."""
    for path in place.rglob("*"):
        within = path.relative_to(place)
        if path.suffix.lower() in SUFFIXES and any(part[0] == "." for part in within.parts) and path.is_file():
            return within.as_posix()
    return ""


def missing(place: Path) -> str | None:
    """A line where there is no such folder."""
    if place.is_dir():
        return None
    above = place.parent
    have = sorted(said(entry.name) for entry in above.iterdir() if entry.is_dir()) if above.is_dir() else []
    return f"no folder {said(place)}; {choices(place.name, have) if have else 'make it'}"


def _without_parts(place: Path, folders: list[str], below: list[tuple[str, ...]]) -> tuple[list[str], list[str]]:
    """The class of each image, and what to say of it. folders: of the first level; below: those in it, to the file.

    Parts of a data set have the same classes, though a small part may lack some.
    """
    parts = sorted(set(folders))
    if not all(part.lower() in PARTS for part in parts) or parts in ([], [""]):
        return folders, []
    inner = {
        part: {one[0] if one else "" for one, of in zip(below, folders, strict=True) if of == part} for part in parts
    }
    every = set().union(*inner.values())
    names = ", ".join(said(part) for part in parts)
    if "" not in every and every in inner.values():
        lacking = [f"{said(part)} lacks {len(every - own)}" for part, own in inner.items() if own != every]
        note = f"{names}: taken together, the classes are the {len(every)} folders in them"
        return [one[0] for one in below], [f"{note} ({', '.join(lacking)})" if lacking else note]
    alone = f"{said(place)}/{said(parts[0])}"
    return folders, [f"{names}: taken for classes; where they are parts of a data set, use one: folder: {alone}"]


def _walk(place: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """Files below a folder and what they are (a suffix, or what is in the place of a file), but for hidden ones and
    what file managers leave.
    """
    todo: list[tuple[Path, tuple[Path, ...]]] = [(place, (place.resolve(),))]  # with the folders that one came through
    while todo:
        folder, above = todo.pop()
        try:
            with os.scandir(folder) as listed:
                entries = [entry for entry in listed if entry.name[0] != "." and entry.name not in LEFT]
        except OSError as error:
            raise InputError(f"{shortened(said(folder), LONGEST)}: can't be read ({error.strerror})") from None
        for entry in entries:
            path = folder / entry.name
            if entry.is_symlink() and leads_nowhere(path):
                yield path, "links to nothing"
                continue
            if entry.is_symlink():
                _inside(path, root)
            if entry.is_file():
                yield path, path.suffix.lower() or "without a suffix"
            elif entry.is_dir():
                whole = path.resolve() if entry.is_symlink() else above[-1] / entry.name
                if whole in above:
                    raise InputError(f"{said(path)}: a link to a folder that it lies in; remove it")
                todo.append((path, (*above, whole)))
            else:
                yield path, "pipes or devices"


def leads_nowhere(path: Path) -> bool:
    """Whether a link leads to nothing, or in a circle."""
    try:
        path.stat()
    except OSError:
        return True
    return False


def _inside(path: Path, root: Path) -> None:
    if not path.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{said(path)}: a link that leaves {root}; copy the files")


def evenly(groups: list[int], count: int | None) -> list[int]:
    """Numbers of the first `count` items (all for None), evenly over the groups that they belong to.

    The first of each group in the groups' order, then the second of each, and so on: how many are asked for does not
    change which come first.
    """
    seen: Counter[int] = Counter()
    ranks = []
    for i, group in enumerate(groups):
        ranks.append((seen[group], group, i))
        seen[group] += 1
    return [i for _, _, i in sorted(ranks)][:count]


def said(path: Path | str) -> str:
    """A path or name as text, in one line, also where it is not UTF-8."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else "?" for c in text)
