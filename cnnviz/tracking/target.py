"""Where the runs go, whether a database in a file has them, and which there are, in milliseconds, without MLflow."""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

from cnnviz.files import home
from cnnviz.tracking import server


@dataclass(frozen=True)
class Target:
    """Where runs go. `root` is the project's own folder, even in an experiment that DVC runs in a temporary one."""

    root: Path
    uri: str

    @property
    def file(self) -> Path | None:
        """The SQLite file, None for other stores."""
        return Path(self.uri.removeprefix("sqlite:///")) if self.uri.startswith("sqlite:///") else None

    @property
    def on_server(self) -> bool:
        """Whether it is an MLflow server, not a database."""
        return server.on_http(self.uri)

    @property
    def page(self) -> str | None:
        """Where a browser finds the server that it is, None for a database, which `make ui` serves."""
        return server.page(self.uri) if self.on_server else None

    @property
    def own(self) -> bool:
        """Whether this is the project's default store, which only this machine writes to."""
        return self.file == self.root / "mlflow.db"

    @property
    def artifacts(self) -> Path | None:
        """Where runs keep their files; None: the server decides."""
        if self.on_server:
            return None
        return (self.file.parent if self.file else self.root) / "mlruns"

    @property
    def fault(self) -> str | None:
        """Why nothing can be kept there, and what is expected; None where it may be. Without asking a server."""
        if fault := server.fault(self.uri):
            return fault
        if self.file is None or self.own:
            return None
        if not self.file.parent.is_dir():
            return f"there is no folder {server.public(str(self.file.parent))}; make it"
        return "no database but something else has this name" if _is_no_file(self.file) else None

    @property
    def shown(self) -> str:
        """The address without a password."""
        return server.public(self.uri)


@dataclass(frozen=True)
class Run:
    """A whole run that `track` made. tags: those of docs/tracking.md; params: as text, cut where they are long."""

    id: str
    name: str
    experiment: str
    tags: dict[str, str]
    params: dict[str, str]


def target() -> Target:
    """Read MLFLOW_TRACKING_URI; default: mlflow.db in the project."""
    root = home()
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip() or "sqlite:///mlflow.db"
    relative = uri.removeprefix("sqlite:///")
    if relative != uri and not relative.startswith("/"):
        uri = f"sqlite:///{root / relative}"
    return Target(root, uri.rstrip("/"))


def _is_no_file(path: Path) -> bool:
    """A folder, a pipe, a link to nothing: SQLite would not begin a database there, or wait."""
    return os.path.lexists(path) and not path.is_file()


def in_sqlite(file: Path, runs: list[str]) -> bool:
    """Whether the database has all these runs, complete, with their folders of files, and no run that is not whole."""
    query = "SELECT run_uuid, artifact_uri, value FROM runs JOIN tags USING (run_uuid) "
    query += "WHERE lifecycle_stage = 'active' AND key = 'complete'"
    if not file.is_file():  # a pipe would be waited for
        return False
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            found = {run: (uri, complete) for run, uri, complete in database.execute(query)}
    except sqlite3.Error:
        return False
    if any(complete != "true" for _, complete in found.values()):
        return False
    return all(run in found and Path(unquote(urlparse(found[run][0]).path)).is_dir() for run in runs)


def past_runs(where: Target) -> list[Run]:
    """All whole runs of the store, of past states, too; none where there is no store yet.

    Raises OSError where it can't be asked: a server that does not answer, a database elsewhere, a damaged file.
    """
    try:
        found = _told(where)
    except (OSError, sqlite3.Error) as error:
        raise OSError(server.reason(error, where.uri)) from error
    return [run for run in found if run.tags.get("complete") == "true" and "dvc.lock_key" in run.tags]


def _told(where: Target) -> list[Run]:
    if where.on_server:
        return [Run(**one) for one in server.runs(where.uri)]
    if where.file is None:
        raise OSError("a database elsewhere, which only MLflow can ask")
    return _runs(where.file) if where.file.is_file() else []


def _runs(file: Path) -> list[Run]:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        query = "SELECT run_uuid, name, experiment_id FROM runs WHERE lifecycle_stage = 'active' ORDER BY start_time"
        found = {run: Run(run, name or "", str(of), {}, {}) for run, name, of in database.execute(query)}
        for run, key, value in database.execute("SELECT run_uuid, key, value FROM tags"):
            if run in found:
                found[run].tags[key] = value
        for run, key, value in database.execute("SELECT run_uuid, key, value FROM params"):
            if run in found:
                found[run].params[key] = value
    return list(found.values())
