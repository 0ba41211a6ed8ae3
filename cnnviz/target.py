"""Where the runs go, and what can be asked of that store in milliseconds, without MLflow."""

import json
import os
import socket
import sqlite3
import threading
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

LIMIT = 5.0  # seconds that a store may take to answer


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
    """Whether the database has all these runs, complete, with their folders of files."""
    query = "SELECT run_uuid, artifact_uri FROM runs JOIN tags USING (run_uuid) WHERE lifecycle_stage = 'active' "
    query += "AND key = 'complete' AND value = 'true'"
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            found = dict(database.execute(query))
    except sqlite3.Error:
        return False
    return all(run in found and Path(unquote(urlparse(found[run]).path)).is_dir() for run in runs)


def on_server(uri: str, experiment: str, runs: list[str]) -> bool:
    """Ask over MLflow's REST interface. A server that wants a password is asked by MLflow's own client later."""
    query = {
        "experiment_ids": [experiment],
        "filter": "tags.complete = 'true' AND tags.current = 'true'",
        "max_results": 1000,
    }
    request = urllib.request.Request(  # noqa: S310 (http or https: see the caller)
        f"{uri}/api/2.0/mlflow/runs/search", json.dumps(query).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:  # noqa: S310
            found = {run["info"]["run_id"] for run in json.load(answer).get("runs", [])}
    except (OSError, ValueError):
        return False
    return set(runs) <= found


def unreachable(where: Target) -> str:
    """Why a remote store does not answer, empty if it does. In a thread, since looking up a host has no time-out."""
    parts = urlparse(where.uri)
    if where.file or not parts.hostname:
        return ""
    result = [f"no answer in {LIMIT:.0f} s"]

    def ask() -> None:
        try:
            if where.uri.startswith("http"):
                with urllib.request.urlopen(f"{where.uri}/health", timeout=LIMIT):  # noqa: S310
                    pass
            else:
                default = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}.get(parts.scheme.split("+")[0], 80)
                socket.create_connection((parts.hostname or "", parts.port or default), LIMIT).close()
            result[0] = ""
        except urllib.error.HTTPError:
            result[0] = ""  # it answers; whether it accepts us is for MLflow's client to say
        except (OSError, ValueError) as error:
            result[0] = str(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(LIMIT)
    return result[0]
