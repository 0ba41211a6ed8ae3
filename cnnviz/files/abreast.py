"""Work in independent parts, spread over the CPUs: by forks of this process, which know all that it has read."""

import contextlib
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from cnnviz.errors import InputError
from cnnviz.files.interrupting import FORCE, STOPS

Part = TypeVar("Part")


def abreast(
    do: Callable[[Part], object],
    parts: Sequence[Part],
    weight: Callable[[Part], float],
    tick: Callable[[], object],
    begin: Callable[[], object] = lambda: None,
    end: Callable[[], object] = lambda: None,
    processes: int | None = None,
) -> None:
    """Call `do` with each of the parts, in as many processes as there are CPUs; `tick` for each that is done.

    weight: how much work a part is, against others. begin, end: called in each process before its first part and after
    its last one. What parts change in memory stays in their process. Raises what a part raised, InputError
    where a process was killed; the others may be done or not. TensorFlow may not run in it, or have run before. One
    process where the system is no Linux.
    """
    count = min(len(parts), processes or len(os.sched_getaffinity(0))) if sys.platform == "linux" else 1
    shares: list[list[Part]] = [[] for _ in range(max(1, count))]
    loads = [0.0] * len(shares)
    for part in sorted(parts, key=weight, reverse=True):  # to whoever has least
        least = loads.index(min(loads))
        shares[least].append(part)
        loads[least] += weight(part)
    forks = multiprocessing.get_context("fork") if len(shares) > 1 else None
    others: list[tuple[Any, Connection]] = []
    try:
        for share in shares[1:]:
            assert forks is not None  # noqa: S101  # for mypy
            here, there = forks.Pipe(duplex=False)
            other = forks.Process(target=_work, args=(do, share, begin, end, there), daemon=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12's, where threads wait for work
                other.start()
            there.close()
            others.append((other, here))
        begin()
        working = [here for _, here in others]
        for part in shares[0]:
            do(part)
            tick()
            working = [here for here in working if _heed(here, tick, wait=False)]
        end()
        for here in working:
            _heed(here, tick, wait=True)
    finally:
        for other, here in others:
            here.close()  # where it still works, its next word ends it
            other.terminate()
            other.join()


def _heed(here: Connection, tick: Callable[[], object], wait: bool) -> bool:
    """Hear what a process says, to its end if `wait`: a part is done, or all are; whether it still works."""
    while wait or here.poll():
        try:
            said = here.recv()
        except EOFError:
            raise InputError("a process that shared the work was ended, for want of memory perhaps") from None
        if isinstance(said, BaseException):
            raise said
        if not said:
            return False
        tick()
    return True


def _work(
    do: Callable[[Part], object],
    share: Sequence[Part],
    begin: Callable[[], object],
    end: Callable[[], object],
    there: Connection,
) -> None:
    for number in (*STOPS, FORCE):  # whoever started it ends it
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    try:
        begin()
        for part in share:
            do(part)
            there.send(True)
        end()
        there.send(None)
    except BrokenPipeError:  # whoever started it is gone
        pass
    except Exception as error:
        with contextlib.suppress(BrokenPipeError):
            try:
                there.send(error)
            except (TypeError, AttributeError, ValueError):  # what can't be sent
                there.send(RuntimeError(repr(error)))
    os._exit(0)
