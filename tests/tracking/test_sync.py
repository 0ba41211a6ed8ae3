"""A view that cannot be lost: sync against kill -9, lost and damaged stores, servers that hang. See also test_teams."""

import shutil
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from cnnviz.tracking import target
from tests.small_project import Project, synced_fixture  # noqa: F401

pytestmark = pytest.mark.pipeline


@pytest.fixture
def project(synced: Project, tmp_path: Path) -> Project:
    return synced.copy(tmp_path / "project")


def check_whole(project: Project) -> None:
    """One run for everything, and none left running, not even among the deleted, nor files of any of these."""
    project.check()
    assert len(project.runs()) == 12
    assert project.query("SELECT name FROM runs WHERE status = 'RUNNING'") == []
    assert {path.parent.name for path in project.folder.glob("mlruns/*/artifacts")} == set(project.runs())


def first_picture(project: Project) -> bool:
    return any(project.folder.glob("mlruns/*/artifacts/images/*.png"))


def picture_matrix(project: Project) -> bool:
    return any(project.folder.glob("mlruns/*/artifacts/table_images/image_matrix/*.png"))


def runs(count: int) -> Callable[[Project], bool]:
    return lambda project: project.db.exists() and project.query("SELECT count(*) FROM runs")[0][0] >= count


def killed(project: Project, when: Callable[[Project], bool]) -> None:
    """Start a sync and kill -9 it as soon as `when` is so."""
    child = project.begin("stages.track")
    while not when(project):
        assert child.poll() is None
        time.sleep(0.002)
    assert child.kill() == -signal.SIGKILL


def database(project: Project) -> bool:
    return (project.folder / "mlflow.db.part").exists()


MOMENTS = {"database": database, "run": runs(1), "picture": first_picture, "matrix": picture_matrix, "late": runs(10)}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_sync_is_completed_without_duplicates(project: Project, moment: str) -> None:
    project.empty()
    if moment == "database":
        project.db.unlink()
    killed(project, MOMENTS[moment])
    project.track()
    check_whole(project)
    assert "nothing new" in project.track()


def test_sync_killed_again_and_again(project: Project) -> None:
    project.empty()
    killed(project, runs(3))
    for made in (5, 8):
        killed(project, runs(made))
    project.track()
    check_whole(project)


def test_a_run_left_behind_is_closed_even_where_nothing_else_is_to_do(project: Project) -> None:
    project.track()
    key = project.current()["weights@one"]
    with closing(sqlite3.connect(project.db)) as database, database:  # where kill -9 leaves it, just before the end
        database.execute("UPDATE tags SET value = 'false' WHERE run_uuid = ? AND key = 'complete'", (key,))
        database.execute("UPDATE runs SET status = 'RUNNING' WHERE run_uuid = ?", (key,))
    assert "1 runs made" in project.track()
    check_whole(project)
    assert project.query("SELECT status, lifecycle_stage FROM runs WHERE run_uuid = ?", key) == [("KILLED", "deleted")]


def test_what_others_log_into_the_experiment_is_left_alone(project: Project) -> None:
    project.track()
    with closing(sqlite3.connect(project.db)) as database, database:
        own = "INSERT INTO runs (run_uuid, name, status, lifecycle_stage, experiment_id, user_id, start_time) "
        own += "SELECT 'mine', 'mine', 'RUNNING', 'active', experiment_id, 'me', 1 FROM runs LIMIT 1"
        database.execute(own)
    assert "nothing new" in project.track()
    (project.folder / ".cache" / "tracked.json").unlink()
    assert "0 runs made" in project.track()
    assert project.query("SELECT status, lifecycle_stage FROM runs WHERE name = 'mine'") == [("RUNNING", "active")]


def test_pull_and_run_cache_on_another_machine_have_their_runs(project: Project, tmp_path: Path) -> None:
    project.dvc("remote", "add", "--default", "shared", str(tmp_path / "remote"))
    project.commit()
    project.dvc("push", "--run-cache")
    there = Project(tmp_path / "there")
    project.run("git", "clone", "-q", ".", str(there.folder))
    assert not (there.folder / "artifacts").exists()
    assert "no files of" in there.track()
    there.dvc("pull", "--run-cache")
    there.track()
    check_whole(there)
    keys = {run["tags"]["dvc.lock_key"] for run in project.runs().values()}
    assert {run["tags"]["dvc.lock_key"] for run in there.runs().values()} == keys

    (there.folder / "dvc.lock").unlink()
    shutil.rmtree(there.folder / "artifacts")
    shutil.copy(project.empty_db, there.db)
    shutil.rmtree(there.folder / "mlruns")
    said = there.dvc("repro")
    assert said.count("is cached - skipping run") == 10
    assert said.count("Running stage") == 1  # track has no output to restore
    check_whole(there)
    assert {run["tags"]["dvc.lock_key"] for run in there.runs().values()} == keys


def test_a_damaged_store_costs_a_line_and_comes_back(project: Project) -> None:
    project.db.write_bytes(b"no database" * 1000)
    (line,) = project.track().splitlines()
    assert line.startswith("warning: MLflow store sqlite:///")
    assert "make repro" in line
    project.db.unlink()
    assert "12 runs made" in project.track()
    check_whole(project)


def accept_only(connection: socket.socket, silent: list[float]) -> None:
    """Whatever is asked, nothing is answered."""
    silent.append(time.perf_counter())
    while connection.recv(65536):
        pass


def healthy_then_silent(connection: socket.socket, silent: list[float]) -> None:
    """The first question is answered, the next ones are not."""
    if connection.recv(65536).startswith(b"GET /health"):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")
    else:
        accept_only(connection, silent)


def byte_by_byte(connection: socket.socket, silent: list[float]) -> None:
    """It goes on answering, so that no single wait is long."""
    silent.append(time.perf_counter())
    while True:
        connection.sendall(b"H")
        time.sleep(0.5)


@contextmanager
def listening(answer: Callable[[socket.socket, list[float]], None]) -> Iterator[tuple[str, list[float]]]:
    """Address of a server that treats every connection with `answer`, and when it began to hang."""
    silent: list[float] = []

    def guarded(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # until the other side has gone
            answer(connection, silent)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=guarded, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", silent
        server.shutdown(socket.SHUT_RDWR)


def test_a_server_that_hangs_costs_ten_seconds_and_a_line(project: Project, tmp_path: Path) -> None:
    """Each in its way, all at once: there is little to do but wait."""
    answers = (accept_only, healthy_then_silent, byte_by_byte)
    projects = [project.copy(tmp_path / answer.__name__) for answer in answers]
    with ExitStack() as stack:
        servers = [stack.enter_context(listening(answer)) for answer in answers]
        hanging = [
            one.begin("stages.track", MLFLOW_TRACKING_URI=uri) for one, (uri, _) in zip(projects, servers, strict=True)
        ]
        for child, (uri, silent) in zip(hanging, servers, strict=True):
            (line,) = child.wait().stdout.splitlines()
            assert time.perf_counter() - silent[0] < 10
            assert line.startswith(f"warning: MLflow store {uri}: ")
            assert line.endswith("to log them later: make repro")
    for one in projects:
        assert "0 runs made, 12 show" in one.track()


def test_a_database_that_cannot_be_used_costs_a_line(project: Project) -> None:
    def tracked(uri: str) -> str:
        done = project.begin("stages.track", MLFLOW_TRACKING_URI=uri).wait()
        assert (done.returncode, done.stderr) == (0, "")
        (line,) = done.stdout.splitlines()
        assert line.endswith("to log them later: make repro")
        assert "secret" not in line
        return line

    assert "unable to open" in tracked("sqlite:///no/such/folder/mlflow.db")
    with listening(accept_only) as (uri, silent):
        address = uri.removeprefix("http://")
        assert "timeout" in tracked(f"postgresql://me:secret@{address}/mlflow")
        assert len(silent) == 2  # asked whether it is there, then tried once
        assert time.perf_counter() - silent[1] < 10
    assert "refused" in tracked(f"postgresql://me:secret@{address}/mlflow")


def test_a_server_that_hangs_costs_no_stage_its_results(project: Project) -> None:
    project.set_gain(3)
    with listening(accept_only) as (uri, _):
        assert f"warning: MLflow store {uri}" in project.dvc("repro", MLFLOW_TRACKING_URI=uri)
    assert "up to date" in project.dvc("status")
    assert "5 runs made" in project.track()  # two models and their stages, and the report
    project.check()


def test_a_password_is_not_printed_even_if_the_driver_names_it() -> None:
    where = target.Target(Path("/p"), "postgresql://me:secret@127.0.0.1:1/x")
    from cnnviz.tracking import sync

    assert "secret" not in sync._warning(where, f"cannot connect to {where.uri}")
