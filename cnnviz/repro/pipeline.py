"""DVC's repro in this process: what it finds wrong is said in a line."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from dvc.config import ConfigError
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.ui import ui
from dvc_data.hashfile.cache import DiskError

from cnnviz.errors import InputError
from cnnviz.files import STATUSES, exit_status, interrupted, say
from cnnviz.repro.objects import Checked

UNREADABLE = (sqlite3.DatabaseError, DiskError)


def run() -> int:
    """`dvc repro`. Returns its exit status, of a stage that was interrupted one of STATUSES.

    Raises InputError where another DVC is at work, OSError where the disk can't be used.
    """
    ui.enable()
    try:
        with Repo() as repo:
            try:
                done = _reproduce(repo)
            except Exception as error:
                if not any(isinstance(one, UNREADABLE) for one in _causes(error)):
                    raise
                # what it noted of the files that it has seen, outside of this folder: it looks again
                say(f"{repo.site_cache_dir}: DVC's notes on files cannot be read; removed")
                repo.close()
                shutil.rmtree(repo.site_cache_dir)
                done = _reproduce(Repo())
    except Exception as error:
        return _status(error, list(_causes(error)))
    if not done:
        ui.write("Data and pipelines are up to date.")
    return 0


def _reproduce(repo: Repo) -> list[Any]:
    """The stages that were made, or taken out of DVC's cache."""
    repo.stage_cache = Checked(repo)
    done: list[Any] = repo.reproduce()
    return done


def _status(error: Exception, causes: list[BaseException]) -> int:
    """Say what was wrong, unless the stage said it."""
    if disk := next((one for one in causes if isinstance(one, OSError)), None):
        raise disk
    if busy := next((one for one in causes if isinstance(one, LockError)), None):
        raise InputError(f"another DVC is at work in this folder: {' '.join(str(busy).split())}")
    ended = re.search(r"exited with (-?\d+)$", str(causes[-1]))
    status = exit_status(int(ended[1])) if ended else 1
    if status in STATUSES:
        say(interrupted("make repro"))
        return status
    if not isinstance(error, DvcException):
        raise error
    with suppress(ValueError):  # its word for nothing to show
        if hasattr(error, "__pretty_exc__"):  # dvc.yaml, line by line
            error.__pretty_exc__()
            return 1
    reasons = list(dict.fromkeys(" ".join(str(cause).split()) for cause in causes))
    told = [one for i, one in enumerate(reasons) if one and not any(one in other for other in reasons[:i])]
    of_config = isinstance(error, ConfigError)
    remedy = "; mend .dvc/config or .dvc/config.local, or take it back: git checkout .dvc/config" if of_config else ""
    say(f"ERROR: {': '.join(told)}{remedy}")
    return 1


def _causes(error: BaseException | None) -> Iterator[Any]:
    while error is not None:
        yield error
        error = error.__cause__
