"""Ctrl-C and its like end a process at once, with one line, whatever it is at.

Python's own handlers wait until C code returns, which TensorFlow's does after seconds. Here the signal's number goes
through a pipe, straight from the C level, to a small process beside: that one says the line, and ends this one by force
where it does not end by itself.
"""

import ctypes
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from cnnviz.files.cards import ASKED, likely

STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
FORCE = getattr(signal, "SIGUSR1", signal.SIGTERM)  # ends a process that has no handler of it, at once
STATUSES = {128 + number for number in (*STOPS, FORCE)}  # exit statuses
WITHIN = "CNNVIZ_WITHIN"  # in the environment: whoever started this process says that it was interrupted
REPRO = "make repro"
PR_SET_PDEATHSIG = 1  # of prctl.h
GRACE = 0.5  # seconds that a process may take to end by itself


def end_with(parent: int) -> None:
    """From now on this process ends, by force, when the one that started it does, however that ends; Linux only."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def exit_status(returned: int) -> int:
    """That of a process as a shell has it: 128 + its number for a signal, which Python gives as a negative number."""
    return 128 - returned if returned < 0 else returned


def interrupted(command: str) -> str:
    """What an interrupted process says; command: what makes the rest, or, but for make repro, all of it again."""
    return f"interrupted; {command} goes on from here" if command == REPRO else f"interrupted; again: {command}"


def aborted(command: str) -> str:
    """What is said of a process that C code ended, as TensorFlow's does where a graphics card is lost."""
    what = "a graphics card that is lost does that (`nvidia-smi` shows how it is)" if likely() else "memory, perhaps"
    where = f", with {ASKED}=0 on the processor" if likely() else ""
    return f"ended from inside TensorFlow or another library: {what}. What was made is kept: {command} goes on{where}"


def on_terminal(text: str) -> str:
    """The line in place of a progress bar and of the terminal's own ^C, where stderr is one."""
    return f"\r\x1b[K{text}\n" if os.isatty(2) else f"{text}\n"


@contextmanager
def interruptible(command: str, tidy: Callable[[], None] | None = None) -> Iterator[None]:
    """Inside, a signal of STOPS ends this process and those that it started, with status 128 + its number.

    tidy: called before the end, if there is time; otherwise files are left as they are at that moment.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(os, "fork"):
        yield
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    said = b"" if os.environ.get(WITHIN) else on_terminal(interrupted(command)).encode()
    words = {signal.SIGABRT: on_terminal(f"error: {aborted(command)}").encode()} | dict.fromkeys(STOPS, said)
    process = os.getpid()
    sys.stderr.flush()
    if (watcher := os.fork()) == 0:
        os.close(write)
        _watch(read, process, words)
    os.close(read)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    end = partial(_end, watcher, tidy)
    heeded = [number for number in STOPS if signal.getsignal(number) is not signal.SIG_IGN]  # nohup stays nohup
    handlers = {number: signal.signal(number, end) for number in heeded}
    handlers[signal.SIGABRT] = signal.signal(signal.SIGABRT, end)  # not called: the process ends before
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.close(write)  # ends the watcher
        os.waitpid(watcher, 0)


def _end(watcher: int, tidy: Callable[[], None] | None, number: int, frame: object) -> None:
    try:
        import psutil

        for child in psutil.Process().children(recursive=True):
            if child.pid != watcher:
                child.kill()
        if tidy:
            tidy()
    finally:
        os._exit(128 + number)


def _watch(pipe: int, process: int, words: Mapping[int, bytes]) -> None:
    """What the process beside does; the pipe's end is the other process's."""
    try:
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)
        while number := os.read(pipe, 1):
            os.write(2, words.get(number[0], b""))
            if number[0] in STOPS:
                if not select.select([pipe], [], [], GRACE)[0]:
                    os.kill(process, FORCE)
                break
    finally:
        os._exit(0)
