"""What a run says about its making, and the way back: from a picture in MLflow to the state of the project it shows."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cnnviz.files import disk, machine
from cnnviz.tracking import content, lockfile, runs, timings, views
from tests.small_project import Project, synced_fixture  # noqa: F401
from tests.small_stages import MODELS

pipeline = pytest.mark.pipeline


# ---- without a store


def test_accuracy_is_a_headline_number_where_the_analysis_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "artifacts" / "models" / "m"
    folder.mkdir(parents=True)
    known = {k: f"its {k}" for k in ("title", "origin", "license", "trained_on", "source", "digest", "fingerprint")}
    about = {**known, "input_shape": [8, 8, 3], "preprocessing": {"name": "raw"}, "parameters": 7, "conv_layers": []}
    (folder / "model.json").write_text(json.dumps(about))
    assert "accuracy" not in content.of_model("m").metrics
    analysis = tmp_path / "artifacts" / "analysis" / "m"
    analysis.mkdir(parents=True)
    (analysis / "metrics.json").write_text('{"accuracy": 0.75, "by set": {"photos": 0.5}, "classes": null}')
    layers = {layer: {"sets": {"photos": {"population_sparsity": value}}} for layer, value in (("a", 0.5), ("b", None))}
    (analysis / "statistics.json").write_text(json.dumps(layers))
    assert content.of_model("m").metrics == {"parameters": 7, "conv_layers": 0, "conv_filters": 0, "accuracy": 0.75}
    analyzed = content.of_stage("analyze", "m")
    assert analyzed.files == [(Path(f"artifacts/analysis/m/{name}.json"), "") for name in ("metrics", "statistics")]
    assert set(analyzed.shown) == {"by_layer.png"}
    assert "accuracy" in views.FIRST


def test_a_state_keeps_its_own_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC restores a stage without running it: the times of the state that ran last are not that one's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert timings.of("s", "key 1") is None
    latest = tmp_path / ".cache" / "timings" / "s.json"
    numbers = {"started": 5, "ended": 7, "network_seconds": 0, "cpu_seconds": 1, "peak_memory_mb": 90}
    disk.write_json(latest, numbers | {"seconds": 1.0})
    first = timings.of("s", "key 1")
    assert first is not None
    assert first["seconds"] == 1.0
    assert timings.of("s", "key 2") is None
    disk.write_json(latest, numbers | {"seconds": 2.0})  # the stage ran again
    for _ in range(2):
        assert (timings.of("s", "key 2") or {})["seconds"] == 2.0
        assert (timings.of("s", "key 1") or {})["seconds"] == 1.0
    assert timings.of("s", "key 3") is None


def test_a_stage_notes_its_processor_and_packages(tmp_path: Path) -> None:
    code = "import numpy, h5py; from cnnviz.files import stage\nwith stage('s'): pass"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True)
    noted = json.loads((tmp_path / ".cache" / "timings" / "s.json").read_text())
    versions = {"numpy": np.__version__, "python": sys.version.split()[0]}
    assert "device" not in noted
    assert noted["packages"] == {**versions, "h5py": noted["packages"]["h5py"]}
    assert f", {len(os.sched_getaffinity(0))} cores; " in noted["cpu"]
    assert noted["cpu"].endswith(machine.kind())
    if Path("/proc/cpuinfo").exists():
        assert noted["cpu"].partition(",")[0] in Path("/proc/cpuinfo").read_text()


def test_two_kinds_of_processor_stay_apart_in_the_tag() -> None:
    kinds = [f"AMD EPYC, 2 cores; AuthenticAMD family {n} model 17 stepping 1: avx512_bf16 fma" for n in (25, 26)]
    times = [{"cpu": kind} for kind in (kinds[0], kinds[1], kinds[0])]
    assert runs._environment([*times, {}]) == {"environment.cpu": " | ".join(kinds)}


def test_what_tensorflow_computed_on_is_in_tags_of_its_own() -> None:
    card = {
        "device": "NVIDIA H200, compute capability 9.0, 140 GiB, cuDNN 9.19.0",
        "capability": "9.0",
        "cudnn": "9.19.0",
    }
    times = [{"cpu": "AMD EPYC", "device": {"device": "CPU"}}, {"cpu": "AMD EPYC", "device": card}, {"cpu": "AMD EPYC"}]
    assert runs._environment(times) == {
        "environment.cpu": "AMD EPYC",
        "environment.device": f"CPU | {card['device']}",
        "environment.capability": "9.0",
        "environment.cudnn": "9.19.0",
    }


def test_a_stage_that_runs_a_network_notes_what_computed_it(tmp_path: Path) -> None:
    """Where there is a card, the card: a GPU test in tests/test_device.py says what it is."""
    code = "from cnnviz.files import stage\nwith stage('s'): import keras"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "GPU": "0"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True)
    assert json.loads((tmp_path / ".cache/timings/s.json").read_text())["device"] == {"device": "CPU"}


def lock(**changes: Any) -> bytes:
    """A dvc.lock of three stages, each made from the one before, with other values for `<stage>_<what>`.

    The last depends on the folder that the one before writes into.
    """
    stages: dict[str, Any] = {}
    for before, place, name in (("code", "code", "a"), ("a", "out/a", "b"), ("b", "out", "c")):
        deps = [{"path": place, "md5": changes.get(f"{before}_out", before)}, {"path": f"{name}.py", "md5": "1"}]
        params = {"params.yaml": {"p": changes.get(f"{name}_param", 1)}}
        outs = [{"path": f"out/{name}", "md5": changes.get(f"{name}_out", name)}]
        stages[name] = {"cmd": f"make {name}", "deps": deps, "params": params, "outs": outs}
    return yaml.safe_dump({"schema": "2.0", "stages": stages}).encode()


def test_what_a_commit_does_not_hold_is_said_in_words() -> None:
    same = "the same code, params and inputs, but other results (another kind of processor, other packages): "
    made = "made from other code, params or inputs: "
    for changes, expected in (
        ({}, ""),
        ({"a_out": "x", "b_out": "x", "c_out": "x"}, f"{same}a; after these: b, c"),
        ({"b_param": 2, "b_out": "x"}, f"{made}b; after these: c"),
        ({"b_param": 2}, f"{made}b"),
        ({"a_out": "x", "c_param": 2}, f"{made}c; {same}a; after these: b"),
    ):
        found = lockfile.differences(lock(), lock(**changes))
        assert sorted(found.split("; ")) == sorted(expected.split("; "))
        assert found.endswith(expected.rpartition("; ")[2] if "after" in expected else found)
    assert lockfile.differences(b"<<<<<<< HEAD", lock()) == lockfile.differences(lock(), b"\xff") == ""


# ---- with a real store


def inputs(project: Project, run: str) -> dict[str, dict[str, Any]]:
    query = "SELECT d.name, d.digest, d.dataset_profile, t.value FROM inputs i "
    query += "JOIN datasets d ON i.source_id = d.dataset_uuid "
    query += "JOIN input_tags t ON t.input_uuid = i.input_uuid WHERE i.destination_id = ?"
    return {
        name: {"digest": digest, "profile": json.loads(profile), "context": context}
        for name, digest, profile, context in project.query(query, run)
    }


@pipeline
def test_model_and_images_are_inputs_with_digests(synced: Project) -> None:
    current = synced.current()
    for run in ("two", "maximize@two", "feature_maps@two"):
        found = inputs(synced, current[run])
        assert {name: one["context"] for name, one in found.items()} == {"two": "model", "photos": "images"}
        assert found["photos"]["digest"] == "5" * 12
        assert found["photos"]["profile"]["sha256"] == "5" * 64
        assert found["two"]["digest"] == "its fingerprint"[:12]
    assert set(inputs(synced, current["weights@two"])) == {"two"}


@pipeline
def test_environment_is_in_the_tags(synced: Project) -> None:
    runs, current = synced.runs(), synced.current()
    for name in ("two", "maximize@two"):
        tags = runs[current[name]]["tags"]
        assert tags["environment.cpu"] == machine.described()
        assert tags["environment.cpu"].endswith(machine.kind())
        assert tags["environment.packages"] == f"numpy {np.__version__}, python 3.11.1"
        assert tags["environment.precision"] == "float32"
    assert "environment.precision" not in runs[current["weights@two"]]["tags"]


@pipeline
def test_from_a_picture_to_the_state_that_made_it(synced: Project, tmp_path: Path) -> None:
    """docs/tracking.md, "From a picture to what made it", on a picture of a state that has been left since."""
    here = synced.copy(tmp_path / "p")
    key = here.current()["maximize@two"]
    here.set_gain(7)
    here.dvc("repro")
    here.commit()
    here.track()
    picture = "artifacts/maximize/two/second/0.png"
    seen, tags = (here.runs()[key]["folder"] / "second" / "0.png").read_bytes(), here.runs()[key]["tags"]
    assert (here.folder / picture).read_bytes() != seen
    assert (tags["current"], tags["git.dirty"]) == ("false", "false")

    assert here.run("git", "checkout", "-q", tags["git.commit"]).returncode == 0
    here.dvc("checkout")
    assert (here.folder / picture).read_bytes() == seen
    assert here.dvc("status").strip() == "Data and pipelines are up to date."
    assert tags["dvc.outs_md5"] in (here.folder / "dvc.lock").read_text()
    digest = hashlib.sha256(seen).hexdigest()

    shutil.rmtree(here.folder / ".dvc" / "cache")  # and without the cache: made again, byte for byte
    shutil.rmtree(here.folder / "artifacts")
    here.dvc("repro", tags["dvc.stage"])
    assert hashlib.sha256((here.folder / picture).read_bytes()).hexdigest() == digest
    assert here.run("git", "status", "--porcelain", "dvc.lock").stdout == ""


@pipeline
@pytest.mark.long
def test_a_queued_experiment_reaches_the_store_under_its_name(synced: Project, tmp_path: Path) -> None:
    here = synced.copy(tmp_path / "p")
    here.track()
    before = here.current()
    here.dvc("exp", "run", "--queue", "-S", "gain=6", "-n", "six")
    here.dvc("exp", "run", "--run-all")
    here.track()
    assert here.current() == before  # the workspace did not change
    here.check()
    runs = here.runs()
    made = {run["name"]: key for key, run in runs.items() if run["tags"].get("dvc.experiment") == "six"}
    assert set(made) >= {"one · six", "two · six", "maximize@one · six", "maximize@two · six"}
    assert all(runs[key]["folder"].is_relative_to(here.folder / "mlruns") for key in made.values())
    assert {runs[key]["tags"]["current"] for key in made.values()} == {"false"}
    params = dict(here.query("SELECT key, value FROM params WHERE run_uuid = ?", made["two · six"]))
    assert params["gain"] == "6"
    assert runs[made["maximize@two · six"]]["tags"]["mlflow.parentRunId"] == made["two · six"]
    query = "SELECT value FROM latest_metrics WHERE key = 'seconds' AND run_uuid = ?"
    assert here.query(query, made["maximize@two · six"]) == [(2.0,)]
    assert (here.folder / ".cache" / "render" / "maximize-two-6").exists()  # not lost with the temporary folder

    here.dvc("exp", "apply", "six")  # taken over: its runs become the current ones, no run is made twice
    here.track()
    here.check()
    current = here.current()
    assert current["two"] == next(key for key, run in runs.items() if run["name"] == "two · six")
    assert here.runs()[before["two"]]["tags"]["current"] == "false"
    assert here.runs()[before["two"]]["name"].startswith("two · ")
    names = [run["name"] for run in here.runs().values() if run["tags"]["kind"] == "model"]
    assert len(names) == len(set(names)) == 2 * len(MODELS)
    (view,) = here.query("SELECT value FROM experiment_tags WHERE key = ?", f"{views.TAG}history")
    state = json.loads(view[0])["state"].partition(";")[2]
    columns = json.loads(zlib.decompress(base64.b64decode(state)))["selectedColumns"]
    assert [name for name in columns if name.startswith("params.")] == ["params.`gain`"]  # in what the states differ
    colors = [run["tags"]["mlflow.runColor"] for run in here.runs().values() if run["tags"]["kind"] == "model"]
    assert len(set(colors)) == len(colors)


STARTED_LATER = 1_800_000_000.25


@pytest.mark.long
@pipeline
def test_an_experiment_here_leaves_the_baseline_its_name_and_has_its_own_times(synced: Project, tmp_path: Path) -> None:
    here = synced.copy(tmp_path / "p")
    here.track()
    before, baseline = here.current(), here.runs()
    env = {"SMALL_STARTED": str(STARTED_LATER)}
    here.dvc("exp", "run", "-S", "gain=6", "-n", "six", **env)
    runs, current = here.runs(), here.current()
    assert {name for name, key in current.items() if key not in baseline} == {
        *("one · six", "two · six", "maximize@one · six", "maximize@two · six", "report · six")
    }
    for name in ("two", "maximize@two", "weights@two"):
        assert {k: v for k, v in runs[before[name]].items() if k != "tags"} == {
            k: v for k, v in baseline[before[name]].items() if k != "tags"
        }
    tried = runs[current["two · six"]]  # of its four stages one is its own
    assert (tried["start"], tried["end"]) == (round(1000 * STARTED_LATER), round(1000 * (STARTED_LATER + 2)))
    assert tried["tags"]["git.differs"].startswith("params.yaml; dvc.lock: made from other code, params or inputs: ")
    here.dvc("exp", "run", "-S", "gain=7", "-n", "seven")
    assert here.runs()[before["two"]]["name"] == "two"
    assert {run["name"] for run in here.runs().values() if run["tags"].get("model") == "two"} >= {
        *("two", "two · six", "two · seven", "maximize@two", "maximize@two · six", "maximize@two · seven")
    }


@pipeline
@pytest.mark.long
def test_a_fresh_clone_on_another_processor_says_what_differs(synced: Project, tmp_path: Path) -> None:
    here = Project(tmp_path / "there")
    synced.run("git", "clone", "-q", ".", str(here.folder))
    here.dvc("repro", SMALL_CPU="another")
    for name in ("two", "maximize@two"):
        tags = here.runs()[here.current()[name]]["tags"]
        assert tags["git.dirty"] == "true"
        assert tags["git.differs"] == (
            "dvc.lock: the same code, params and inputs, but other results (another kind of processor, other packages)"
            ": "
            "weights@one, weights@two; after these: report"
        )
    here.commit()
    here.track()
    assert here.runs()[here.current()["two"]]["tags"]["git.differs"] == "nothing"
