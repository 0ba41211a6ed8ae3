"""Decide whether MLflow's store lacks anything, and bring it up to date: fast where there is nothing to do.

`import mlflow` costs seconds, so `.cache/tracked.json` remembers what was written for which dvc.lock, and the store is
asked without MLflow whether these runs are still there.
"""

import os
import shutil
import sqlite3
import subprocess
from collections import deque
from contextlib import closing
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import Any

from cnnviz.files import LOCAL, read_kept, say, write_json
from cnnviz.tracking import links, lockfile, server, views
from cnnviz.tracking.target import Target, in_sqlite, target

SIDECAR = LOCAL / "tracked.json"
TABLES = {"alembic_version", "experiments", "runs", "tags", "params", "metrics", "latest_metrics"}  # of MLflow's
PATIENCE = 300  # seconds to wait for another sync
PATIENT = {  # a server that hangs half way costs seconds, not the minutes that MLflow would wait
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "6",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "PGCONNECT_TIMEOUT": "6",
}


def run() -> str:
    """Bring the store up to date with dvc.lock. Returns what was done in a line; a store's failure is such a line, too.

    Raises InputError where dvc.lock cannot be read.
    """
    where, entries = target(), lockfile.read()
    if not entries:
        return "track: no finished stage in dvc.lock yet"
    if fault := where.fault:
        return _warning(where, f"MLFLOW_TRACKING_URI: {fault}")
    states = [(e.name, e.key, e.present()) for e in entries]
    asked = lockfile.digest([where.uri, metadata.version("mlflow"), views.LAYOUT, states])
    try:
        if _up_to_date(where, asked):
            return "track: nothing new"
        server.reach(where.uri)
        return _alone(where, entries, asked)
    except OSError as error:
        return _warning(where, error)


def experiment() -> str | None:
    """Id of MLflow's experiment, None before the first sync."""
    return _sidecar().get("experiment")


def link(base: str) -> None:
    """Let the report's links lead to the MLflow server at `base`."""
    known = _sidecar()
    links.write(links.rows(base, known["experiment"], known.get("models", {}), lockfile.read()))


def _alone(where: Target, entries: list[lockfile.Entry], asked: str) -> str:
    """Write, one sync of a project at a time."""
    from filelock import FileLock, Timeout

    lock = where.root / LOCAL / "track.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=PATIENCE):
            return "track: nothing new" if _up_to_date(where, asked) else _write(where, entries, asked)
    except Timeout:
        return _warning(where, f"another sync has been at work for {PATIENCE} s")


def _write(where: Target, entries: list[lockfile.Entry], asked: str) -> str:
    """The slow part, under the lock."""
    for name, value in PATIENT.items():
        os.environ.setdefault(name, value)
    from cnnviz.tracking import runs
    from cnnviz.tracking import store as tracking

    workspace, common = Path.cwd().resolve() == where.root, _common()
    common["git.differs"] = _differs() if common["git.dirty"] == "true" else "nothing"
    patience = server.Patience.of_sync()

    def log() -> tuple[runs.Done, int]:
        store = tracking.Store(where.uri, where.artifacts, where.own, common, patience)
        done = runs.sync(store, entries, workspace)
        made = done.made
        if made and not where.own and store.reread():  # another machine made some of them first: those stay
            done = runs.sync(store, entries, workspace)
        return done, made

    try:
        if where.own and where.file:
            _prepare(where.file, where.root / "mlruns")
        done, made = log() if where.file else server.in_time(log, patience)
    except tracking.STORE_ERRORS as error:
        return _warning(where, error)
    dirty = common["git.dirty"] == "true"
    known = {"asked": asked, "experiment": done.experiment, "runs": done.runs, "models": done.models, "dirty": dirty}
    write_json(SIDECAR, known)
    if workspace:
        link(server.page(where.uri) if where.on_server else links.base())
    line = f"track: {made} runs made, {len(done.runs)} show what dvc.lock holds"
    if done.absent:
        line += f"\ntrack: no files of {', '.join(done.absent)}, so no runs; `dvc checkout` or `make repro` brings them"
    return line


def _prepare(file: Path, mlruns: Path) -> None:
    """The database is whole and of this MLflow: it is a view, so that a damaged one is set aside and made anew.

    It follows the project's folder when that was moved.
    """
    from cnnviz.tracking import client, store

    partial = file.with_name("mlflow.db.part")
    partial.unlink(missing_ok=True)
    if os.path.lexists(file):
        problem = _problem(file)
        try:
            if not problem and client.upgrade(file, partial):
                before = _free(file, "before-upgrade")
                shutil.copyfile(file, before)
                partial.replace(file)
                say(f"{file.name}: of an older MLflow, upgraded; as it was: {before.name}")
        except Exception as error:  # alembic's own are of no common kind
            problem = f"of another MLflow: {server.reason(error, str(file))}"
        if problem:
            aside = file.replace(_free(file, "damaged"))
            say(f"{file.name}: {problem}; set aside as {aside.name}, and made anew from dvc.lock")
    if not file.exists():
        for stale in file.parent.glob("mlflow.db-*"):  # SQLite would replay a lost database's journal into the new one
            stale.unlink()
        for run in _sidecar().get("runs", []):  # files of runs that went with the database
            shutil.rmtree(mlruns / run, ignore_errors=True)
        partial.unlink(missing_ok=True)
        client.create_database(partial, mlruns)
        partial.replace(file)
    new = mlruns.as_uri()
    with closing(sqlite3.connect(file)) as database, database:
        query = "SELECT artifact_location FROM experiments WHERE name = ?"
        old = (database.execute(query, (store.EXPERIMENT,)).fetchone() or [new])[0]
        if old != new:
            moved = "= ? || substr({0}, length(?) + 1) WHERE substr({0}, 1, length(?)) = ?"
            for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
                database.execute(f"UPDATE {table} SET {column} {moved.format(column)}", (new, old, old, old))  # noqa: S608


def _problem(file: Path) -> str:
    """Why this is no database of MLflow; "" where it is one. Raises sqlite3.Error where it cannot be asked now."""
    if not file.is_file():
        return "a folder, a pipe or a link to nothing"
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True)) as database:
            (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for name in tables & TABLES if said == "ok" else ():  # it checks no text, which MLflow could not read
                deque(database.execute(f'SELECT * FROM "{name}"'), maxlen=0)  # noqa: S608 (one of TABLES)
    except UnicodeDecodeError:  # in what it says of the damage
        return "damaged (text that is no UTF-8)"
    except sqlite3.DatabaseError as error:
        if "decode" in str(error):
            return f"damaged ({' '.join(str(error).split())[:200]})"
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        return str(error)
    if said != "ok":
        return f"damaged ({said})"
    return "" if tables >= TABLES else "no database of MLflow"


def _free(file: Path, word: str) -> Path:
    """`mlflow.db.<word>`, or with a number behind it where that is taken."""
    names = (file.with_name(f"{file.name}.{word}{number or ''}") for number in count())
    return next(name for name in names if not os.path.lexists(name))


def _up_to_date(where: Target, asked: str) -> bool:
    """Whether the last sync was for the same, the store still has its runs, and their commit need not be settled."""
    known = _sidecar()
    if known.get("asked") != asked or "models" not in known:
        return False
    if known["dirty"] and _common()["git.dirty"] == "false":
        return False
    if where.file:
        return in_sqlite(where.file, known["runs"])
    return where.on_server and server.has(where.uri, known["experiment"], known["runs"])


def _sidecar() -> dict[str, Any]:
    """What the last sync noted; nothing where that is not what one notes."""
    noted = read_kept(SIDECAR)
    kinds = {"asked": str, "experiment": str, "runs": list, "dirty": bool}
    well = all(isinstance(noted.get(key), kind) for key, kind in kinds.items())
    # their names become those of folders to be removed
    return noted if well and all(isinstance(run, str) and run.isalnum() for run in noted["runs"]) else {}


def _warning(where: Target, problem: object) -> str:
    """One line. The password of a store's address may stand in its error message, too."""
    said = server.reason(problem, where.uri)
    if "out-of-date database schema" in said:
        said = f"its schema is of another MLflow; make a copy of it, then: mlflow db upgrade {where.shown}"
    return f"warning: MLflow store {where.shown}: {said}; all results are in artifacts/, to log them later: make repro"


def _common() -> dict[str, str]:
    """Tags of every run. Dirty: the commit does not hold the dvc.lock and the tracked files that are here."""
    commit = _git("rev-parse", "HEAD")
    held = commit and _git("cat-file", "-t", "HEAD:./dvc.lock") and _git("status", "--porcelain", "-uno") == ""
    tags = {"git.commit": commit or "none", "git.dirty": "false" if held else "true"}
    if commit:
        tags["mlflow.source.git.commit"] = commit  # which MLflow's pages show beside the run's source
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags["dvc.experiment"] = experiment
    return tags


def _differs() -> str:
    """What the commit does not hold of what is here, in words."""
    held = _git("show", "HEAD:./dvc.lock")
    listed = (_git("status", "--porcelain", "-uno", "--no-renames") or "").splitlines()
    changed = [line.split(maxsplit=1)[-1] for line in listed]
    parts = [lockfile.some([name for name in changed if not name.endswith("dvc.lock")])]
    if held is None:
        parts.append("dvc.lock is in no commit")
    elif found := lockfile.differences(held.encode(), Path("dvc.lock").read_bytes()):
        parts.append(f"dvc.lock: {found}")
    return "; ".join(filter(None, parts)) or "dvc.lock"


def _git(*args: str) -> str | None:
    """Output of a git command, None where it fails or there is no git."""
    try:
        done = subprocess.run(["git", "--no-optional-locks", *args], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
