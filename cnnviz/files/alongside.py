"""Threads of one process, for work that NumPy, zlib and TensorFlow do, which let others run meanwhile; its garbage."""

import ctypes
import gc
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from typing import TypeVar

Part = TypeVar("Part")


def threads(do: Callable[[Part], object], parts: Iterable[Part]) -> None:
    """Call `do` with each of the parts, as many at a time as there are CPUs; all are done on return, or one raised."""
    for _ in list(_pool().map(do, parts)):
        pass


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "cnnviz")


@contextmanager
def alongside(do: Callable[[], object]) -> Iterator[None]:
    """Call `do` in a thread while the body runs in this one. Left when both are through; raises what either raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            do()
        except BaseException as error:  # raised below
            raised.append(error)

    other = threading.Thread(target=run, name="cnnviz alongside", daemon=True)
    other.start()
    try:
        yield
    finally:
        other.join()
    if raised:
        raise raised[0]


@contextmanager
def collected() -> Iterator[Callable[[], object]]:
    """What lets go of all that was made inside and is held in circles, as TensorFlow's graphs are, and gives the memory
    back; quickly, since what was there before is not looked at."""

    def collect() -> None:
        gc.collect()
        trim()

    gc.freeze()
    trim()
    try:
        yield collect
    finally:
        gc.unfreeze()


def trim() -> None:
    """Give freed memory back to the system, where the C library can."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
