"""What becomes of a part that was not made: made again, behind all others, then filter by filter, a few times at most.

What ends its workers costs some of them, but no other layer's pictures.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

from cnnviz.maximization.execution.handing import Handing, Place

TRIES, ALONE = 3, 2  # of a part; of each of its filters, where the part was never made
HOPELESS = 3  # filters of a layer, each of which alone ended its workers; none of it was made in between
SHOWN = 3  # filters in a line


@dataclass(frozen=True)
class Failure:
    """What was never made, for one reason; part: all filters of a layer."""

    part: Any
    reason: str

    def __str__(self) -> str:
        return f"{named(self.part)}: {self.reason}"


def named(part: Any) -> str:
    """A part as a line shows it."""
    if (count := len(part.filters)) <= SHOWN:
        return str(part)
    return f"{replace(part, filters=part.filters[:SHOWN])}, … ({count} filters)"


class Retrying:
    """The parts of a queue, then those of them that were not made; `len` of them. tell: what lines are given to.

    A part is what `Handing` needs, and a dataclass.
    """

    def __init__(self, queue: Handing[Any], tell: Callable[[str], None]) -> None:
        self._first, self._tell = queue, tell
        self._later: Handing[Any] = Handing([])  # once there is nothing else
        self._tries, self._told = Counter[Hashable](), set[Hashable]()
        self._fatal: dict[Place, int] = {}  # of layers that lost a worker: filters given up so since one was made
        self._never: dict[tuple[Place, str], list[Any]] = {}
        self.retries = 0

    def __len__(self) -> int:
        return len(self._first) + len(self._later)

    def next(self, worker: Hashable, workers: int) -> Any:
        """As `Handing.next`."""
        part = self._first.next(worker, workers)
        return self._later.next(worker, workers) if part is None else part

    def gone(self, worker: Hashable) -> None:
        self._first.gone(worker)
        self._later.gone(worker)

    def fatal(self, part: Any) -> bool:
        """Whether a worker was lost at the layer of a part."""
        return (part.state, part.layer) in self._fatal

    def made(self, part: Any) -> None:
        if self.fatal(part):
            self._fatal[part.state, part.layer] = 0

    def missed(self, part: Any, why: str, by: str = "", *, lost: bool = False, lasting: bool = False) -> None:
        """A part was not made. by: the worker; lost: it ended in it; lasting: it is always so."""
        place = (part.state, part.layer)
        if lost:
            self._fatal.setdefault(place, 0)
            for one in reversed(self._first.drop(place)):
                self._later.back(one)
        each: list[Hashable] = [(*place, k) for k in part.filters] or [str(part)]
        self._tries.update(each)
        tries, single = max(self._tries[one] for one in each), len(part.filters) <= 1
        if lost and self._hopeless(part):
            self._give_up(part, why)
        elif not lasting and tries < (ALONE if single else TRIES):
            self._again([part], part, why, by, "again after all else")
        elif not single:
            for one in each:
                del self._tries[one]
            self._again(part.split(1), part, why, by, "each filter alone after all else")
        else:
            self._give_up(part, why)
            self._fatal[place] = self._fatal.get(place, 0) + lost
        if lost and self._hopeless(part):
            for one in self._later.drop(place):
                self._give_up(one, why)

    def _hopeless(self, part: Any) -> bool:
        return bool(part.filters) and self._fatal[part.state, part.layer] >= HOPELESS

    def _again(self, parts: list[Any], part: Any, why: str, by: str, how: str) -> None:
        self.retries += 1
        for one in reversed(parts):
            self._later.back(one)
        known = (part.state, part.layer or str(part), why, how)
        if known not in self._told:
            self._told.add(known)
            self._tell(f"{named(part)}: {why} ({by}); {how}")

    def _give_up(self, part: Any, why: str) -> None:
        self._never.setdefault(((part.state, part.layer or str(part)), why), []).append(part)

    def failures(self) -> list[Failure]:
        """What was given up, by layer and reason."""
        found = []
        for (_, why), parts in self._never.items():
            filters = tuple(sorted({k for part in parts for k in part.filters}))
            found.append(Failure(replace(parts[0], filters=filters), why))
        return found
