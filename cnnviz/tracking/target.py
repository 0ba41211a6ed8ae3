"""Where the runs go, and what can be asked of that store in milliseconds, without MLflow."""

import http.client
import json
import os
import socket
import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlparse

LIMIT = 4.0  # seconds that a store may take to answer
T = TypeVar("T")


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
    def own(self) -> bool:
        """Whether this is the project's default store, which only this machine writes to."""
        return self.file == self.root / "mlflow.db"

    @property
    def artifacts(self) -> Path | None:
        """Where runs keep their files; None: the server decides."""
        if self.uri.startswith("http"):
            return None
        return (self.file.parent if self.file else self.root) / "mlruns"

    @property
    def shown(self) -> str:
        """The address without a password."""
        parts = urlparse(self.uri)
        return self.uri.replace(f":{parts.password}@", ":…@") if parts.password else self.uri


def target() -> Target:
    """Read DVC_ROOT, which DVC sets for its stages, and MLFLOW_TRACKING_URI; default: mlflow.db in the project."""
    root = Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    relative = uri.removeprefix("sqlite:///")
    if relative != uri and not relative.startswith("/"):
        uri = f"sqlite:///{root / relative}"
    return Target(root, uri.rstrip("/"))


def in_sqlite(file: Path, runs: list[str]) -> bool:
    """Whether the database has all these runs, complete, with their folders of files, and no run that is not whole."""
    query = "SELECT run_uuid, artifact_uri, value FROM runs JOIN tags USING (run_uuid) "
    query += "WHERE lifecycle_stage = 'active' AND key = 'complete'"
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            found = {run: (uri, complete) for run, uri, complete in database.execute(query)}
    except sqlite3.Error:
        return False
    if any(complete != "true" for _, complete in found.values()):
        return False
    return all(run in found and Path(unquote(urlparse(found[run][0]).path)).is_dir() for run in runs)


def on_server(uri: str, experiment: str, runs: list[str]) -> bool:
    """As `in_sqlite`, over MLflow's REST interface and without the files. Raises OSError where nobody answers in time.

    A server that wants a password says no; MLflow's own client asks it later.
    """

    def search(condition: str) -> set[str]:
        query = {"experiment_ids": [experiment], "filter": condition, "max_results": 1000}
        request = urllib.request.Request(  # noqa: S310 (http or https: see the caller)
            f"{uri}/api/2.0/mlflow/runs/search", json.dumps(query).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:  # noqa: S310
            return {run["info"]["run_id"] for run in json.load(answer).get("runs", [])}

    def ask() -> bool:
        whole = "tags.complete = 'true' AND tags.current = 'true'"
        return set(runs) <= search(whole) and not search("tags.complete = 'false'")

    try:
        return _in_time(ask)
    except (urllib.error.HTTPError, ValueError):
        return False


def reach(where: Target) -> None:
    """Raise OSError with the reason where a remote store does not answer in time."""
    parts = urlparse(where.uri)
    if where.file or not parts.hostname:
        return

    def ask() -> None:
        if where.uri.startswith("http"):
            with (
                suppress(urllib.error.HTTPError),  # it answers; whether it accepts us is for MLflow's client to say
                urllib.request.urlopen(f"{where.uri}/health", timeout=LIMIT),  # noqa: S310
            ):
                pass
        else:
            default = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}.get(parts.scheme.split("+")[0], 80)
            socket.create_connection((parts.hostname or "", parts.port or default), LIMIT).close()

    _in_time(ask)


def _in_time(ask: Callable[[], T]) -> T:
    """Return what `ask` returns, or raise what it raises; OSError after LIMIT seconds, whatever it waits for.

    In a thread, since looking up a host has no time-out and a server may answer byte by byte.
    """
    result: Future[T] = Future()

    def work() -> None:
        try:
            result.set_result(ask())
        except Exception as error:
            result.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        return result.result(LIMIT)
    except TimeoutError as error:
        raise OSError(f"no answer in {LIMIT:.0f} s") from error
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP: {error}") from error
