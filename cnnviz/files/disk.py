"""Where files lie, and how they are written: whole or not at all.

Paths are relative to the project's root, which is the working folder of every stage.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ARTIFACTS = Path("artifacts")

LOCAL = Path(".cache")  # timings, and what track noted: of this folder

# Downloads and rendered filters: the project's own also for an experiment that DVC runs in a temporary folder. Deleting
# either costs time, never results.
CACHE = Path(os.environ.get("DVC_ROOT") or ".") / LOCAL


def fresh(folder: Path) -> Path:
    """Empty and return an output folder, so that nothing of an earlier run stays in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Inside, no other process of this folder is in `alone` of the same name."""
    from filelock import FileLock

    LOCAL.mkdir(exist_ok=True)
    with FileLock(LOCAL / f"{name}.lock"):
        yield


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, data: Any) -> None:
    """Write JSON with sorted layout kept as given, floats as Python prints them, and a final newline; whole or not."""
    write_bytes(path, (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: a reader, or a run after a kill, never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
