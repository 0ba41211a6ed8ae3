"""When a stage ran, how long and on what: what cnnviz/files/running.py measured, kept for each state of the stage.

`.cache/timings/<stage>.json` is of the stage's last run. The sync gives it to the entry of dvc.lock that it finds then,
so that a stage which DVC restores later, without running it, is not credited with another state's times.
"""

from pathlib import Path
from typing import Any

from cnnviz.files import LOCAL, home, read_kept, write_json

Timing = dict[str, Any]
OF_EACH = ("seconds", "network_seconds", "peak_memory_mb")  # numbers of each part
OF_ALL = (*OF_EACH, "started", "ended", "cpu_seconds")


def of(name: str, key: str) -> Timing | None:
    """What was measured for the stage `name` in the state `key` of dvc.lock; None where that was not run here."""
    if known := noted(name, key):
        return known
    latest = LOCAL / "timings" / f"{name}.json"
    timing = _read(latest)
    if not timing or timing.get("lock_key", key) != key:
        return None
    timing["lock_key"] = key
    write_json(latest, timing)
    write_json(_kept(name, key), timing)
    return timing


def noted(name: str, key: str) -> Timing:
    """The same of any state, past ones too, without giving it a measurement that has no state yet; empty if unknown."""
    return _read(_kept(name, key))


def _kept(name: str, key: str) -> Path:
    """In the project's own folder also for an experiment in a temporary one, whose cache is deleted with it."""
    return home() / LOCAL / "timings" / name / f"{key}.json"


def _read(path: Path) -> Timing:
    """A timings file; empty where it is not there or holds something else."""
    found = read_kept(path)
    well = _has_numbers(found, OF_ALL) and isinstance(found.get("cpu", ""), str)
    well &= all(isinstance(found.get(key, {}), dict) for key in ("parts", "packages", "device"))
    return found if well and all(_has_numbers(part, OF_EACH) for part in found.get("parts", {}).values()) else {}


def _has_numbers(one: Any, keys: tuple[str, ...]) -> bool:
    return isinstance(one, dict) and all(type(one.get(k)) in (int, float) and abs(one[k]) < 1e12 for k in keys)
