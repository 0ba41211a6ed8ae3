"""The servers of docs/teams.md, started by its own commands: PostgreSQL, and MLflow's server on it."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.clone import ROOT
from tests.warm import Warm

DOC = (ROOT / "docs" / "teams.md").read_text(encoding="utf-8")
POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)  # where Debian's packages have it
if POSTGRES is None and (found := shutil.which("initdb")):
    POSTGRES = Path(found).resolve().parent


def documented(number: int, heading: str, **changes: str) -> str:
    """The commands of a block of docs/teams.md, with other addresses and folders; each must be there to be changed."""
    section = DOC.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    block: str = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[number]
    for old, new in changes.items():
        assert old in block
        block = block.replace(old, new)
    return block


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(until: Callable[[], object], child: subprocess.Popen[Any] | Warm, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert child.poll() is None, "it ended"
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.005)


def answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=1):  # noqa: S310
        return True
    return False


@contextmanager
def started(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process group of its own, ended by force."""
    with log.open("wb") as file:
        child = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True, **options)
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


class Server:
    """MLflow's server of docs/teams.md, the folder of its files and its database."""

    def __init__(self, process: subprocess.Popen[bytes], uri: str, files: Path, database: Any) -> None:
        self.process, self.uri, self.files, self.database = process, uri, files, database

    def clear(self) -> None:
        self.database.execute("TRUNCATE experiments CASCADE")

    def signal(self, number: int) -> None:
        os.killpg(self.process.pid, number)


@contextmanager
def postgresql() -> Iterator[dict[str, str]]:
    """PostgreSQL on a free port, as variables for its clients. It refuses to run as root."""
    assert POSTGRES
    nobody = pwd.getpwnam("nobody")
    account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="cnnviz-postgres-"))
    if account:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    try:
        make = [POSTGRES / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres", "--no-sync"]
        subprocess.run(make, cwd=folder, check=True, capture_output=True, **account)
        port = free_port()
        serve = [POSTGRES / "postgres", "-D", folder / "data", "-k", folder, "-h", "127.0.0.1", "-p", port]
        with started([str(word) for word in serve], folder / "log", cwd=folder, **account) as child:
            env = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "postgres"}
            ready = [POSTGRES / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            wait(lambda: subprocess.run(ready).returncode == 0, child)
            yield env
    finally:
        shutil.rmtree(folder)


@contextmanager
def mlflow_server(postgres: dict[str, str], folder: Path) -> Iterator[Server]:
    """MLflow's server in a folder that is there, its runs in that PostgreSQL."""
    import psycopg  # of requirements-teams.txt

    port = free_port()
    changes = {"5432": postgres["PGPORT"], "/srv/mlflow": str(folder / "files"), "5000": str(port)}
    create_user, create, serve = documented(0, "An MLflow server", **changes).replace("\\\n", "").splitlines()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC", "MLFLOW", "PYTEST"))}
    path = f"{POSTGRES}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**kept, **postgres, "PATH": path, "PYTHONPATH": str(ROOT)}
    for command in (create_user, create):
        subprocess.run(command, shell=True, env=env, check=True)  # noqa: S602
    with (
        started(["bash", "-c", serve], folder / "log", env=env, cwd=folder) as process,
        psycopg.connect(f"postgresql://cnnviz@127.0.0.1:{postgres['PGPORT']}/mlflow", autocommit=True) as database,
    ):
        wait(lambda: answers(f"http://127.0.0.1:{port}/health"), process)
        yield Server(process, f"http://127.0.0.1:{port}", folder / "files", database)
