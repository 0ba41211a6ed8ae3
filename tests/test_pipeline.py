"""The whole pipeline for real: DVC in a temporary clone, real weights, a real MLflow store."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from cnnviz import images, look, networks
from tests import site_walk, spent
from tests.clone import ONE_MODEL, SMALL, VENV, Clone

pytestmark = pytest.mark.pipeline


def stages_run(done: subprocess.CompletedProcess[str]) -> set[str]:
    """The stages that DVC says it ran."""
    lines = (done.stdout + done.stderr).splitlines()
    return {line.split("'")[1] for line in lines if line.startswith("Running stage '")}


def files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def runs_in(store: Path) -> int:
    with sqlite3.connect(store) as connection:
        count: int = connection.execute("select count(*) from runs where lifecycle_stage = 'active'").fetchone()[0]
    connection.close()
    return count


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    made = Clone(tmp_path_factory.mktemp("clone"))
    made.look = made.make("look")  # type: ignore[attr-defined]
    shutil.copytree(made.folder / "artifacts/report", made.folder / ".cache/first-look")
    done = made.make()
    assert done.returncode == 0, done.stdout + done.stderr
    made.first = done  # type: ignore[attr-defined]
    return made


def test_first_run_makes_everything_of_the_contract(clone: Clone) -> None:
    artifacts = clone.folder / "artifacts"
    ran = stages_run(clone.first)  # type: ignore[attr-defined]
    assert {"images", "models@vgg16", "maximize@cifar10-cnn", "fixed_filters", "report", "track"} <= ran
    assert "Traceback" not in clone.first.stderr + clone.first.stdout  # type: ignore[attr-defined]
    described = json.loads((artifacts / "models/vgg16/model.json").read_text())
    assert described["digest"] == "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd"
    assert len(described["conv_layers"]) == 13
    for conv in described["conv_layers"]:
        kernel = np.load(artifacts / f"weights/vgg16/{conv['name']}.npz")["kernel"]
        assert list(kernel.shape) == conv["kernel_shape"]
        for name in ("cifar10", "imagenet"):
            maps = np.load(artifacts / f"feature_maps/vgg16/{name}/{conv['name']}.npz")
            assert maps["activations"].shape == (2, *conv["output_shape"][:2], 2)
            assert (artifacts / f"feature_maps/vgg16/{name}/{conv['name']}.png").stat().st_size > 500
    rendered = np.load(artifacts / "maximize/vgg16/block3_conv1.npz")
    assert rendered["filters"].tolist() == [159]
    assert rendered["images"].shape == (1, 48, 48, 3)
    assert rendered["snapshot_steps"].tolist() == [1, 10, 12]
    assert rendered["snapshot_scores"][0, -1] > 2 * rendered["snapshot_scores"][0, 0] > 0
    assert rendered["status"].tolist() == ["ok"]
    assert rendered["robust_score"][0] > 0
    frog = np.load(artifacts / "maximize/cifar10-cnn/objectives/frog.npz")
    assert str(frog["description"]) == "logit(6)"
    assert frog["images"].shape == (1, 32, 32, 3)
    assert frog["snapshot_scores"][0, -1] > frog["snapshot_scores"][0, 0]
    picture = np.asarray(Image.open(artifacts / "maximize/vgg16/block3_conv1/159.png"))
    np.testing.assert_array_equal(picture, rendered["images"][0])
    for model in ("vgg16", "cifar10-cnn"):
        numbers = json.loads((artifacts / "analysis" / model / "metrics.json").read_text())
        assert 0 < numbers["median_firing_rate"] < 1
        for conv in json.loads((artifacts / "models" / model / "model.json").read_text())["conv_layers"]:
            found = np.load(artifacts / "analysis" / model / "examples" / f"{conv['name']}.npz")
            assert found["top_position"].shape == (conv["filters"], 9, 2)
            best = [np.load(artifacts / f"feature_maps/{model}/{s}/per_image.npz") for s in found["sets"]]
            peaks = np.concatenate([one[f"{conv['name']}/peak"] for one in best])
            # there the pre-activation is read off behind the layer's own ReLU
            np.testing.assert_allclose(np.maximum(found["top_activation"][:, 0], 0), peaks.max(0), rtol=1e-3, atol=1e-3)
            assert (artifacts / "analysis" / model / "examples" / f"{conv['name']}.png").stat().st_size > 500
    alike = np.load(artifacts / "compare/cka/vgg16--cifar10-cnn.npz")["cka"]
    assert alike.shape == (13, 6)
    np.testing.assert_allclose(np.load(artifacts / "compare/cka/vgg16--vgg16.npz")["cka"].diagonal(), 1)
    assert (artifacts / "compare/matches/vgg16--cifar10-cnn.png").stat().st_size > 5000
    for page in ("index.html", "vgg16.html", "cifar10-cnn.html"):
        assert (artifacts / "report" / page).stat().st_size > 10_000
    pages, _ = site_walk.follow(artifacts / "report")
    assert (artifacts / "report/vgg16/block3_conv1/159.html").resolve() in pages


def test_stages_say_through_dvc_what_they_make(clone: Clone) -> None:
    said = clone.first.stderr.splitlines()  # type: ignore[attr-defined]
    assert "maximize vgg16: 2 filters of 2 layers, 80 image·steps" in said
    assert any(line.startswith("maximize vgg16: done in ") for line in said)


def test_a_first_look_has_real_pictures_and_says_that_it_is_one(clone: Clone) -> None:
    done, site = clone.look, clone.folder / ".cache/first-look"  # type: ignore[attr-defined]
    assert done.returncode == 0, done.stderr
    page = clone.folder / "artifacts/report/index.html"
    shown = "preview of cifar10-cnn whole, a few filters of vgg16; the whole: make repro"
    assert done.stdout == f"first look: {page} ({shown})\n"
    assert "maximize vgg16: 4 filters of 4 layers, 48 image·steps\n" in done.stderr  # no terminal: lines
    assert "Traceback" not in done.stderr
    pages, _ = site_walk.follow(site)
    assert all("A first look: preview recipe, 2 of 2 models" in path.read_text() for path in pages)
    for layer, filters in look.FAMOUS["vgg16"].items():
        picture = np.asarray(Image.open(site / f"vgg16/{layer}/{filters[0]}.png"))
        assert picture.shape == (48, 48, 3)
        assert picture.std() > 30
    assert (site / "cifar10-cnn/conv2d_3/index.html").is_file()
    assert not any((site / name).exists() for name in ("metrics", "layers.csv", "plots", "vgg16.html"))


@pytest.mark.long
def test_of_a_first_look_nothing_is_left(clone: Clone) -> None:
    report = clone.folder / "artifacts/report"
    assert "first look" not in clone.first.stdout  # type: ignore[attr-defined]
    assert not any("A first look" in path.read_text() for path in report.rglob("*.html"))
    assert not (report / "vgg16/block4_conv1/243.png").exists()  # its page is that of a filter that was not rendered
    before = files(report)
    done = clone.make("look")
    assert done.stdout == f"no first look, the whole report is there: {report}/index.html\n"
    shutil.rmtree(report)
    shutil.copytree(clone.folder / ".cache/first-look", report)
    runs = runs_in(clone.folder / "mlflow.db")
    tracked = clone.run(str(VENV / "bin/python"), "-m", "stages.track")
    assert "track: 0 runs made" in tracked.stdout  # a preview is no result
    assert runs_in(clone.folder / "mlflow.db") == runs
    done = clone.dvc("repro")
    assert done.returncode == 0, done.stderr
    assert stages_run(done) == set()
    assert files(report) == before
    clone.run(str(VENV / "bin/python"), "-m", "stages.track")  # it noted that the report was another


def test_another_clone_makes_the_same_bytes(clone: Clone, tmp_path: Path) -> None:
    """In another folder, without a first look, all stages in one process, and without the other model."""
    other = Clone(tmp_path / "other")
    other.change(ONE_MODEL | {"models": {"cifar10-cnn": SMALL["models"]["cifar10-cnn"]}})
    done = other.run(str(VENV / "bin/python"), "-m", "tests.every_stage")
    assert done.returncode == 0, done.stderr
    lock = yaml.safe_load((clone.folder / "dvc.lock").read_text())["stages"]
    every = [out["path"] for stage in lock.values() for out in stage.get("outs", ())]
    outs = [out for out in every if out.endswith(("/images", "/cifar10-cnn"))]
    assert len(outs) == 8
    for out in outs:
        made, again = files(clone.folder / out), files(other.folder / out)
        assert made.keys() == again.keys(), out
        assert [name for name in made if made[name] != again[name]] == [], out


def test_known_predictions_come_out_of_the_stored_network(clone: Clone) -> None:
    """The CIFAR-10 network is right on the package's images: weights, preprocessing and labels fit together."""
    network, described = networks.load(clone.folder / "artifacts/models/cifar10-cnn")
    shown = images.load_set(clone.folder / "artifacts/images/cifar10.npz")
    x = networks.preprocess(images.resized(shown, range(10), (32, 32)), described["preprocessing"])
    assert (np.argmax(network(x), 1) == shown.labels).all()


def test_second_run_does_nothing_and_is_quick(clone: Clone) -> None:
    before = runs_in(clone.folder / "mlflow.db")
    clone.git("add", "-A")
    start = spent.by_children()
    done = clone.make()
    seconds = spent.by_children() - start
    assert done.returncode == 0
    assert stages_run(done) == set()
    assert runs_in(clone.folder / "mlflow.db") == before > 0
    assert clone.git("diff", "--name-only") == ""  # against the index: nothing changed by running again
    assert seconds < 10  # 5 s on a quiet machine


@pytest.mark.long
def test_a_killed_stage_goes_on_where_it_was_and_makes_the_same_bytes(clone: Clone) -> None:
    made, cache = clone.folder / "artifacts/maximize/cifar10-cnn", clone.folder / ".cache/render"
    before = files(made)
    shutil.rmtree(cache)
    command = [str(VENV / "bin/python"), "-m", "stages.maximize_filters", "cifar10-cnn"]
    with (clone.folder / ".cache/killed.log").open("w") as log:
        stage = subprocess.Popen(command, cwd=clone.folder, stdout=log, stderr=log, start_new_session=True)
    end = time.monotonic() + 120
    while not list(cache.rglob("*.npz")) and stage.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    assert stage.poll() is None, "the stage ended before its first chunk was kept"
    os.killpg(stage.pid, signal.SIGKILL)
    stage.wait()
    kept = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npz")}
    assert kept
    assert set(files(made)) != set(before)  # killed before it was done
    done = clone.run(*command)
    assert done.returncode == 0, done.stderr
    assert files(made) == before
    now = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npz")}
    assert set(now) > set(kept)  # there was work left
    assert all(now[path] == kept[path] for path in kept)  # and what was done was not done again


def test_metrics_and_plots(clone: Clone) -> None:
    shown = clone.dvc("metrics", "show", "--json")
    assert shown.returncode == 0, shown.stderr
    assert "metrics/vgg16.json" in shown.stdout
    plots = clone.dvc("plots", "show")
    assert plots.returncode == 0, plots.stderr
    pages = list((clone.folder / "dvc_plots").rglob("*.html"))
    assert len(pages) == 1
    assert "vega" in pages[0].read_text()
    assert list((clone.folder / "dvc_plots").rglob("*.png"))


def test_a_setting_for_all_models_changes_the_stages_of_each(clone: Clone) -> None:
    kept = (clone.folder / "params.yaml").read_bytes()
    clone.change({"maximize": {"steps": 14}})
    try:
        shown = clone.dvc("status", "--json")
    finally:
        (clone.folder / "params.yaml").write_bytes(kept)
    assert shown.returncode == 0, shown.stderr
    of_each = {f"{stage}@{model}" for stage in ("maximize", "epochs") for model in ("vgg16", "cifar10-cnn")}
    assert set(json.loads(shown.stdout)) == of_each | {"enlarge", "report"}


def test_an_experiment_with_one_models_filters_reruns_only_its_own_stages(clone: Clone) -> None:
    done = clone.dvc("exp", "run", "-S", "models.cifar10-cnn.layers.conv2d_1=3", "maximize@cifar10-cnn")
    assert done.returncode == 0, done.stdout + done.stderr
    assert stages_run(done) == {f"{stage}@cifar10-cnn" for stage in ("models", "feature_maps", "maximize")}
    left = json.loads(clone.dvc("status", "--json").stdout)
    of_it = {f"{stage}@cifar10-cnn" for stage in ("analyze", "judge", "epochs")}
    assert set(left) == of_it | {"compare", "report", "track"}
    assert len(np.load(clone.folder / "artifacts/maximize/cifar10-cnn/conv2d_1.npz")["filters"]) == 3


MISSING = {"file": "inputs/models/gone.keras", "input_size": 32, "preprocessing": "raw"}


@pytest.mark.parametrize(
    ("change", "stage", "expected"),
    [
        ({"layers": {"block9_conv1": [1]}}, "maximize@vgg16", "nearest: block"),
        ({"channels": {"block1_conv": [0]}}, "feature_maps@vgg16", "nearest: block1_conv"),
        (MISSING, "models@vgg16", "gone.keras"),
    ],
)
def test_what_only_a_stage_can_tell_is_one_line_too(
    clone: Clone, change: dict[str, Any], stage: str, expected: str
) -> None:
    kept = (clone.folder / "params.yaml").read_bytes()
    changed = MISSING if change == MISSING else {"known": "vgg16", "input_size": 64, **change}
    clone.change({"models": {**SMALL["models"], "vgg16": changed}})
    try:
        done = clone.dvc("repro", "-s", stage)
    finally:
        (clone.folder / "params.yaml").write_bytes(kept)
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "params.yaml" in line
    assert expected in line
    assert "Traceback" not in done.stderr + done.stdout
