"""Machines that make the same bytes, and those that don't: pictures of several kinds stay apart in the render cache."""

import os
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cnnviz.errors import InputError
from cnnviz.files import read_kept, write_json
from cnnviz.maximization import cache
from cnnviz.maximization.ascent import settings
from cnnviz.maximization.execution.request import Request

KEY = "maximize.other_processors"
NOTE = "kind.json"  # in the render cache: the kind of machine that shards are made on


@dataclass(frozen=True)
class Kind:
    """parts: as cache.here gives them; precision: what `auto` means there."""

    parts: tuple[str, ...]
    precision: str

    def __str__(self) -> str:
        return "; ".join([f"TensorFlow {self.parts[0]}", self.parts[3].split(":")[0], *self.parts[4:]])

    def unlike(self, other: "Kind") -> str:
        """In words what another one has that this one has not; "" where they are the same."""
        for name, mine, its in zip(("TensorFlow", "Keras", "NumPy"), self.parts, other.parts, strict=False):
            if mine != its:
                return f"{name} {its}, here {mine}"
        (mine, *chosen), (its, *others) = self.parts[3].split("; "), other.parts[3].split("; ")
        if mine.split(":")[0] != its.split(":")[0]:
            return f"a processor {its.split(':')[0]}, here {mine.split(':')[0]}"
        if mine != its:
            return f"a processor that differs in: {' '.join(sorted(set(mine.split()) ^ set(its.split())))[:200]}"
        if chosen != others:
            none = "nothing that chooses kernels"
            return f"{' '.join(others) or none} in its environment, here {' '.join(chosen) or none}"
        if self.parts != other.parts:
            return f"computes on {', '.join(other.parts[4:]) or 'no GPU'}, here {', '.join(self.parts[4:]) or 'no GPU'}"
        return ""

    def of(self, request: Request) -> Request:
        """The same request where the pictures are made on this kind: `precision: auto` means what it means there."""
        if request.section.precision != "auto":
            return request
        return replace(request, section=request.section.model_copy(update={"precision": self.precision}))


def here() -> Kind:
    return Kind(tuple(cache.here()), settings.resolve_precision("auto"))


def chosen(found: Sequence[Kind], others: str) -> Kind:
    """The kind that makes all pictures of a run, of those of its workers; others: `maximize.other_processors`.

    This machine's, or, where no worker is of it and `others` is `apart`, the one that most workers are of.
    """
    own = here()
    return own if others == "refuse" or own in found or not found else Counter(found).most_common(1)[0][0]


def of_shards(folder: Path) -> tuple[Kind, str] | None:
    """The kind of machine that shards in this render cache are made on, and one of them; None where there are none."""
    noted = read_kept(folder / NOTE)
    try:
        return Kind(tuple(map(str, noted["parts"])), str(noted["precision"])), str(noted["host"])
    except (KeyError, TypeError):
        return None


def join_shards(folder: Path, others: str) -> None:
    """Note that shards are made on this kind of machine; the first one decides.

    Raises InputError where they are made on another kind and `others` is `refuse`.
    """
    if of_shards(folder) is None:
        _begin_shards(folder / NOTE)
    if (found := of_shards(folder)) and (other := here().unlike(found[0])) and others == "refuse":
        raise InputError(
            f"{folder}: shards are made on another kind of machine: {found[1]} has {other}; run all of them on one "
            f"kind, set {KEY} to apart, or remove {folder / NOTE} and begin anew"
        )


def _begin_shards(note: Path) -> None:
    """Write the note whole, unless another machine was first; one that can't be read is replaced."""
    note.unlink(missing_ok=True)
    mine = note.with_name(f"{platform.node()[:32]}-{os.getpid()}.{NOTE}")
    write_json(mine, {**asdict(here()), "host": platform.node()})
    try:
        os.link(mine, note)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        mine.replace(note)
    finally:
        mine.unlink(missing_ok=True)
