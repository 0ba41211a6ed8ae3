"""Where files lie, and how they are written: whole or not at all.

Paths are relative to the project's root, which is the working folder of every stage.
"""

import errno
import json
import os
import platform
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cnnviz.errors import InputError, shortened
from cnnviz.files.quiet import say

ARTIFACTS = Path("artifacts")

# Filters of a layer, the first ones, of which everything is made and kept: pictures by step and from patches, checks.
# Of the others of a larger layer picture, curve and scores: a whole network would take tens of gigabytes.
WHOLE = 64

LOCAL = Path(".cache")  # timings, and what track noted: of this folder

# Downloads and rendered filters: the project's own also for an experiment that DVC runs in a temporary folder. Deleting
# either costs time, never results.
CACHE = Path(os.environ.get("DVC_ROOT") or ".") / LOCAL


_LFS = b"version https://git-lfs"

emptied: list[Path] = []  # by this process


def fresh(folder: Path) -> Path:
    """Empty and return an output folder, so that nothing of an earlier run stays in it."""
    if folder.exists():
        shutil.rmtree(folder)
        emptied.append(folder)
    folder.mkdir(parents=True)
    return folder


@contextmanager
def alone(name: str, busy: str = "", wait: bool = True) -> Iterator[None]:
    """Inside, no other process of this folder is in `alone` of the same name, which a killed one leaves at once.

    busy: what is said where another one is there, before it is waited for, or, without `wait`, as an InputError.
    """
    from filelock import FileLock, Timeout

    LOCAL.mkdir(exist_ok=True)
    lock = FileLock(LOCAL / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise InputError(busy) from None
        if busy:
            say(busy)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def read_json(path: Path) -> Any:
    """What an earlier stage wrote. Raises InputError where it cannot be read as JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged ({error}); remove it, then: make repro") from None


def read_kept(path: Path) -> dict[str, Any]:
    """A JSON object that is kept to save time only; empty where it is not there or, for any reason, can't be read."""
    try:
        found = read_json(path) if path.is_file() else {}  # a pipe would be waited for
    except (OSError, InputError):
        return {}
    return found if isinstance(found, dict) else {}


def lfs_pointer(path: Path) -> str:
    """What to say where Git LFS left a note in place of a file, "" where it is something else."""
    with path.open("rb") as file:
        found = file.read(len(_LFS)) == _LFS
    return "a Git LFS pointer, not the file itself; run `git lfs pull` where it came from" if found else ""


def write_json(path: Path, data: Any) -> None:
    """Write JSON with sorted layout kept as given, floats as Python prints them, and a final newline; whole or not."""
    write_bytes(path, (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: a reader, or a run after a kill, never sees half of it.

    Nor do two writers meet, be they on two machines that share the folder: the last one's file stays, whole.
    """
    mine = f"{platform.node()[:32]}-{os.getpid()}-{secrets.token_hex(4)}"
    partial = path.with_name(f".{path.name[:64]}.{mine}.part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(data)
            partial.replace(path)
        finally:
            with suppress(OSError):
                partial.unlink()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """An OSError from inside names this file, not a part of it; those of a full disk name none."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


LONGEST = 500  # characters of a path in a line

# What a user can do about the errors of the operating system
_REMEDIES = {
    (errno.ENOSPC, errno.EDQUOT): "make room there",
    (errno.EROFS, errno.EACCES, errno.EPERM): "it needs the right to read and write there",
    (errno.ENAMETOOLONG,): "give it a shorter name, or move this folder to a shorter path",
    (errno.EISDIR, errno.ENOTDIR, errno.EEXIST): "remove what is in its place",
}


def unusable(error: OSError, command: str) -> str:
    """An error of the operating system in one line: the path, what is wrong, what to do before `command` again."""
    what = error.strerror or " ".join(str(error).split()) or type(error).__name__
    remedy = next((words for codes, words in _REMEDIES.items() if error.errno in codes), None)
    path = error.filename if isinstance(error.filename, (str, bytes)) else "" if remedy else None
    where = "" if path is None else f"{shortened(str(Path(os.fsdecode(path)).absolute()), LONGEST)}: "
    return f"{where}{what}; {remedy or 'mend that'}, then: {command}"
