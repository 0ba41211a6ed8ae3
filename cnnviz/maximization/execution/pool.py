"""Actors of a Ray cluster that make parts, and what happens where one of them is lost, joins late or fails.

Knows nothing of pictures: an actor has `begin`, `take` and `make`, a part what `Handing` needs.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cnnviz.errors import InputError, reason
from cnnviz.files import say
from cnnviz.maximization.execution.handing import Handing

TRIES, ALONE = 3, 2  # of a part; of each of its filters, where the part was never made
LOSSES = 5  # workers one after the other, while none makes anything
WAIT, LOOK = 1.0, 5.0  # seconds: for what is being made, between looks for more room
MUSTER, PATIENCE = 30.0, 600.0  # seconds: for all workers once the first one is there; for any


@dataclass
class Member:
    """A worker. report: what `begin` returned; taken: whether it is prepared for the parts."""

    actor: Any
    name: str
    report: dict[str, Any] = field(default_factory=dict)
    part: Any = None
    taken: bool = False

    def __str__(self) -> str:
        return f"{self.name} on {self.report['node']}" if self.report else self.name


@dataclass(frozen=True)
class Failure:
    """A part that was not made, and why."""

    part: Any
    reason: str


class Pool:
    """As many actors as there is room for. hire: starts one; room: how many fit by now; said: what lines begin with."""

    def __init__(self, hire: Callable[[], Any], room: Callable[[], int], said: str) -> None:
        self._hire, self._room, self._said = hire, room, said
        self._doing: dict[Any, Member] = {}  # what is waited for: begin, take or make
        self._idle: list[Member] = []
        self.members: list[Member] = []
        self.retries = 0
        self.seconds = 0.0  # that workers were at parts
        self._hired = self._lost = 0
        self._looked = self._seen = time.monotonic()

    def _say(self, line: str) -> None:
        say(f"{self._said}: {line}")

    def grow(self, most: int) -> None:
        """Hire as many workers as there is room for, `most` in all."""
        self._looked = time.monotonic()
        for _ in range(len(self.members), min(most, self._room())):
            self._hired += 1
            member = Member(self._hire(), f"worker {self._hired}")
            self.members.append(member)
            self._doing[member.actor.begin.remote()] = member

    def muster(self, most: int) -> list[dict[str, Any]]:
        """The reports of the workers that there are at first. Raises InputError where there is none in ten minutes."""
        self.grow(most)
        until = time.monotonic() + PATIENCE
        while not self.members or any(not member.report for member in self.members):
            for member, _ in self._next():
                until = min(until, time.monotonic() + MUSTER)
                self._idle.append(member)
            if time.monotonic() > until and any(member.report for member in self.members):
                break
            if not any(member.report for member in self.members):
                if not self.members and time.monotonic() - self._looked > LOOK:
                    self._say("the cluster has no room for a worker, waiting for it")
                self._patient()
                self._look(most)
        return [member.report for member in self.members if member.report]

    def _look(self, most: int) -> None:
        if time.monotonic() - self._looked > LOOK:
            self.grow(most)

    def _patient(self) -> None:
        if time.monotonic() - self._seen > PATIENCE:
            raise InputError(
                f"{self._said}: no worker of the Ray cluster in {PATIENCE / 60:.0f} minutes; is there a node with room "
                "for one? (`ray status`; maximize.worker_cpus in params.yaml)"
            )

    def _next(self) -> list[tuple[Member, dict[str, Any]]]:
        """Members that are done with something, and what came of it; those that were lost are let go."""
        import ray

        if not self._doing:
            time.sleep(WAIT)
            return []
        found = []
        for ref in ray.wait(list(self._doing), timeout=WAIT, fetch_local=False)[0]:
            member = self._doing.pop(ref)
            try:
                result = ray.get(ref) or {}
            except ray.exceptions.RayError as error:
                self._let_go(member, error)
                continue
            if not member.report:
                member.report = result
            self._seen = time.monotonic()
            found.append((member, result))
        return found

    def _let_go(self, member: Member, error: Exception) -> None:
        """Of a worker that was lost, or can't begin."""
        import ray

        self.members.remove(member)
        ray.kill(member.actor)
        self._lost += 1
        said = reason(error.cause if isinstance(error, ray.exceptions.RayTaskError) else error, 160)
        if self._lost >= LOSSES:
            raise InputError(f"{self._said}: {LOSSES} workers were lost one after the other; the last one: {said}")
        if member.part is None:
            self._say(f"{member} is lost ({said})")
        else:
            self._missed(member, f"the worker was lost: {said}")

    def run(
        self,
        queue: Handing[Any],
        refuse: Callable[[dict[str, Any]], str],
        prepare: Callable[[Any], Any],
        send: Callable[[Any, Any], Any],
        take: Callable[[Any, dict[str, Any]], None],
    ) -> list[Failure]:
        """Have all parts made. Returns those that can't be, each tried several times, by itself in the end.

        refuse: why a worker of this report makes nothing, "" where it does. prepare(actor) and send(actor, part) start
        what `take` gets the result of. Raises InputError where there are no workers left.
        """
        self._queue, self._tries, self._failed = queue, Counter[Any](), list[Failure]()
        refused: list[str] = []
        while queue or any(member.part is not None for member in self.members):
            for member in [one for one in self._idle if one in self.members]:
                self._idle.remove(member)
                if not member.taken:
                    if why := refuse(member.report):
                        refused.append(why)
                        self._say(f"{member} makes nothing: {why}")
                        continue
                    member.taken = True
                    self._doing[prepare(member.actor)] = member
                elif (part := queue.next(member.name, self._working)) is not None:
                    member.part = part
                    self._doing[send(member.actor, part)] = member
                else:
                    self._idle.append(member)
                    break
            waiting = any(not member.report for member in self.members) and time.monotonic() - self._seen < MUSTER
            if refused and not waiting and not any(member.taken for member in self.members):
                raise InputError(f"{self._said}: no worker makes pictures: {refused[-1]}")
            if not self._working:
                self._patient()
            for member, result in self._next():
                self._idle.append(member)
                part, member.part = member.part, None
                if part is None:
                    continue
                if "error" in result:
                    member.part = part
                    self._missed(member, result["error"], result["lasting"])
                    continue
                self._lost, self.seconds = 0, self.seconds + result["seconds"]
                take(part, result)
            if queue:
                self._look(len(self.members) + len(queue))
        if self.retries:
            self._say(f"{self.retries} {'retry' if self.retries == 1 else 'retries'}")
        return self._failed

    @property
    def _working(self) -> int:
        return sum(member.taken or not member.report for member in self.members)

    def _missed(self, member: Member, why: str, lasting: bool = False) -> None:
        """A part was not made: again, then each filter alone, then never. lasting: it is always so."""
        part, member.part = member.part, None
        if not member.report or member not in self.members:
            self._queue.gone(member.name)
        self._tries[part] += 1
        single = len(part.filters) <= 1
        if not lasting and self._tries[part] < (ALONE if single else TRIES):
            self.retries += 1
            self._say(f"{part}: {why} ({member}); again")
            self._queue.back(part)
        elif not single:
            self.retries += 1
            self._say(f"{part}: {why} ({member}); each filter alone")
            for one in reversed(part.split(1)):
                self._queue.back(one)
        else:
            self._failed.append(Failure(part, why))
            self._say(f"{part}: {why} ({member}); given up")
