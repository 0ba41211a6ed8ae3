"""Machines that make the same bytes, and those that don't: pictures of several kinds stay apart in the render cache."""

import json
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cnnviz.errors import InputError
from cnnviz.files import read_kept
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
        mine, its = self.parts[3], other.parts[3]
        if mine.split(":")[0] != its.split(":")[0]:
            return f"a processor {its.split(':')[0]}, here {mine.split(':')[0]}"
        if mine != its:
            return f"a processor that differs in: {' '.join(sorted(set(mine.split()) ^ set(its.split())))[:200]}"
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
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with (folder / NOTE).open("x", encoding="utf-8") as file:
            json.dump({**asdict(here()), "host": platform.node()}, file)
    except FileExistsError:
        if (found := of_shards(folder)) and (other := here().unlike(found[0])) and others == "refuse":
            raise InputError(
                f"{folder}: shards are made on another kind of machine: {found[1]} has {other}; run all of them on one "
                f"kind, set {KEY} to apart, or remove {folder / NOTE} and begin anew"
            ) from None
