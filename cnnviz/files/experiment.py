"""An experiment that DVC runs in a temporary folder, which holds what Git tracks: not the files that it never saw."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from cnnviz.errors import InputError


def home() -> Path:
    """The project's own folder, also for an experiment in a temporary one: DVC_ROOT, which DVC sets for its stages."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()


def check_brought(paths: Iterable[tuple[str, str | None]]) -> None:
    """Raise InputError for the first path, of (its key in params.yaml, the path or None), that the project has and
    this temporary folder has not, or not all files of.

    They are not taken from the project: what DVC does not see here, it would take for unchanged in a later experiment.
    """
    if home() == Path.cwd().resolve():
        return
    for key, path in paths:
        lost = [name for name in _untracked(path) if not os.path.lexists(name)] if path else []
        if lost:
            more = f" and {len(lost) - 1} more files" if len(lost) > 1 else ""
            raise InputError(
                f"params.yaml: {key}: {lost[0]}{more}: not in the folder of this experiment, since Git does not track "
                f"it; run it without --queue and --temp, or with --copy-paths {path}, or track it: git add {path}"
            )


def _untracked(path: str) -> list[str]:
    """Files at or below a path of the project that Git does not know, ignored ones, too, but for hidden ones."""
    command = ["git", "--no-optional-locks", "ls-files", "--others", "-z", "--", path]
    try:
        done = subprocess.run(command, cwd=home(), capture_output=True, check=False)
    except OSError:
        return []
    names = map(os.fsdecode, filter(None, done.stdout.split(b"\0")))
    return sorted(name for name in names if not any(part.startswith(".") for part in Path(name).parts))
