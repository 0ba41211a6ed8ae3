"""MLflow as a view of dvc.lock: a real SQLite store, and a real small DVC pipeline of contract-shaped files.

The store is read with sqlite3, not with MLflow: what counts is what is in it.
"""

import csv
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
import yaml

from cnnviz import curves, lockfile, run_content, sync, views

ROOT = Path(__file__).parents[1]
MODELS = {"one": ["conv", "in.ner"], "two": ["first", "second", "third"]}  # conv layers of each
FILTERS, STEPS = 3, 40
STARTED = 1_700_000_000.25

# What a stage of the small pipeline runs: `python make.py <stage> [<model>]`.
MAKE = """
import sys
sys.path.insert(0, {root!r})
from tests.test_tracking import write_stage
write_stage(*sys.argv[1:])
"""


def write_stage(stage: str, model: str = "") -> None:
    """Write one stage's outputs as docs/artifacts.md describes them, with numbers from params.yaml."""
    rng = np.random.default_rng(len(stage) + len(model))
    folder = Path("artifacts", stage, model)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    gain = float(yaml.safe_load(Path("params.yaml").read_text())["gain"])
    _WRITERS[stage](folder, rng, MODELS.get(model, []), gain)
    times = {"started": STARTED, "ended": STARTED + 2, "seconds": 2.0, "network_seconds": 1.0, "cpu_seconds": 2.0}
    timing = Path(".cache/timings", f"{stage}@{model}.json" if model else f"{stage}.json")
    timing.parent.mkdir(parents=True, exist_ok=True)
    more = {"cpu": "A CPU, 2 cores", "packages": {"python": "3.11.1", "numpy": np.__version__}}
    timing.write_text(json.dumps({**times, "peak_memory_mb": 100.0, **more}))


def _png(path: Path, picture: np.ndarray | None = None) -> None:
    from cnnviz.montage import png_bytes

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(np.zeros((4, 4, 3), np.uint8) if picture is None else picture))


def _images(folder: Path, rng: Any, layers: list[str], gain: float) -> None:
    np.savez(folder / "photos.npz", images=rng.integers(0, 256, (2, 8, 8, 3), np.uint8))
    _png(folder / "photos" / "0_cat.png")
    about = {"source": "folder", "origin": "here", "license": "none", "sha256": "5" * 64, "count": 2}
    (folder / "images.json").write_text(json.dumps({"photos": about}))


def _models(folder: Path, rng: Any, layers: list[str], gain: float) -> None:
    convs = [{"name": name, "filters": FILTERS} for name in layers]
    known = {k: f"its {k}" for k in ("title", "origin", "license", "trained_on", "source", "digest")}
    about = {**known, "input_shape": [8, 8, 3], "preprocessing": {"name": "raw"}, "parameters": 1000 * len(layers)}
    (folder / "model.json").write_text(json.dumps({**about, "conv_layers": convs}))
    (folder / "weights.weights.h5").write_bytes(b"weights")


def _weights(folder: Path, rng: Any, layers: list[str], gain: float) -> None:
    keys = ("l2", "near_zero_share", "nearest_cosine")
    (folder / "statistics.json").write_text(json.dumps({x: {k: [0.25] * FILTERS for k in keys} for x in layers}))
    for layer in layers:
        np.savez(folder / f"{layer}.npz", kernel=rng.normal(size=(3, 3, 3, FILTERS)))
        _png(folder / f"{layer}.png")


def _feature_maps(folder: Path, rng: Any, layers: list[str], gain: float) -> None:
    (folder / "photos").mkdir()
    numbers = {"firing_rate": [0.0, 0.5, 1.0], "never_active": [True, False, False]}
    (folder / "photos" / "statistics.json").write_text(json.dumps(dict.fromkeys(layers, numbers)))
    responses = np.array([[1, 0, -1], [1, 1, 1]], np.float32)  # sparsity 1 of the first image, 0 of the second
    np.savez(folder / "photos" / "per_image.npz", **{f"{layer}/feature": responses for layer in layers})
    _png(folder / "photos" / f"{layers[0]}.png")


def _maximize(folder: Path, rng: Any, layers: list[str], gain: float) -> None:
    metrics: dict[str, Any] = {}
    rows = []
    for i, layer in enumerate(layers):
        scores = gain * np.sqrt(np.arange(STEPS + 1)) * (1 + np.arange(FILTERS)[:, None]) + i
        images = rng.integers(0, 256, (FILTERS, 3, 16, 16, 3), np.uint8)
        seen = images[:, -1] if i else images[:, -1, ..., :1]  # the first layer's network sees one channel
        kept = {"filters": np.arange(FILTERS), "images": seen, "snapshots": images}
        np.savez(folder / f"{layer}.npz", **kept, scores=scores, snapshot_steps=np.array([1, 10, STEPS]))
        _png(folder / layer / "0.png", np.full((16, 16, 3), 20 * int(gain), np.uint8))
        _png(folder / f"{layer}.png", np.concatenate(images[:, -1], axis=1))
        metrics[layer] = {str(k): _entry(float(scores[k, -1]), k) for k in range(FILTERS)}
        rows += [(layer, k, s, f"{scores[k, s]:.6g}") for k in range(FILTERS) for s in range(STEPS + 1)]
    head = {"filters": FILTERS * len(layers), "ok": len(layers), "weak": len(layers), "dead": len(layers)}
    head |= {f"median_{key}": 1.5 for key in ("score_gain", *run_content.FILTER_SERIES)}
    objectives = {"logit-6": {"score": 2.0}}
    _png(folder / "objectives" / "logit-6.png")
    (folder / "metrics.json").write_text(json.dumps({**head, "layers": metrics, "objectives": objectives}))
    with (folder / "history.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("layer", "filter", "step", "score"), *rows])
    with (folder / "filters.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["layer", "filter", "status", "reason", "score", *run_content.FILTER_SERIES])
        table.writeheader()
        table.writerows({"layer": x, "filter": k, **e} for x, entries in metrics.items() for k, e in entries.items())
    settings: dict[str, Any] = {layer: {"precision": "float32"} for layer in layers}
    settings["objectives"] = {"frog": {"precision": "float32"}}
    (folder / "settings.json").write_text(json.dumps(settings))


def _entry(score: float, k: int) -> dict[str, Any]:
    """Numbers of one filter: the last one is dead, so nothing of it could be measured."""
    status = ("ok", "weak", "dead")[k]
    measured = dict.fromkeys(run_content.FILTER_SERIES, None if status == "dead" else k + 0.5)
    return {"score": score, "status": status, "reason": f'It is "{status}", <b>really</b>', **measured}


def _report(folder: Path, rng: Any, layers: list[str], gain: float) -> None:
    for name in ("index", *MODELS):
        (folder / f"{name}.html").write_text(f"<h1>{name}</h1>")
    (folder / "metrics.json").write_text("{}")


_WRITERS = {
    "images": _images,
    "models": _models,
    "weights": _weights,
    "feature_maps": _feature_maps,
    "maximize": _maximize,
    "report": _report,
}


class Project:
    """A folder with a pipeline, its own DVC and Git, and the store that track makes there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = folder / "mlflow.db"

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.folder, env=self.env(env), capture_output=True, text=True)

    def env(self, more: dict[str, str]) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC", "MLFLOW", "PYTEST"))}
        paths = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        return {**kept, **paths, **more}

    def track(self, **env: str) -> str:
        done = self.run(sys.executable, "-m", "stages.track", **env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def repro(self) -> None:
        done = self.run(sys.executable, "-m", "dvc", "repro")
        assert done.returncode == 0, done.stdout + done.stderr

    def commit(self) -> str:
        self.run("git", "add", "-A")
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        assert self.run("git", *who, "commit", "-qm", "state").returncode == 0
        return self.run("git", "rev-parse", "HEAD").stdout.strip()

    def query(self, text: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.db)) as database:
            return database.execute(text, values).fetchall()

    def runs(self) -> dict[str, dict[str, Any]]:
        """All active runs by id: name, status, start, end, folder, tags."""
        found: dict[str, dict[str, Any]] = {}
        query = "SELECT run_uuid, name, status, start_time, end_time, artifact_uri FROM runs "
        for key, name, status, start, end, uri in self.query(query + "WHERE lifecycle_stage = 'active'"):
            folder = Path(unquote(urlparse(uri).path))
            found[key] = {"name": name, "status": status, "start": start, "end": end, "folder": folder, "tags": {}}
        for key, name, value in self.query("SELECT run_uuid, key, value FROM tags"):
            if key in found:
                found[key]["tags"][name] = value
        return found

    def current(self) -> dict[str, str]:
        """Names of the current runs with their ids; a name that occurs twice is an error."""
        pairs = [(run["name"], key) for key, run in self.runs().items() if run["tags"]["current"] == "true"]
        assert len(dict(pairs)) == len(pairs), pairs
        return dict(pairs)

    def check(self) -> None:
        """Exactly the runs that dvc.lock asks for are current; all are whole; parents are right."""
        runs, current = self.runs(), self.current()
        assert set(current) == {"images", "report", *MODELS} | {f"{s}@{m}" for s in PER_MODEL for m in MODELS}
        for run in runs.values():
            assert run["status"] == "FINISHED"
            assert run["tags"]["complete"] == "true"
            assert run["folder"].is_dir()
        for name, key in current.items():
            model = name.partition("@")[2]
            assert runs[key]["tags"].get("mlflow.parentRunId") == (current[model] if model else None)

    def copy(self, folder: Path) -> "Project":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)


PER_MODEL = ("models", "weights", "feature_maps", "maximize")


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small pipeline after `dvc repro`, whose last stage is track, and a commit. Do not change it: copy it."""
    return make_project(tmp_path_factory.mktemp("tracked") / "project")


def make_project(folder: Path) -> Project:
    folder.mkdir()
    each = {
        stage: {
            "foreach": "${models}",
            "do": {
                "cmd": f"python make.py {stage} ${{key}}",
                "params": ["gain", "maximize.steps", "models.${key}"] if stage == "maximize" else ["models.${key}"],
                "deps": ["artifacts/images"] if stage == "models" else ["artifacts/models/${key}"],
                "outs": [f"artifacts/{stage}/${{key}}"],
            },
        }
        for stage in PER_MODEL
    }
    whole = [f"artifacts/{stage}" for stage in PER_MODEL]
    stages = {
        "images": {"cmd": "python make.py images", "params": ["long"], "outs": ["artifacts/images"]},
        **each,
        "report": {"cmd": "python make.py report", "deps": whole, "outs": ["artifacts/report"]},
        "track": {"cmd": "python -m stages.track", "deps": [*whole, "artifacts/report"]},
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    params = {
        "gain": 2,
        "maximize": {"steps": STEPS},
        "long": "x" * 7000,
        "models": {name: {"size": 8} for name in MODELS},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "make.py").write_text(MAKE.format(root=str(ROOT)))
    (folder / ".gitignore").write_text("/.cache/\n/artifacts/\n/mlruns/\n/mlflow.db*\n")
    project = Project(folder)
    project.run("git", "init", "-q")
    project.run(sys.executable, "-m", "dvc", "init", "-q")
    project.repro()
    project.commit()
    project.track()
    return project


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
    assert curves.mean_curve([[(0, 1.0), (1, 3.0)], [(0, 3.0), (1, float("nan"))]]) == [(0, 2.0), (1, 3.0)]
    assert curves.progress([(0, 2.0), (1, 3.0), (2, 6.0)]) == [(0, 0.0), (1, 0.25), (2, 1.0)]
    assert run_content.legal("a[0]/é:b") == "a_0_/__b"


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
    for key in ("parameters", "conv_layers", "filters", "rendered_filters", "median_score_gain", "score"):
        assert key in keys["one"]
    assert {f"median_{key}" for key in run_content.FILTER_SERIES} <= keys["one"]
    values = dict(synced.query("SELECT key, value FROM latest_metrics WHERE run_uuid = ?", current["two"]))
    assert values["firing_rate"] == values["firing_rate/photos"] == 0.5
    assert values["sparsity"] == values["sparsity/photos"] == 0.5
    assert values["dead_share"] == values["weak_share"] == pytest.approx(1 / 3, rel=1e-5)
    assert values["render_seconds_per_filter"] == pytest.approx(2 / 9, rel=1e-5)
    assert values["never_active_share/photos"] == pytest.approx(1 / 3, rel=1e-5)
    assert [values[f"{state}_filters"] for state in ("ok", "weak", "dead")] == [3, 3, 3]
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
    assert [row[0] for row in table["data"]] == [f"{d}/{i}" for d in run_content.DEPTHS for i in range(FILTERS)]


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
    for (layer, index), scores in history.items():
        curve = logged[f"score by filter/{layer}/{index}"]
        assert {0, STEPS} <= set(curve)
        assert curve == {step: scores[step] for step in curve}
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
def test_scores_of_every_filter_are_a_series_and_a_table(synced: Project) -> None:
    key = synced.current()["maximize@two"]
    folder = synced.runs()[key]["folder"]
    with (folder / "filters.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["layer"], row["filter"]) for row in rows] == [
        (x, str(k)) for x in MODELS["two"] for k in range(FILTERS)
    ]
    assert (rows[5]["layer"], rows[5]["filter"], rows[5]["status"]) == ("second", "2", "dead")
    assert rows[5]["reason"] == 'It is "dead", <b>really</b>'
    for name in run_content.FILTER_SERIES:
        query = "SELECT step, value FROM metrics WHERE run_uuid = ? AND key = ?"
        series = dict(synced.query(query, key, f"by filter/{name}"))
        assert series == {i: float(row[name]) for i, row in enumerate(rows) if row[name]}
        assert set(series) == {0, 1, 3, 4, 6, 7}  # the dead ones leave gaps
    assert (folder / "objectives" / "logit-6.png").is_file()


@pipeline
def test_nothing_to_do_is_fast_and_imports_no_mlflow(synced: Project) -> None:
    before = synced.runs()
    start = time.perf_counter()
    done = synced.run(sys.executable, "-X", "importtime", "-m", "stages.track")
    assert time.perf_counter() - start < 1.5  # 0.2 s on a quiet machine
    assert "nothing new" in done.stdout
    assert "cnnviz.sync" in done.stderr
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
@pytest.mark.parametrize("when", [0, 1, 4, 11])
def test_killed_sync_is_completed_without_duplicates(synced: Project, tmp_path: Path, when: int) -> None:
    project = synced.copy(tmp_path / "p")
    project.db.unlink()
    command = [sys.executable, "-m", "stages.track"]
    with subprocess.Popen(command, cwd=project.folder, env=project.env({}), stdout=subprocess.DEVNULL) as child:
        while child.poll() is None:
            if when == 0 and (project.folder / "mlflow.db.part").exists():
                break
            if when and project.db.exists() and project.query("SELECT count(*) FROM runs")[0][0] >= when:
                break
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    project.track()
    project.check()
    assert len(project.runs()) == 12
    assert "nothing new" in project.track()


@pipeline
def test_two_syncs_at_once_do_no_harm(synced: Project, tmp_path: Path) -> None:
    project = synced.copy(tmp_path / "p")
    project.db.unlink()
    command = [sys.executable, "-m", "stages.track"]
    children = [subprocess.Popen(command, cwd=project.folder, env=project.env({})) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    project.check()
    assert len(project.runs()) == 12


@pipeline
def test_changed_stage_gets_a_new_run_and_the_old_one_comes_back(synced: Project, tmp_path: Path) -> None:
    project = synced.copy(tmp_path / "p")
    before = project.current()
    params = (project.folder / "params.yaml").read_text()
    (project.folder / "params.yaml").write_text(params.replace("gain: 2", "gain: 3"))
    project.repro()
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
    project.repro()  # from the run-cache: DVC starts no stage that could log itself
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
    text = (temporary.folder / "params.yaml").read_text()
    (temporary.folder / "params.yaml").write_text(text.replace("gain: 2", "gain: 5"))
    done = temporary.run(sys.executable, "-m", "dvc", "repro", "maximize")
    assert done.returncode == 0, done.stderr
    temporary.track(DVC_ROOT=str(project.folder), DVC_EXP_NAME="wild-name")
    assert not temporary.db.exists()
    assert project.current() == before
    new = [run for run in project.runs().values() if run["tags"].get("dvc.experiment") == "wild-name"]
    assert sorted(run["name"] for run in new) == ["maximize@one", "maximize@two", "one · wild-name", "two · wild-name"]
    assert all(run["folder"].is_relative_to(project.folder / "mlruns") for run in new)


@pipeline
def test_files_that_are_not_those_of_dvc_lock_make_no_run(synced: Project, tmp_path: Path) -> None:
    project = synced.copy(tmp_path / "p")
    project.db.unlink()
    (project.folder / "artifacts/weights/one/extra.txt").write_text("changed by hand")
    said = project.track()
    assert "no files of weights@one" in said
    assert set(project.current()) == set(synced.current()) - {"one", "weights@one"}
    (project.folder / "artifacts/weights/one/extra.txt").unlink()
    project.track()
    project.check()


@pytest.mark.pipeline
@pytest.mark.parametrize("hangs", [False, True])
def test_server_that_is_down_or_hangs_costs_a_warning(synced: Project, tmp_path: Path, hangs: bool) -> None:
    project = synced.copy(tmp_path / "p")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if hangs:
            server.listen()
        start = time.perf_counter()
        said = project.track(MLFLOW_TRACKING_URI=f"http://127.0.0.1:{server.getsockname()[1]}")
    assert time.perf_counter() - start < 10
    assert said.startswith("warning: MLflow store http://127.0.0.1")
    assert "make repro" in said


def test_passwords_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@db/x")
    assert sync.target().shown == "postgresql://me:…@db/x"
    assert sync.target().artifacts is not None
