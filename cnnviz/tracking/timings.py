"""When a stage ran, how long and on what: what cnnviz/files/running.py measured, kept for each state of the stage.

`.cache/timings/<stage>.json` is of the stage's last run. The sync gives it to the entry of dvc.lock that it finds then,
so that a stage which DVC restores later, without running it, is not credited with another state's times.
"""

import os
from pathlib import Path
from typing import Any

from cnnviz.files import LOCAL, read_json, write_json

Timing = dict[str, Any]


def of(name: str, key: str) -> Timing | None:
    """What was measured for the stage `name` in the state `key` of dvc.lock; None where that was not run here."""
    # the project's own folder also for an experiment in a temporary one, whose cache is deleted with it
    kept = Path(os.environ.get("DVC_ROOT") or ".") / LOCAL / "timings" / name / f"{key}.json"
    if (known := _read(kept)) is not None:
        return known
    latest = LOCAL / "timings" / f"{name}.json"
    timing = _read(latest)
    if timing is None or timing.get("lock_key", key) != key:
        return None
    timing["lock_key"] = key
    write_json(latest, timing)
    write_json(kept, timing)
    return timing


def _read(path: Path) -> Timing | None:
    try:
        found = read_json(path)
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
