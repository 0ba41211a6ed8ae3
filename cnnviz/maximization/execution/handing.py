"""Which part a worker makes next: of the layer that it is at, as long as there are any, then of the one with most left.

A worker has one network and one traced graph at a time; another layer costs it seconds, another checkpoint more.
"""

from collections import Counter, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

FEWEST = 4  # filters: smaller batches take more time for each of them


class Splits(Protocol):
    """What `Handing` needs of a part: `work.Part`, for one."""

    @property
    def state(self) -> Hashable: ...
    @property
    def layer(self) -> str: ...
    @property
    def filters(self) -> tuple[int, ...]: ...
    @property
    def effort(self) -> float: ...
    def split(self, count: int) -> "list[Any]": ...


P = TypeVar("P", bound=Splits)
Place = tuple[Hashable, str]  # state and layer


@dataclass
class _Line(Generic[P]):
    """What is left of one layer."""

    parts: deque[P]
    effort: float = 0.0
    workers: int = 0


class Handing(Generic[P]):
    """The parts that are left; `len` of them. Workers are called by any name."""

    def __init__(self, parts: Iterable[P]) -> None:
        self._lines: dict[Place, _Line[P]] = {}
        self._at: dict[Hashable, Place] = {}
        for part in parts:
            self._add(part, last=True)

    def _add(self, part: P, last: bool) -> None:
        line = self._lines.setdefault((part.state, part.layer), _Line(deque()))
        (line.parts.append if last else line.parts.appendleft)(part)
        line.effort += part.effort

    def __len__(self) -> int:
        return sum(len(line.parts) for line in self._lines.values())

    @property
    def effort(self) -> float:
        """Of all that is left."""
        return sum(line.effort for line in self._lines.values())

    def next(self, worker: Hashable, workers: int = 1) -> P | None:
        """A part for this worker, None where none is left. workers: so many share what is left: towards the end parts
        become smaller, so that none of them works alone for long.
        """
        place = self._at.get(worker)
        if place is None or not self._lines[place].parts:
            place = self._most_left(place)
            self.gone(worker)
            if place is None:
                return None
            self._at[worker] = place
            self._lines[place].workers += 1
        line = self._lines[place]
        part = line.parts.popleft()
        line.effort -= part.effort
        if part.effort * workers > self.effort + part.effort and len(part.filters) >= 2 * FEWEST:
            part, *rest = part.split(-(-len(part.filters) // 2))
            for one in reversed(rest):
                self._add(one, last=False)
        return part

    def _most_left(self, before: Place | None) -> Place | None:
        """The layer with most left for each worker that would be at it; of the same checkpoint, if that has any."""
        some = [place for place, line in self._lines.items() if line.parts]
        states = {state for state, _ in some}
        if not some:
            return None
        if before is None or before[0] not in states:
            left, workers = Counter[Hashable](), Counter[Hashable]()
            for (state, _), line in self._lines.items():
                left[state] += line.effort  # type: ignore[assignment]
                workers[state] += line.workers
            state = max(states, key=lambda one: left[one] / (1 + workers[one]))
        else:
            state = before[0]
        return max(
            (place for place in some if place[0] == state),
            key=lambda place: self._lines[place].effort / (1 + self._lines[place].workers),
        )

    def back(self, part: P) -> None:
        """A part that was not made, to be handed out before others of its layer."""
        self._add(part, last=False)

    def drop(self, place: Place) -> list[P]:
        """What is left of a layer, which is not handed out any more."""
        if (line := self._lines.get(place)) is None:
            return []
        parts, line.parts, line.effort = list(line.parts), deque(), 0.0
        return parts

    def gone(self, worker: Hashable) -> None:
        """A worker that makes nothing of its layer any more."""
        if (place := self._at.pop(worker, None)) is not None:
            self._lines[place].workers -= 1
