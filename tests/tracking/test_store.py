"""MLflow as a view of dvc.lock: what a real SQLite store holds of the small pipeline."""

import csv
import json
import os
import shutil
import socket
import sqlite3
import sys
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from cnnviz.tracking import content, lockfile, sync, views
from cnnviz.tracking.content import curves, maximized
from tests import spent
from tests.small_project import PER_MODEL, Project, synced_fixture  # noqa: F401
from tests.small_stages import FILTERS, MODELS, STARTED, STEPS, TELLING

LONG = pytest.mark.long
RARER = ("empty", "another program's", "no UTF-8")  # damages of a database

# ---- without a store


def test_lock_key_covers_the_whole_entry_and_stale_models_are_left_out(tmp_path: Path) -> None:
    out = {"path": "artifacts/a", "md5": "1.dir", "size": 3, "nfiles": 2}
    entry = {"cmd": "c", "params": {"params.yaml": {"a": {"b": [1], "c": {}}, "d": 1}}, "outs": [out]}
    stages = {"weights@m": entry, "weights@gone": entry, "track": {"cmd": "t"}}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))
    (tmp_path / "params.yaml").write_text("models: {m: {}}")
    (found,) = lockfile.read(tmp_path)
    assert (found.name, found.stage, found.model) == ("weights@m", "weights", "m")
    assert found.params == {"a.b": [1], "a.c": {}, "d": 1}
    assert found.outs_md5 == "1.dir"
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": {"weights@m": {**entry, "cmd": "other"}}}))
    assert lockfile.read(tmp_path)[0].key != found.key
    assert lockfile.read(tmp_path / "nowhere") == []


def test_outputs_are_present_with_the_recorded_size_and_count_only(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").write_bytes(b"123")
    out = lockfile.Out(tmp_path / "a", "m", 3, 1)
    entry = lockfile.Entry("s", "s", None, "k", "c", {}, (out,))
    assert entry.present()
    (tmp_path / "a" / "y").write_bytes(b"")
    assert not entry.present()


def test_curves_keep_first_and_last_step_and_real_values() -> None:
    steps = curves.decimate(257, 32)
    assert steps[0] == 0
    assert steps[-1] == 256
    assert len(steps) <= 33
    assert curves.decimate(5, 32) == [0, 1, 2, 3, 4]
    mean = curves.Mean()
    for curve in ([(0, 1.0), (1, 3.0)], [(0, 3.0), (1, float("nan"))]):
        mean.add(curve)
    assert mean.curve() == [(0, 2.0), (1, 3.0)]
    assert curves.progress([(0, 2.0), (1, 3.0), (2, 6.0)]) == [(0, 0.0), (1, 0.25), (2, 1.0)]
    rising_then_falling = [(0, 2.0), (1, 1.0), (2, float("nan")), (3, 6.0), (4, 4.0)]
    assert curves.progress(rising_then_falling) == [(0, 0.0), (1, 0.0), (3, 1.0), (4, 1.0)]
    assert curves.progress([(0, 2.0), (1, 2.0)]) == curves.progress([(0, float("nan"))]) == curves.progress([]) == []
    assert content.legal("a[0]/é:b") == "a_0_/__b"


def test_telling_filters_are_ok_ones_from_the_middle_and_never_a_dead_one() -> None:
    states = {10: "dead", 11: "ok", 12: "weak", 13: "weak", 14: "dead", 15: "ok", 16: "ok"}
    assert maximized.telling({str(k): {"status": s} for k, s in states.items()}) == [11, 15, 16, 13, 12]
    assert maximized.telling({"3": {"status": "dead"}}) == maximized.telling({}) == []


def test_saved_views_fit_into_a_tag_whatever_the_number_of_metrics() -> None:
    for count in (3, 30, 300, 3000):
        keys = ["score", "parameters", *(f"firing_rate/set-{i * 7919}" for i in range(count))]
        for value in views.tags(keys, 256, [f"maximize.layers.m{i}" for i in range(count)]).values():
            assert len(value) <= views.LONGEST
            assert json.loads(value)["state"].startswith("deflate;")


# ---- with a real store


pipeline = pytest.mark.pipeline


@pipeline
def test_track_as_the_last_stage_logs_everything(synced: Project) -> None:
    synced.check()
    assert len(synced.runs()) == 12
    runs, current = synced.runs(), synced.current()
    head = synced.run("git", "rev-parse", "HEAD").stdout.strip()
    entries = {entry.name: entry for entry in lockfile.read(synced.folder)}
    for name, key in current.items():
        tags = runs[key]["tags"]
        assert runs[key]["start"] == round(1000 * STARTED), name
        seconds = 2 * (len(PER_MODEL) if tags["kind"] == "model" else 1)
        assert runs[key]["end"] == round(1000 * (STARTED + seconds)), name
        assert (tags["git.commit"], tags["git.dirty"]) == (head, "false")
        if tags["kind"] == "stage":
            assert tags["dvc.stage"] == name
            assert tags["dvc.lock_key"] == entries[name].key
            assert tags["dvc.outs_md5"] == entries[name].outs_md5
    keys = {
        m: {k for (k,) in synced.query("SELECT key FROM latest_metrics WHERE run_uuid = ?", current[m])} for m in MODELS
    }
    assert keys["one"] == keys["two"]
    for key in ("parameters", "conv_layers", "conv_filters", "rendered_filters", "median_score_gain", "score"):
        assert key in keys["one"]
    assert {f"median_{key}" for key in maximized.FILTER_SERIES} <= keys["one"]
    values = dict(synced.query("SELECT key, value FROM latest_metrics WHERE run_uuid = ?", current["two"]))
    assert values["mean_firing_rate"] == 0.5
    assert values["dead_share"] == values["weak_share"] == pytest.approx(1 / 3, rel=1e-5)
    assert values["render_seconds_per_filter"] == pytest.approx(2 / 9, rel=1e-5)
    assert not {key for key in values if "/" in key and not key.startswith("score/")}  # those of a set: in its stage
    assert not {"ok_filters", "weak_filters", "dead_filters"} & set(values)
    assert values["median_against_nature"] == 1.5
    files = {
        str(path.relative_to(runs[current["one"]]["folder"])) for path in runs[current["one"]]["folder"].rglob("*")
    }
    links = (synced.folder / "artifacts/report-links.html").read_text()
    assert all(current[model] in links for model in MODELS)
    assert {"report/one.html", "maximize/conv.npz", "image_matrix.json", "filters.csv"} <= files
    assert "maximize/objectives/logit-6.png" in files
    table = json.loads((runs[current["two"]]["folder"] / "image_matrix.json").read_text())
    assert table["columns"] == ["slot", "image"]
    assert [row[0] for row in table["data"]] == [f"{d}/{i}" for d in maximized.DEPTHS for i in range(TELLING)]


@pipeline
def test_curves_params_and_pictures_of_a_maximize_run(synced: Project) -> None:
    key = synced.current()["maximize@two"]
    params = dict(synced.query("SELECT key, value FROM params WHERE run_uuid = ?", key))
    assert params == {"gain": "2", "maximize.steps": str(STEPS), "models.two.size": "8"}
    logged: dict[str, dict[int, float]] = defaultdict(dict)
    for metric, step, value in synced.query("SELECT key, step, value FROM metrics WHERE run_uuid = ?", key):
        logged[metric][step] = value
    history: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    with (synced.folder / "artifacts/maximize/two/history.csv").open() as file:
        for row in csv.DictReader(file):
            history[row["layer"], row["filter"]][int(row["step"])] = float(row["score"])
    assert len(history) == 3 * FILTERS
    for layer in MODELS["two"]:
        curve = logged[f"score by layer/{layer}"]
        assert {0, STEPS} <= set(curve)
        every = [scores for (of, _), scores in history.items() if of == layer]
        assert curve == pytest.approx({step: np.mean([scores[step] for scores in every]) for step in curve})
    progress = [logged["progress"][step] for step in range(STEPS + 1)]
    assert (progress[0], progress[-1]) == (0, 1)
    assert progress == sorted(progress)
    assert len(logged) < 40
    mean = {step: np.mean([scores[step] for scores in history.values()]) for step in range(STEPS + 1)}
    assert logged["score"] == pytest.approx(mean)
    names = [path.name for path in (synced.runs()[key]["folder"] / "images").glob("*.png")]
    assert len([name for name in names if name.startswith("final image~")]) == 3
    slider = [name for name in names if name.startswith("image by step~early+step+")]
    assert {name.split("+")[2] for name in slider} == {"1", "10", str(STEPS)}
    images = synced.current()["images"]
    assert len(synced.query("SELECT value FROM params WHERE run_uuid = ? AND key = 'long'", images)[0][0]) == 500
    assert json.loads((synced.runs()[images]["folder"] / "params.json").read_text())["long"] == "x" * 7000


@pipeline
def test_scores_of_every_filter_are_bars_and_a_table(synced: Project) -> None:
    key = synced.current()["maximize@two"]
    folder = synced.runs()[key]["folder"]
    with (folder / "filters.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["layer"], row["filter"]) for row in rows] == [
        (x, str(k)) for x in MODELS["two"] for k in range(FILTERS)
    ]
    assert (rows[5]["layer"], rows[5]["filter"], rows[5]["status"]) == ("second", "2", "dead")
    assert rows[5]["reason"] == 'It is "dead", <b>really</b>'
    assert not synced.query("SELECT key FROM metrics WHERE run_uuid = ? AND key LIKE 'by %'", key)
    with Image.open(folder / "by_filter.png") as picture:
        assert picture.width <= 540  # a wider one would move MLflow's second column out of sight
    (shown,) = (folder / "images").glob("by filter~scores*.png")
    assert shown.read_bytes() == (folder / "by_filter.png").read_bytes()
    (note,) = synced.query("SELECT value FROM tags WHERE run_uuid = ? AND key = 'mlflow.note.content'", key)[0]
    assert note.splitlines()[0] == f"`maximize.steps={STEPS}` `gain=2` `models.two.size=8`  "
    assert [text.partition("=")[2].partition("&")[0] for text in note.split("![](")[1:]] == [
        "filters.png",
        "by_filter.png",
    ]
    assert (folder / "objectives" / "logit-6.png").is_file()
    assert (folder / "second.npz").samefile(synced.folder / "artifacts/maximize/two/second.npz")  # linked, not copied


@pipeline
def test_nothing_to_do_is_fast_and_imports_no_mlflow(synced: Project) -> None:
    before = synced.runs()
    start = spent.by_children()
    done = synced.run(sys.executable, "-X", "importtime", "-m", "stages.track")
    assert spent.by_children() - start < 1.5  # 0.2 s on a quiet machine
    assert "nothing new" in done.stdout
    assert "cnnviz.tracking.target" in done.stderr  # imported by sync
    for module in ("mlflow", "tensorflow", "numpy"):
        assert f" {module}\n" not in done.stderr
    assert synced.runs() == before


@pipeline
def test_lost_stores_heal_and_a_moved_project_keeps_its_runs(synced: Project, tmp_path: Path) -> None:
    moved = synced.copy(tmp_path / "moved ä")
    assert set(moved.current().values()) == set(synced.current().values())
    assert "0 runs made" in moved.track()
    moved.check()
    assert all(run["folder"].is_relative_to(moved.folder) for run in moved.runs().values())
    shutil.rmtree(moved.runs()[moved.current()["weights@one"]]["folder"].parent)
    assert "1 runs made" in moved.track()
    moved.check()
    moved.db.unlink()
    (moved.folder / "mlflow.db-journal").write_bytes(b"of the lost database")
    assert "12 runs made" in moved.track()
    moved.check()
    assert len(list((moved.folder / "mlruns").glob("*/artifacts"))) == 12  # nothing of the lost database's runs


@pipeline
@pytest.mark.parametrize("damage", ["text", "cut", "a table less", *(pytest.param(one, marks=LONG) for one in RARER)])
def test_a_damaged_database_is_set_aside_and_made_anew(synced: Project, tmp_path: Path, damage: str) -> None:
    project = synced.copy(tmp_path / "p")
    whole = project.db.read_bytes()
    content = {"text": b"no database", "cut": whole[: len(whole) // 3], "empty": b"", "another program's": b""}
    project.db.write_bytes(content.get(damage, whole))
    changes = {
        "another program's": "CREATE TABLE songs (name)",
        "no UTF-8": "UPDATE params SET value = CAST(x'ff' AS text)",
        "a table less": "DROP TABLE metrics",
    }
    if damage in changes:
        with closing(sqlite3.connect(project.db)) as database, database:
            database.execute(changes[damage])
        (project.folder / ".cache/tracked.json").unlink()
    damaged = project.db.read_bytes()
    done = project.begin("stages.track").wait()
    assert done.returncode == 0
    assert done.stdout == "track: 12 runs made, 12 show what dvc.lock holds\n"
    assert done.stderr.startswith("mlflow.db: ")
    assert done.stderr.endswith("; set aside as mlflow.db.damaged, and made anew from dvc.lock\n")
    project.check()
    assert (project.folder / "mlflow.db.damaged").read_bytes() == damaged


@pipeline
@pytest.mark.parametrize("what", ["folder", *(pytest.param(one, marks=LONG) for one in ("pipe", "link"))])
def test_what_is_no_file_is_set_aside(synced: Project, tmp_path: Path, what: str) -> None:
    project = synced.copy(tmp_path / "p")
    project.db.unlink()
    if what == "folder":
        (project.db / "within").mkdir(parents=True)
    elif what == "pipe":
        os.mkfifo(project.db)
    else:
        project.db.symlink_to(tmp_path / "nowhere")
    done = project.begin("stages.track").wait()
    assert done.stdout == "track: 12 runs made, 12 show what dvc.lock holds\n"
    told = "a folder, a pipe or a link to nothing; set aside as mlflow.db.damaged, and made anew from dvc.lock"
    assert done.stderr == f"mlflow.db: {told}\n"
    project.check()
    assert os.path.lexists(project.folder / "mlflow.db.damaged")


@pipeline
@pytest.mark.filterwarnings("ignore")  # SQLAlchemy warns of what MLflow uses
def test_a_database_of_an_older_mlflow_is_upgraded_beside_a_copy(synced: Project, tmp_path: Path) -> None:
    from alembic import command
    from mlflow.store.db import utils
    from mlflow.store.tracking.dbmodels.initial_models import Base
    from sqlalchemy import create_engine

    project = synced.copy(tmp_path / "p")
    project.db.unlink()
    engine = create_engine(f"sqlite:///{project.db}")
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        config = utils._get_alembic_config(str(engine.url))
        config.attributes["connection"] = connection
        command.upgrade(config, "0584bdc529eb")  # that of MLflow 2.22
    engine.dispose()
    project.query("SELECT 1 FROM tags")
    with closing(sqlite3.connect(project.db)) as database, database:
        database.execute("INSERT INTO experiments (name, lifecycle_stage) VALUES ('theirs', 'active')")
    old = project.db.read_bytes()
    done = project.begin("stages.track").wait()
    assert done.returncode == 0, done.stderr
    assert done.stderr == "mlflow.db: of an older MLflow, upgraded; as it was: mlflow.db.before-upgrade\n"
    project.check()
    assert project.query("SELECT name FROM experiments WHERE name = 'theirs'")
    assert (project.folder / "mlflow.db.before-upgrade").read_bytes() == old
    assert "nothing new" in project.track()


@pytest.mark.parametrize(
    "noted",
    [
        "",
        "[]",
        "null",
        '"x"',
        '{"asked": 1}',
        "[" * 100_000,
        '{"asked": "a", "experiment": "1", "dirty": false, "runs": 1}',
    ]
    + [f'{{"asked": "a", "experiment": "1", "dirty": false, "runs": ["{name}"]}}' for name in ("..", "", "a/..", "/")],
)
def test_notes_of_any_content_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted: str) -> None:
    """The names of runs become those of folders that are removed."""
    monkeypatch.chdir(tmp_path)
    sync.SIDECAR.parent.mkdir()
    sync.SIDECAR.write_text(noted)
    assert sync._sidecar() == {}


@pytest.mark.pipeline
def test_two_syncs_at_once_do_no_harm(synced: Project, tmp_path: Path) -> None:
    project = synced.copy(tmp_path / "p")
    project.db.unlink()
    children = [project.begin("stages.track") for _ in range(3)]
    assert [child.wait().returncode for child in children] == [0, 0, 0]
    project.check()
    assert len(project.runs()) == 12


@pipeline
def test_changed_stage_gets_a_new_run_and_the_old_one_comes_back(synced: Project, tmp_path: Path) -> None:
    project = synced.copy(tmp_path / "p")
    before = project.current()
    params = (project.folder / "params.yaml").read_text()
    project.set_gain(3)
    project.dvc("repro", "report")
    project.track()
    project.check()
    after = project.current()
    changed = {"maximize@one", "maximize@two", "one", "two", "report"}  # the report reads what maximize wrote
    assert {name for name in after if after[name] != before[name]} == changed
    assert project.runs()[after["one"]]["tags"]["git.dirty"] == "true"
    assert project.runs()[before["one"]]["tags"]["current"] == "false"
    head = project.commit()
    assert "0 runs made" in project.track()  # the commit now holds this dvc.lock
    tags = project.runs()[after["one"]]["tags"]
    assert (tags["git.commit"], tags["git.dirty"]) == (head, "false")
    (project.folder / "params.yaml").write_text(params)
    project.dvc("repro", "report")  # from the run-cache: DVC starts no stage that could log itself
    project.track()
    project.check()
    assert project.current() == before
    assert len(project.runs()) == 12 + len(changed)


@pipeline
def test_experiment_in_a_temporary_folder_reaches_the_store_but_is_not_current(synced: Project, tmp_path: Path) -> None:
    project = synced.copy(tmp_path / "p")
    project.track()
    before = project.current()
    temporary = synced.copy(tmp_path / "elsewhere")
    temporary.db.unlink()
    (temporary.folder / ".cache" / "tracked.json").unlink()
    temporary.set_gain(5)
    temporary.dvc("repro", "maximize")
    temporary.track(DVC_ROOT=str(project.folder), DVC_EXP_NAME="wild-name")
    assert not temporary.db.exists()
    assert project.current() == before
    new = [run for run in project.runs().values() if run["tags"].get("dvc.experiment") == "wild-name"]
    names = [f"{name} · wild-name" for name in ("maximize@one", "maximize@two", "one", "two")]
    assert sorted(run["name"] for run in new) == names
    assert all(run["folder"].is_relative_to(project.folder / "mlruns") for run in new)


@pipeline
def test_files_that_are_not_those_of_dvc_lock_make_no_run(synced: Project, tmp_path: Path) -> None:
    project = synced.copy(tmp_path / "p")
    project.empty()
    (project.folder / "artifacts/weights/one/extra.txt").write_text("changed by hand")
    said = project.track()
    assert "no files of weights@one" in said
    assert set(project.current()) == set(synced.current()) - {"one", "weights@one"}
    (project.folder / "artifacts/weights/one/extra.txt").unlink()
    project.track()
    project.check()


@pipeline
def test_server_that_is_down_costs_a_warning(synced: Project, tmp_path: Path) -> None:
    project = synced.copy(tmp_path / "p")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        start = time.monotonic()
        said = project.track(MLFLOW_TRACKING_URI=f"http://127.0.0.1:{server.getsockname()[1]}")
    assert time.monotonic() - start < 30  # MLflow alone would go on for minutes
    assert said.startswith("warning: MLflow store http://127.0.0.1")
    assert "make repro" in said


def test_passwords_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@db/x")
    assert sync.target().shown == "postgresql://me:…@db/x"
    assert sync.target().artifacts is not None
