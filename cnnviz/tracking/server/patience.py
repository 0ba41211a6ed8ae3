"""How long a store may take: for each answer as a whole, however it comes, and for all of them. Knows no MLflow."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import TypeVar

EACH = 6.0  # seconds; MLFLOW_HTTP_REQUEST_TIMEOUT says otherwise
ALL = 50  # times that for a sync
SLOWEST = 100_000  # bytes of a file in a second
T = TypeVar("T")


class Patience:
    """`each` seconds for an answer of the store, `total` for all.

    MLflow's own limit is for the wait between two bytes, so that a server that drips them could hold it for ever.
    """

    def __init__(self, each: float, total: float) -> None:
        self.each, self.total = each, total
        self._end = time.monotonic() + total
        self._until: dict[int, float] = {}  # by thread, while it waits for the store

    @classmethod
    def of_sync(cls) -> "Patience":
        each = EACH
        with suppress(KeyError, ValueError):  # of a value that is no number speaks MLflow
            each = max(1.0, float(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]))
        return cls(each, ALL * each)

    @contextmanager
    def asking(self, size: int = 0) -> Iterator[None]:
        """The store is asked inside, and given a file of `size` bytes; what is asked inside that counts on its own."""
        thread, outer = threading.get_ident(), self._until.get(threading.get_ident())
        self._until[thread] = time.monotonic() + self.each + size / SLOWEST
        try:
            yield
        finally:
            if outer is None:
                del self._until[thread]
            else:
                self._until[thread] = max(outer, time.monotonic() + self.each)

    def over(self) -> str | None:
        """Why waiting has to end, None as long as it has not."""
        now = time.monotonic()
        if any(now > until for until in list(self._until.values())):
            return f"no whole answer in {self.each:.0f} s"
        return f"not done after {self.total:.0f} s; what is logged stays" if now > self._end else None


def in_time(work: Callable[[], T], patience: Patience) -> T:
    """Return what `work` returns, or raise what it raises; OSError when the patience is over, whatever it waits for.

    In a thread that nobody waits for after that: looking up a host has no time-out, and a read that drips never ends.
    """
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    while not wait([result], timeout=0.1).done:
        if why := patience.over():
            raise OSError(why)
    return result.result()
