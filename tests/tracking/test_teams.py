"""docs/teams.md, command by command: MLflow over HTTP with PostgreSQL and proxied artifacts, DVC with an S3 server.

What the server has is read from PostgreSQL and its folder of files.
"""

import hashlib
import shutil
import signal
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from tests.servers import POSTGRES, Server, answers, documented, free_port, mlflow_server, postgresql, started, wait
from tests.small_project import ROOT, Project, synced_fixture  # noqa: F401

TIMED = ("seconds", "network_seconds", "cpu_seconds", "peak_memory_mb", "render_seconds_per_filter")
AMAZON = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
WHO = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
pytestmark = [
    pytest.mark.pipeline,
    pytest.mark.skipif(POSTGRES is None, reason="needs PostgreSQL: apt-get install postgresql"),
]


class Remote(Project):
    """A project whose runs go to the server."""

    def __init__(self, folder: Path, server: Server) -> None:
        super().__init__(folder)
        self.server = server

    def env(self, more: dict[str, str]) -> dict[str, str]:
        return super().env({"MLFLOW_TRACKING_URI": self.server.uri, **more})

    def query(self, text: str, *values: Any) -> list[Any]:
        found: list[Any] = self.server.database.execute(text.replace("?", "%s"), values).fetchall()
        return found

    def runs(self) -> dict[str, dict[str, Any]]:
        found = super().runs()
        for run in found.values():
            run["folder"] = self.server.files / run["folder"].relative_to("/")
        return found

    def has(self, runs: int) -> bool:
        return bool(self.query("SELECT count(*) FROM runs")[0][0] >= runs)

    def check_whole(self) -> None:
        """One run for everything, and none left running, not even among the deleted."""
        self.check()
        assert len(self.runs()) == 12
        assert self.query("SELECT name FROM runs WHERE status = 'RUNNING'") == []


def content(project: Project, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the current runs hold, by name: tags of DVC and Git, params, metrics and digests of all files."""
    found, runs = {}, project.runs()
    for name, key in project.current().items():
        tags = {k: v for k, v in runs[key]["tags"].items() if k.startswith(("dvc.", "git."))}
        params = dict(project.query("SELECT key, value FROM params WHERE run_uuid = ?", key))
        metrics = project.query("SELECT key, step, value FROM metrics WHERE run_uuid = ?", key)
        files = Counter(_file(path, runs[key]["folder"]) for path in runs[key]["folder"].rglob("*") if path.is_file())
        found[name] = tags, params, sorted(m for m in metrics if m[0] not in without), files
    return found


def _file(path: Path, folder: Path) -> tuple[str, str]:
    """Name and digest. MLflow gives pictures random names, which the picture matrix repeats."""
    name = str(path.relative_to(folder))
    if name == "image_matrix.json":
        return name, ""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return ("", digest) if name.startswith(("images/", "table_images/")) else (name, digest)


@pytest.fixture(scope="module")
def postgres() -> Iterator[dict[str, str]]:
    with postgresql() as env:
        yield env


@pytest.fixture(scope="module")
def server(postgres: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="needs requirements-teams.txt: make teams")
    with mlflow_server(postgres, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def project(synced: Project, server: Server, tmp_path: Path) -> Remote:
    """A copy of the small pipeline in a folder of its own; the server is empty."""
    server.clear()
    return Remote(synced.copy(tmp_path / "here").folder, server)


def test_the_server_holds_what_the_default_store_holds(synced: Project, project: Remote) -> None:
    done = project.run(
        "bash", "-ec", documented(1, "An MLflow server", **{"http://127.0.0.1:5000": project.server.uri})
    )
    assert done.stdout == "track: 12 runs made, 12 show what dvc.lock holds\n"
    project.check_whole()
    assert content(project) == content(synced)
    before = project.runs()
    assert project.track() == "track: nothing new\n"
    assert project.runs() == before


@pytest.mark.long
def test_killed_sync_is_completed_without_duplicates(project: Remote) -> None:
    child = project.begin("stages.track")
    wait(lambda: project.has(6), child)
    assert child.kill() == -signal.SIGKILL
    project.track()
    project.check_whole()
    assert project.track() == "track: nothing new\n"


def test_a_run_that_another_machine_left_is_closed_after_a_while(project: Remote, tmp_path: Path) -> None:
    child = project.begin("stages.track")
    wait(lambda: project.has(1), child)
    child.kill()
    ((left,),) = project.query("SELECT run_uuid FROM runs WHERE status = 'RUNNING'")
    other = Remote(project.copy(tmp_path / "there").folder, project.server)
    assert "12 runs made" in other.track()
    assert project.runs()[left]["status"] == "RUNNING"  # its writer may be at work
    project.query(
        "UPDATE tags SET value = '1700000000 ' || value WHERE run_uuid = ? AND key = 'logged' RETURNING 1", left
    )
    assert "0 runs made" in other.track()
    other.check_whole()


@pytest.mark.long
def test_syncs_at_once_do_no_harm(project: Remote, tmp_path: Path) -> None:
    other = Remote(project.copy(tmp_path / "there").folder, project.server)
    children = [one.begin("stages.track") for one in (project, other, project, other)]
    ended = [child.wait() for child in children]
    assert [one.returncode for one in ended] == [0, 0, 0, 0]
    assert not any("warning" in one.stdout for one in ended), [one.stdout for one in ended]
    project.check_whole()
    for one in (project, other):
        assert "nothing new" in one.track() or "0 runs made" in one.track()
    project.check_whole()


def test_what_belongs_to_all_runs_is_logged_from_several_machines_at_the_same_moment(server: Server) -> None:
    from mlflow.entities import Dataset, DatasetInput

    from cnnviz.tracking import store
    from cnnviz.tracking.server import Patience

    server.clear()
    clients = [store.Client(server.uri, Patience.of_sync()) for _ in range(4)]
    made = clients[0].create_experiment("shared")
    runs = [client.create_run(made).info.run_id for client in clients]
    for number in range(10):
        inputs = [DatasetInput(Dataset(f"photos {number}", "abc", "code", "{}"))]
        together = Barrier(len(clients))

        def log(client: Any, run: str, number: int = number, inputs: Any = inputs, together: Any = together) -> None:
            together.wait()
            client.log_inputs(run, inputs)
            client.set_experiment_tag(made, f"tag {number}", "value")

        with ThreadPoolExecutor(len(clients)) as pool:
            list(pool.map(log, clients, runs))
    assert server.database.execute("SELECT count(*), count(DISTINCT name) FROM datasets").fetchone() == (10, 10)
    of_runs = server.database.execute("SELECT count(*) FROM inputs WHERE destination_id = ANY(%s)", (runs,))
    assert of_runs.fetchone() == (40,)
    assert server.database.execute("SELECT count(*) FROM experiment_tags").fetchone() == (10,)


@pytest.mark.long
def test_a_server_that_hangs_half_way_costs_seconds_and_a_line(project: Remote) -> None:
    child = project.begin("stages.track")
    wait(lambda: project.has(6), child)
    project.server.signal(signal.SIGSTOP)
    try:
        start = time.monotonic()
        done = child.wait(timeout=30)
        assert time.monotonic() - start < 10
    finally:
        project.server.signal(signal.SIGCONT)
    assert done.returncode == 0
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"warning: MLflow store {project.server.uri}: ")
    assert "make repro" in line
    project.track()
    project.check_whole()


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    """Address of an S3 server with an empty bucket `cnnviz`."""
    pytest.importorskip("moto", reason="needs requirements-dev.txt")
    address = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", address.rpartition(":")[2]]
    with started(command, tmp_path / "s3.log") as child:
        wait(lambda: answers(f"{address}/moto-api/"), child)
        with urllib.request.urlopen(urllib.request.Request(f"{address}/cnnviz", method="PUT")):  # noqa: S310
            yield address


@pytest.mark.long
def test_results_travel_through_s3_and_have_their_runs(project: Remote, bucket: str, tmp_path: Path) -> None:
    def run(where: Project, commands: str) -> str:
        done = where.run("bash", "-ec", commands, **AMAZON, **WHO)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(
        project,
        f"git init -q --bare {tmp_path}/origin && git remote add origin {tmp_path}/origin && git push -qu origin HEAD",
    )
    run(project, documented(0, "A DVC remote", **{"http://127.0.0.1:9000": bucket}))
    run(project, f"git push -q && git clone -q {tmp_path}/origin {tmp_path}/there")
    there = Remote(tmp_path / "there", project.server)
    project.set_gain(3)
    project.dvc("repro", "report")
    run(project, documented(1, "A DVC remote"))
    project.track()  # the commit is the one that holds the results
    before = content(project)

    shutil.rmtree(project.folder / ".dvc" / "cache")  # what comes from now on, comes from the bucket
    assert run(there, documented(2, "A DVC remote")).endswith("track: 0 runs made, 12 show what dvc.lock holds\n")
    there.check_whole()
    alone = Project(there.folder)
    assert "12 runs made" in run(alone, "python -m stages.track")
    alone.check()
    untimed = {name: (*run[:2], [m for m in run[2] if m[0] not in TIMED], run[3]) for name, run in before.items()}
    assert content(alone) == untimed
