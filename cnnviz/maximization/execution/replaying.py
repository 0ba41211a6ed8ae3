"""How long parts would take so many workers: the order of `Handing`, and a clock in place of the workers."""

import heapq
from collections.abc import Callable, Iterable
from typing import Any

from cnnviz.maximization.execution.handing import Handing


def replay(parts: Iterable[Any], changing: Callable[[Any], float], workers: int) -> float:
    """Seconds until all parts are made. A part's `effort`: the seconds that it takes a worker; changing: those that a
    worker takes before the first of its parts of another layer or checkpoint.
    """
    queue, at = Handing[Any](parts), dict[int, tuple[Any, str]]()
    free, end = [(0.0, worker) for worker in range(workers)], 0.0
    while free:
        now, worker = heapq.heappop(free)
        end = max(end, now)
        if (part := queue.next(worker, workers)) is None:
            continue
        place = (part.state, part.layer)
        seconds = part.effort + (changing(part) if at.get(worker) != place else 0.0)
        at[worker] = place
        heapq.heappush(free, (now + seconds, worker))
    return end
