"""Actors of a Ray cluster that make parts, and what happens where one of them is lost, joins late or fails.

Knows nothing of pictures: an actor has `begin`, `take` and `make`, a part what `Handing` needs.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cnnviz.errors import InputError, reason
from cnnviz.files import say
from cnnviz.maximization.execution.handing import Handing
from cnnviz.maximization.execution.retrying import Failure, Retrying

LOSSES = 5  # workers one after the other, each before its first part or at another layer, while none makes anything
WAIT, LOOK = 1.0, 5.0  # seconds: for what is being made, between looks for more room
MUSTER, PATIENCE = 30.0, 600.0  # seconds: for all workers once the first one is there; for any


@dataclass
class Member:
    """A worker. report: what `begin` returned; taken: whether it is prepared for the parts; since: when it was given
    what it is at.
    """

    actor: Any
    name: str
    report: dict[str, Any] = field(default_factory=dict)
    part: Any = None
    taken: bool = False
    since: float = 0.0

    def __str__(self) -> str:
        return f"{self.name} on {self.report['node']}" if self.report else self.name


def cause(error: Exception) -> str:
    """Why a worker was lost, as far as Ray knows, without its ids."""
    import ray

    text = str(error)
    if isinstance(error, ray.exceptions.RayTaskError):
        return reason(error.cause, 160)
    if "raised in its creation task" in text:
        return reason(Exception(text.strip().rsplit("\n", 1)[-1]), 160)
    if isinstance(error, ray.exceptions.OutOfMemoryError) or "low on memory" in text:
        return "its node was out of memory"
    if isinstance(error, ray.exceptions.NodeDiedError) or "node has died" in text:
        return "its node is gone"
    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return "its worker does not answer"
    if code := re.search(r"exit code (-?\d+)", text):
        return f"its worker ended, exit code {code[1]}"
    return "its worker ended: killed, crashed or out of memory"


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
        self._lately = 0.0  # when the last worker was lost that counts; others lost with it do not
        self._fewer = False  # than there were when it last looked for room
        self._looked = self._seen = time.monotonic()

    def _say(self, line: str) -> None:
        say(f"{self._said}: {line}")

    def grow(self, most: int) -> None:
        """Hire as many workers as there is room for, `most` in all."""
        self._looked, self._fewer = time.monotonic(), False
        for _ in range(len(self.members), min(most, self._room())):
            self._hired += 1
            member = Member(self._hire(), f"worker {self._hired}")
            self.members.append(member)
            self._give(member, member.actor.begin.remote())

    def _give(self, member: Member, doing: Any) -> None:
        self._doing[doing], member.since = member, time.monotonic()

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
        if self._fewer or time.monotonic() - self._looked > LOOK:
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
        self._fewer = True
        said, part = cause(error), member.part
        if member.since > self._lately and (part is None or not self._parts.fatal(part)):
            self._lost, self._lately = self._lost + 1, time.monotonic()
        if self._lost >= LOSSES:
            raise InputError(f"{self._said}: {LOSSES} workers were lost one after the other; the last one: {said}")
        if part is None:
            self._say(f"{member} is lost: {said}")
        else:
            self._parts.missed(part, said, str(member), lost=True)
            self._parts.gone(member.name)

    def run(
        self,
        queue: Handing[Any],
        refuse: Callable[[dict[str, Any]], str],
        prepare: Callable[[Any], Any],
        send: Callable[[Any, Any], Any],
        take: Callable[[Any, dict[str, Any]], None],
    ) -> list[Failure]:
        """Have all parts made. Returns those that can't be, as `Retrying` tries them.

        refuse: why a worker of this report makes nothing, "" where it does. prepare(actor) and send(actor, part) start
        what `take` gets the result of. Raises InputError where there are no workers left.
        """
        self._parts = parts = Retrying(queue, self._say)
        refused: list[str] = []
        while parts or any(member.part is not None for member in self.members):
            for member in [one for one in self._idle if one in self.members]:
                self._idle.remove(member)
                if not member.taken:
                    if why := refuse(member.report):
                        refused.append(why)
                        self._say(f"{member} makes nothing: {why}")
                        continue
                    member.taken = True
                    self._give(member, prepare(member.actor))
                elif (part := parts.next(member.name, self._working)) is not None:
                    member.part = part
                    self._give(member, send(member.actor, part))
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
                    parts.missed(part, result["error"], str(member), lasting=result["lasting"])
                    continue
                self._lost, self.seconds = 0, self.seconds + result["seconds"]
                parts.made(part)
                take(part, result)
            if parts:
                self._look(len(self.members) + len(parts))
        for failure in parts.failures():
            self._say(f"{failure}; given up")
        if parts.retries:
            self._say(f"{parts.retries} {'retry' if parts.retries == 1 else 'retries'}")
        self.retries = parts.retries
        return parts.failures()

    @property
    def _working(self) -> int:
        return sum(member.taken or not member.report for member in self.members)
