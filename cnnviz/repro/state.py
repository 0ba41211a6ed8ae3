"""What DVC writes in place, so that a kill or a full disk may leave half of it: dvc.lock and its list of locked files.

DVC reads neither again, and would stop with an error for ever.
"""

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnnviz.errors import InputError
from cnnviz.fields import LARGEST
from cnnviz.files import LOCAL, say, write_bytes
from cnnviz.tracking import lockfile

LOCK = Path("dvc.lock")
KEPT = LOCAL / "dvc.lock"  # the last whole one
# Which files which process of DVC reads and writes
LOCKED = (Path(".dvc/tmp/rwlock"), Path(".dvc/tmp/exps/rwlock"))


def mend() -> None:
    """Make both such as DVC takes them, and keep a copy of dvc.lock.

    What a lost entry of dvc.lock stood for comes out of DVC's cache. Raises InputError for a merge conflict.
    """
    for path in LOCKED:
        if path.exists():
            _mend_locked(path)
    text, kept = _read(LOCK), _read(KEPT)
    if text is None or (text == kept and not _unreadable(text)):
        return
    if problem := _problem(text):
        whole = next((one for one in (kept, _committed()) if one and _is_whole(one)), None)
        if whole is None:
            LOCK.unlink()
            say(f"{LOCK}: damaged ({problem}); removed: what it stood for comes out of DVC's cache, or is made again")
            return
        say(f"{LOCK}: damaged ({problem}); the last whole one is back")
        write_bytes(LOCK, whole)
        text = whole
    write_bytes(KEPT, text)


def _unreadable(text: bytes) -> str:
    """Why this is no dvc.lock at all, "" where it may be one: what a power cut leaves of two files alike."""
    try:
        lockfile.parsed(text, str(LOCK))
    except lockfile.Damaged as problem:
        return problem.reason
    return ""


def _problem(text: bytes) -> str:
    """Why DVC would not take this dvc.lock, "" where it does."""
    if reason := _unreadable(text):
        return reason
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import loads_yaml
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(loads_yaml(text.decode()))
    except Invalid as problem:
        return str(problem)
    except Exception as problem:  # what ruamel makes of damaged text
        return " ".join(str(problem).split())[:200]
    return ""


def _is_whole(text: bytes) -> bool:
    try:
        return not _problem(text)
    except InputError:  # the marks of a merge conflict
        return False


def _read(path: Path) -> bytes | None:
    """None where there is none, nothing of what is no file: a pipe would be waited for."""
    with suppress(OSError):
        return path.read_bytes() if path.is_file() else b"" if path.exists() else None
    return None


def _committed() -> bytes | None:
    """The one of the last commit."""
    with suppress(OSError):
        done = subprocess.run(["git", "show", f"HEAD:./{LOCK}"], capture_output=True, check=False)
        return done.stdout if done.returncode == 0 else None
    return None


def _mend_locked(path: Path) -> None:
    """Remove a list that can't be read, or that names only processes that are gone or are no DVC: after a kill and a
    restart of the machine their numbers are those of others.
    """
    import psutil
    from zc.lockfile import LockError, LockFile

    with suppress(LockError):  # another DVC has it open
        guard = LockFile(f"{path}.lock")  # as DVC itself does
        try:
            numbers = _holders(_read(path) or b"")
            if numbers is None or (numbers and not any(_is_dvc(psutil, number) for number in numbers)):
                path.unlink()
        finally:
            guard.close()


def _holders(text: bytes) -> set[int] | None:
    """The processes that a list names, None for a text that DVC would not take."""
    try:
        lists = json.loads(text)
        each = [*lists.pop("write", {}).values(), *(one for some in lists.pop("read", {}).values() for one in some)]
        well = not lists and all(one.keys() == {"pid", "cmd"} for one in each)
        numbers = {one["pid"] for one in each}
        return numbers if well and all(type(one) is int and 0 < one <= LARGEST for one in numbers) else None
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def _is_dvc(psutil: Any, number: int) -> bool:
    """Whether another process of this number runs DVC."""
    try:
        words = psutil.Process(number).cmdline()
    except psutil.Error:
        return False
    return number != os.getpid() and any("dvc" in word or "cnnviz.repro" in word for word in words)
