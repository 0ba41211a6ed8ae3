"""The render cache filled by this process and others beside it, each with a share of the cores: one alone leaves cores
idle while it traces a graph, and wherever an operation takes a single thread. The same bytes.

They are forked before TensorFlow is there, import it at the same time, and are handed parts by threads of this process.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from math import prod
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnviz.files import FORCE, STOPS, Stopwatch, end_with, machine
from cnnviz.maximization.execution.handing import FEWEST, Handing
from cnnviz.maximization.execution.request import Given, Request

if TYPE_CHECKING:
    from cnnviz.maximization.execution.executing import Execution
    from cnnviz.maximization.execution.work import Part, Work

WORTH = 1_000_000  # pixels times steps, of all pictures: less is done before another process has begun
EACH = 1_000_000_000  # bytes of a process, besides its share of `maximize.memory`
MOST = 8  # processes, unless `maximize.workers` says more
OWN = "own"  # this process, among the workers


class Ticks:
    """Counts image·steps as a progress bar does; told: gets their number, and whether they were there already."""

    def __init__(self, told: Callable[[float, bool], object] = lambda count, there: None) -> None:
        self.told = told

    def update(self, count: float) -> None:
        self.told(count, False)

    def skip(self, count: float) -> None:
        self.told(count, True)


@contextmanager
def beside(request: Request, given: Given, artifacts: Path, folder: Path) -> "Iterator[Crew]":
    """Processes beside this one, as many as `processes` says, that wait for `Crew.fill` and end with the body.

    folder: the render cache.
    """
    count = processes(request, given)
    crew = Crew(_share(request, count), count, max(1, _cores() // count))
    try:
        if count > 1:
            crew.start(artifacts, folder)
            if not _with_threads(crew.threads):
                crew.end()
                crew = Crew(request, 1, _cores())
        yield crew
    finally:
        crew.end()


def processes(request: Request, given: Given) -> int:
    """How many make a request's pictures, this one among them.

    As `maximize.workers` says; `auto`: as many as there are cores, so that they take half of the memory at most. One
    for little work, for a series, where TensorFlow is there already, where the system is no Linux; and on a GPU, see
    `beside`.
    """
    section = request.section
    if section.executor != "here" or request.plain or sys.platform != "linux" or "tensorflow" in sys.modules:
        return 1
    if section.workers != "auto":
        return section.workers
    sides = [min(2 * side, section.max_size) for side in given.described["input_shape"][:2]]
    if section.size != "auto":
        sides = [section.size] * 2 if isinstance(section.size, int) else list(section.size)
    pictures = sum(map(len, given.wanted.values())) + len(given.objectives)
    if pictures * section.steps * prod(sides) < WORTH:
        return 1
    parts = sum(-(-len(filters) // FEWEST) for filters in given.wanted.values()) + len(given.objectives)
    room = (machine.memory() // 2 - int(section.memory * 2**20)) // EACH
    return max(1, min(_cores(), parts, room, MOST))


def shared(request: Request, given: Given) -> tuple[Request, int, int]:
    """What each process is asked for, how many make a request's pictures here, and the threads of each.

    This process gets as many threads. For one that has not imported TensorFlow yet, as `processes` asks.
    """
    count = processes(request, given)
    threads = max(1, _cores() // count)
    if count == 1 or _with_threads(threads):
        return _share(request, count), count, threads
    return request, 1, _cores()


def _share(request: Request, count: int) -> Request:
    """The same with its share of the memory."""
    section = request.section
    return replace(request, section=section.model_copy(update={"memory": section.memory / count}))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Through:
    """A part is made, or a process has begun (0). together: so many filters of its layer were in memory at once."""

    seconds: float = 0.0
    together: int = 0


class Crew:
    """`count` processes, this one among them, of so many threads each; request: what each of them is asked for."""

    def __init__(self, request: Request, count: int, threads: int) -> None:
        self.request, self.count, self.threads = request, count, threads
        self._others: list[tuple[Any, Connection]] = []
        self._changed = threading.Condition()
        self._busy: dict[str, Part] = {}  # by worker
        self._made: list[Part] = []
        self._queue: Handing[Part] = Handing([])

    def start(self, artifacts: Path, folder: Path) -> None:
        for number in range(1, self.count):
            forks = multiprocessing.get_context("fork")
            here, there = forks.Pipe()
            ends = [here, *(line for _, line in self._others)]
            told = (self.request, artifacts, folder, self.threads, there, ends, os.getpid())
            other = forks.Process(target=_work, args=told, name=f"cnnviz {number}", daemon=True)
            with warnings.catch_warnings():
                # Python 3.12's, of a fork beside a thread: that one only passes on what stderr gets
                warnings.simplefilter("ignore", DeprecationWarning)
                other.start()
            there.close()
            self._others.append((other, here))

    def end(self) -> None:
        for other, line in self._others:
            other.terminate()
            other.join()
            line.close()
        self._others = []

    def fill(self, done: "Execution", bar: Any, watch: Stopwatch) -> bool:
        """Have all that the render cache lacks made, and `bar` told of it; False: nothing is done or told."""
        if not self._others or done.kind:
            return False
        from cnnviz.maximization.execution.work import lacking

        work = done.work
        parts = list(lacking(work, work.groups(), done.folder))
        if not parts:
            return False
        there, effort = work.steps - sum(part.steps for part in parts), work.effort - sum(p.effort for p in parts)
        bar.each = effort / there if there else 0.0
        bar.skip(there)
        self._queue = Handing(parts)
        each = [threading.Thread(target=self._serve, args=(line, work, bar, watch)) for _, line in self._others]
        for thread in each:
            thread.daemon = True  # of one that waits for a process when this one fails
            thread.start()
        while (part := self._next(OWN)) is not None:
            started, ticks = time.monotonic(), self._ticks(part, bar)
            for some in work.fitting(part):
                work.make(some, done.rendering(work, watch, ticks))
            self._through(OWN, Through(time.monotonic() - started), work, bar, watch)
        for thread in each:
            thread.join()
        return True

    def _serve(self, line: Connection, work: "Work", bar: Any, watch: Stopwatch) -> None:
        """Hand parts to another process, to its end or the end of all parts."""
        name = threading.current_thread().name
        try:
            with suppress(EOFError, OSError):  # it is gone
                while True:
                    said = line.recv()
                    if not isinstance(said, Through):
                        self._ticks(self._busy[name], bar).told(*said)
                        continue
                    self._through(name, said, work, bar, watch)
                    part = self._next(name)
                    line.send(part)
                    if part is None:
                        return
        finally:
            with self._changed:
                self._queue.gone(name)
                if (part := self._busy.pop(name, None)) is not None:  # if it can't be made, this process says why
                    self._queue.back(part)
                self._changed.notify_all()

    def _next(self, worker: str) -> "Part | None":
        """A part for this worker, None where none is left, and none comes back from another one."""
        with self._changed:
            while (part := self._queue.next(worker, self.count)) is None and self._busy:
                self._changed.wait()
            if part is not None:
                self._busy[worker] = part
            return part

    def _through(self, worker: str, said: Through, work: "Work", bar: Any, watch: Stopwatch) -> None:
        with self._changed:
            if (part := self._busy.pop(worker, None)) is not None:
                self._made.append(part)
                bar.note(f"{sum(len(one.filters) for one in self._made)} filters made")
                watch.add(part.layer, said.seconds)
                if said.together:
                    work.together[part.layer] = said.together
            self._changed.notify_all()

    def _ticks(self, part: "Part", bar: Any) -> Ticks:
        def told(count: float, there: bool) -> None:
            with self._changed:
                bar.each = part.effort / part.steps
                (bar.skip if there else bar.update)(count)

        return Ticks(told)


def _with_threads(count: int) -> bool:
    """Let TensorFlow, which has not computed yet, take so many threads; False where it computes on a GPU."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return False
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)
    return True


def _work(
    request: Request,
    artifacts: Path,
    folder: Path,
    threads: int,
    line: Connection,
    ends: list[Connection],
    stage: int,
) -> None:
    """What another process does. Whatever is wrong ends it: the stage's own makes what it had, and says so.

    It ends with the stage's own, `stage`, whatever ends that. ends: those of the lines that are the stage's own.
    """
    end_with(stage)
    for one in ends:
        one.close()
    for number in (*STOPS, FORCE):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    with suppress(Exception):
        if _with_threads(threads):
            from cnnviz.maximization import chunks
            from cnnviz.maximization.execution.work import Work

            work, ticks = Work(request, artifacts), Ticks(lambda *told: line.send(told))
            made = work.rendering(folder, lambda chunk, _: chunks.render(chunk, ticks.update), ticks.skip)
            line.send(Through())
            while (part := line.recv()) is not None:
                started = time.monotonic()
                for some in work.fitting(part):
                    work.make(some, made)
                line.send(Through(time.monotonic() - started, work.together.get(part.layer, 0)))
    os._exit(0)
