"""What long work says while one waits: what is being made, how long it will take, how long it took.

On a terminal a bar; elsewhere (CI, nohup) lines on stderr: when it begins, an estimate once there is something to
measure, then at most one a minute, and the end.
"""

import sys
import time
from typing import Any

from tqdm import tqdm

from cnnviz.files.disk import LOCAL, read_kept
from cnnviz.files.quiet import say

FIRST, EVERY = 10, 60  # seconds until the first estimate, between lines
ENOUGH = 0.01  # of the work from which on it is estimated: what is made once, such as a graph, is in the first steps


class Paces:
    """Of the stage that this process runs: seconds per unit of effort of each of its works, in its last run and now."""

    def __init__(self, stage: str = "") -> None:
        paces = read_kept(LOCAL / "timings" / f"{stage}.json").get("paces")
        known = paces.items() if isinstance(paces, dict) else ()
        self.last = {name: float(pace) for name, pace in known if isinstance(pace, (int, float)) and 0 <= pace < 1e9}
        self.now = dict(self.last)  # what this run finds made already was timed by an earlier one


_paces = Paces()


def begin(stage: str) -> dict[str, float]:
    """From now on `progress` is work of this stage. Returns the paces that it notes, to be kept in its timings file."""
    global _paces
    _paces = Paces(stage)
    return _paces.now


class Progress:
    """One piece of work. `update(n)` when n of its units are made, `skip(n)` when they were there from an earlier run.

    each: what a unit costs from now on, for work whose units differ; `effort`, of the whole, is in the same measure.
    """

    def __init__(self, total: float, unit: str, name: str, what: str, effort: float) -> None:
        self.name, self.effort, self.each = name, effort, 1.0
        self.made, self.started = 0.0, time.monotonic()
        self.terminal = sys.stderr.isatty()
        pace = _paces.last.get(name)
        say(f"{name}: {what}" + ("" if pace is None else f"; about {duration(pace * effort)}"))
        self.due = self.started + (FIRST if pace is None else EVERY)
        self.bar: tqdm[Any] = tqdm(total=total, unit=unit, desc=name, disable=not self.terminal, leave=False)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self.close(done=error[0] is None)

    def update(self, count: float = 1) -> None:
        self.made += count * self.each
        self.bar.update(count)
        now = time.monotonic()
        if not self.terminal and now >= self.due and ENOUGH * self.effort <= self.made < self.effort:
            left = (now - self.started) * (self.effort / self.made - 1)
            say(f"{self.name}: {self.made / self.effort:.0%}, about {duration(left)} more")
            self.due = now + EVERY

    def skip(self, count: float) -> None:
        self.effort -= count * self.each
        self.bar.update(count)

    def note(self, text: str) -> None:
        """A few words behind the bar."""
        self.bar.set_postfix_str(text)

    def close(self, done: bool = True) -> None:
        self.bar.close()
        took = time.monotonic() - self.started
        if self.made:
            _paces.now[self.name] = took / self.made
        if done and not self.terminal:
            say(f"{self.name}: done in {duration(took)}")


def progress(total: int, unit: str, name: str, what: str = "", effort: float | None = None) -> Progress:
    """Begin a piece of work of `total` units. what: what is made, in a few words, where the number of units is not it;
    effort: see Progress, by default a unit of work is as good as another.
    """
    what = what or f"{total:,} {unit}{'' if total == 1 else 's'}"
    return Progress(total, unit, name, what, float(total) if effort is None else effort)


def duration(seconds: float) -> str:
    """In words, as exact as one wants to know it: 7 s, 40 s, 4 min, 1 h 20 min."""
    if seconds < 90:
        return f"{max(1, round(seconds) if seconds < 20 else 5 * round(seconds / 5))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
