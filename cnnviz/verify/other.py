"""What the outputs here are held against: a dvc.lock, committed or as a file, another clone, or its artifacts."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from cnnviz.errors import InputError
from cnnviz.files import ARTIFACTS, computed_on, machine, read_kept
from cnnviz.tracking import lockfile
from cnnviz.verify.sides import Folder

LOCK = "dvc.lock"
COMMITTED = "HEAD"  # the working dvc.lock is overwritten by every `dvc repro`


@dataclass(frozen=True)
class Other:
    """title: for people; entries: stages of its dvc.lock, none where there isn't one; folder: its files, if it has any;
    root: the clone, if it is one.
    """

    title: str
    entries: list[lockfile.Entry]
    folder: Folder | None = None
    root: Path | None = None


def find(given: str | None) -> Other:
    """Take what was given on the command line. Raises InputError for anything that can't be compared with."""
    if not Path(LOCK).is_file():
        raise InputError(f"{LOCK}: not found; run this in the project's folder, after `make repro`")
    path = Path(given or "")
    if given is not None and path.is_dir():
        return _folder(path)
    if given is not None and path.is_file():
        return Other(str(path), lockfile.parse(path.read_bytes(), str(path)))
    return _commit(given or COMMITTED)


def _folder(path: Path) -> Other:
    if path.resolve() in (Path.cwd(), Path.cwd() / ARTIFACTS):
        raise InputError(f"{path}: that is this folder; give another clone")
    lock = path / LOCK
    entries = lockfile.parse(lock.read_bytes(), str(lock)) if lock.is_file() else []
    if (path / ARTIFACTS).is_dir():
        return Other(str(path), entries, Folder(path / ARTIFACTS), path)
    if (path / "models").is_dir() and ((path / "maximize").is_dir() or (path / "feature_maps").is_dir()):
        return Other(str(path), [], Folder(path), path.parent)
    if entries:
        return Other(str(lock), entries, None, path)
    raise InputError(f"{path}: no artifacts in it; expected another clone of the project, or its folder artifacts")


def _commit(revision: str) -> Other:
    try:
        command = ["git", "rev-parse", "--quiet", "--verify", "--short", "--end-of-options", f"{revision}^{{commit}}"]
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        command = ["git", "show", "--end-of-options", f"{commit}:./{LOCK}"]
        text = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, ValueError, subprocess.CalledProcessError):
        expected = "expected another clone, its artifacts, a dvc.lock, or a commit of this repository that has one"
        raise InputError(f"{revision}: {expected}") from None
    title = f"{LOCK} of {revision}" + (f" ({commit})" if not commit.startswith(revision) else "")
    return Other(title, lockfile.parse(text, title))


def processors(root: Path | None) -> list[str]:
    """What the stages that compute ran on in the clone `root`, as their timings say; none where they say nothing."""
    found: dict[str, None] = {}
    for stage in ("feature_maps", "maximize"):
        for file in sorted((root / ".cache" / "timings").glob(f"{stage}@*.json")) if root else ():
            if where := computed_on(read_kept(file)):
                found[where] = None
    return list(found)


def here() -> list[str]:
    """The same of this clone; this machine's processor where the outputs come from elsewhere."""
    return processors(Path()) or [machine.described()]
