"""A view that cannot be lost: sync against kill -9, lost and damaged stores, servers that hang. See also test_teams."""

import re
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cnnviz.tracking import target, views
from tests.small_project import Project, synced_fixture  # noqa: F401
from tests.tracking.broken import KINDS, Answer, after_one, from_the_start, listening, silent

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


@pytest.mark.parametrize(
    "moment", ["run", "matrix", *(pytest.param(one, marks=pytest.mark.long) for one in ("database", "picture", "late"))]
)
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


def test_runs_of_an_older_cnnviz_are_made_again_and_history_stays(project: Project) -> None:
    """What their pages show changed since; a state that is not here any more can't be made again."""
    old, gone = list(project.runs())[:2]
    with closing(sqlite3.connect(project.db)) as database, database:
        database.execute("DELETE FROM tags WHERE key = 'layout'")
        database.execute("UPDATE tags SET value = 'a1' WHERE key = 'dvc.lock_key' AND run_uuid = ?", (gone,))
    (project.folder / ".cache/tracked.json").unlink()
    assert "12 runs made" in project.track()
    project.check()
    assert old not in project.runs()
    assert gone in project.runs()
    layouts = dict(project.query("SELECT run_uuid, value FROM tags WHERE key = 'layout'"))
    assert layouts == dict.fromkeys(set(project.runs()) - {gone}, views.LAYOUT)
    assert "nothing new" in project.track()


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


SILENT: list[float] = []  # when a server was asked first


def noting(answer: Answer) -> Answer:
    def noted(connection: socket.socket) -> None:
        SILENT.append(time.perf_counter())
        answer(connection)

    return noted


@pytest.mark.parametrize(
    ("when", "kind"),
    [
        *((from_the_start, "hangs"), (after_one, "drips its body"), (after_one, "says 503")),
    ],
)
def test_a_server_that_is_broken_costs_ten_seconds_and_a_line(
    project: Project, when: Callable[[Answer], Answer], kind: str
) -> None:
    SILENT.clear()
    with listening(noting(when(KINDS[kind]))) as uri:
        (line,) = project.track(MLFLOW_TRACKING_URI=uri).splitlines()
        assert time.perf_counter() - SILENT[0] < 10
    assert line.startswith(f"warning: MLflow store {uri}: ")
    assert line.endswith("to log them later: make repro")
    assert "0 runs made, 12 show" in project.track()


def test_a_database_that_cannot_be_used_costs_a_line(project: Project) -> None:
    def tracked(uri: str) -> str:
        done = project.begin("stages.track", MLFLOW_TRACKING_URI=uri).wait()
        assert (done.returncode, done.stderr) == (0, "")
        (line,) = done.stdout.splitlines()
        assert line.endswith("to log them later: make repro")
        assert "secret" not in line
        return line

    assert "there is no folder" in tracked("sqlite:///no/such/folder/mlflow.db")
    SILENT.clear()
    with listening(noting(silent)) as uri:
        address = uri.removeprefix("http://")
        assert re.search("timeout|no whole answer", tracked(f"postgresql://me:secret@{address}/mlflow"))
        assert len(SILENT) == 2  # asked whether it is there, then tried once
        assert time.perf_counter() - SILENT[1] < 10
    assert "refused" in tracked(f"postgresql://me:secret@{address}/mlflow")


def test_a_server_that_hangs_costs_no_stage_its_results(project: Project) -> None:
    project.set_gain(3)
    with listening(noting(silent)) as uri:
        assert f"warning: MLflow store {uri}" in project.dvc("repro", MLFLOW_TRACKING_URI=uri)
    assert "up to date" in project.dvc("status")
    assert "5 runs made" in project.track()  # two models and their stages, and the report
    project.check()


def test_a_password_is_not_printed_even_if_the_driver_names_it() -> None:
    where = target.Target(Path("/p"), "postgresql://me:secret@127.0.0.1:1/x")
    from cnnviz.tracking import sync

    assert "secret" not in sync._warning(where, f"cannot connect to {where.uri}")
