"""A copy of a watched training's folder: whether it is one of this training, and how it is brought up to date."""

import filecmp
import os
from collections.abc import Iterable
from pathlib import Path

from cnnviz.errors import InputError
from cnnviz.files import write_bytes
from cnnviz.networks.series.kept import read_moment
from cnnviz.networks.series.listing import files_of, missing, place, set_aside
from cnnviz.networks.series.record import NETWORK, SEEN, seen_in, watch_in, write_watch
from cnnviz.networks.series.stored import difference
from cnnviz.networks.series.telling import configured

ORIGIN = "from"  # in watch.json: of which folder it is a copy


def differs(folder: Path, copy: Path) -> str:
    """The file in a copy that tells that it is not of the training in `folder`; empty where it is.

    It is where the training went through the states that were copied. One that was taken up again behind some of them
    is the same where the copy was made from this very folder. A common start tells nothing of two folders: networks
    from one seed, or from one file, begin alike.
    """
    if _rebuilt(folder, copy):
        return NETWORK
    had, now = _states(copy), _states(folder)
    known = {(one.name, state) for one in seen_in(folder) for state in (one.state, one.kept)} | set(now.items())
    strange = [name for name in had if (name, had[name]) not in known]
    if watch_in(copy).get(ORIGIN) == _origin(folder):
        same = not had or len(strange) < len(had)
    else:
        same = not strange and (len(had) != 1 or had == now)
    return "" if same else f"{[*strange, *had][0]}.npz"


def bring(folder: Path, copy: Path) -> tuple[int, int, Path | None]:
    """Make a copy, or bring it up to date: how many files are new there, and how many were set aside, where.

    Those are set aside that the training gave up, not those that it only lost.
    """
    wanted = {file.name: file for file in files_of(str(folder))}
    had, now = _states(copy), _states(folder)
    there = {file.name for file in files_of(str(copy))} if copy.is_dir() else set()
    other = {f"{name}.npz" for name in had.keys() & now.keys() if had[name] != now[name]}
    left = (there - wanted.keys() - set(missing(folder))) | other
    aside = set_aside(copy, [copy / name for name in sorted(left)])
    changed = 0
    beside = {SEEN: folder / SEEN} if (folder / SEEN).is_file() else {}
    for name, file in ({NETWORK: wanted.pop(NETWORK)} | beside | wanted).items():  # the record before its files
        if not (copy / name).is_file() or not filecmp.cmp(copy / name, file, shallow=False):
            write_bytes(copy / name, file.read_bytes())
            changed += name != SEEN
        if name == NETWORK and watch_in(copy) != (about := watch_in(folder) | {ORIGIN: _origin(folder)}):
            write_watch(copy, about)
    if not beside:
        (copy / SEEN).unlink(missing_ok=True)
    return changed, len(left), aside


def _rebuilt(folder: Path, copy: Path) -> bool:
    """Whether both are known to be of networks of other layers, settings or wiring; weights and names may differ."""
    here, there = (watch_in(one).get("architecture") for one in (folder, copy))
    try:
        if here is not None and there is not None:
            return bool(difference(here, there))
        return configured(folder / NETWORK) != configured(copy / NETWORK)
    except (InputError, AttributeError, IndexError, KeyError, TypeError, ValueError):  # damaged, or edited by somebody
        return False


def _states(folder: Path) -> dict[str, str]:
    """What the files of a folder say of their states, by their names; without those that are damaged."""
    found = {}
    for file in _sorted(files_of(str(folder)) if folder.is_dir() else ()):
        try:
            found[file.stem] = read_moment(file).state
        except InputError:
            continue
    return found


def _sorted(files: Iterable[Path]) -> list[Path]:
    return sorted((file for file in files if place(file)), key=lambda file: place(file) or (0, 0))


def _origin(folder: Path) -> str:
    """From the project's folder, so that both may be moved together."""
    return Path(os.path.relpath(folder.resolve())).as_posix()
