"""A training in MLflow: steps of its model's own run, no run for a model that is no series."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnviz.files import npz
from cnnviz.tracking import content, lockfile, runs
from cnnviz.tracking.content import checkpoints

LAYER, FILTERS, SIDE = "conv", [2, 5], 8


def about(epoch: int | None, step: int | None, accuracy: float | None, **logs: float | None) -> dict[str, Any]:
    numbers = {"accuracy": accuracy, "flipped": None, "median_similarity": 0.5, "labelled_images": 4}
    return {"name": "x", "file": "x", "epoch": epoch, "step": step, "digest": "0", "logs": logs, **numbers}


@pytest.fixture
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of a series of three, as the stages leave them, where the readers look for them."""
    monkeypatch.chdir(tmp_path)
    model = {k: f"its {k}" for k in ("title", "origin", "license", "trained_on", "source", "digest", "fingerprint")}
    model |= {"input_shape": [8, 8, 3], "preprocessing": {"name": "raw"}, "parameters": 7}
    model |= {"conv_layers": [{"name": LAYER, "filters": 8}]}
    write("models/m/model.json", model)
    each = {"status": "ok", "score": 1.0, "reason": ""}
    numbers: dict[str, Any] = {"rendered_filters": 2, "layers": {LAYER: {str(k): each for k in FILTERS}}}
    write("maximize/m/metrics.json", numbers | {f"{state}_filters": 0 for state in ("ok", "weak", "dead")})
    found = [about(0, 0, 0.25, loss=2.0), about(0, 30, None, loss=None), about(1, 60, 0.75, loss=1.0)]
    layers = {LAYER: {"cka_to_last": [0.1, None, 1.0], "median_cosine": [0.0, 0.5, 1.0]}}
    write("epochs/m/epochs.json", {"checkpoints": found, "formed": 0.9, "layers": layers, "notes": []})
    write("epochs/m/metrics.json", {"checkpoints": 3, "median_formed_at": None})
    folder = Path("artifacts/epochs/m")
    (folder / f"{LAYER}.npz").write_bytes(npz.pack({"filters": np.array(FILTERS, np.int32)}))
    (folder / "pictures").mkdir()
    for i in range(3):
        pixels = np.full((2, SIDE, SIDE, 3), 40 * i, np.uint8)
        (folder / f"pictures/{i}.npz").write_bytes(npz.pack({LAYER: pixels}))
    return folder


def write(path: str, data: Any) -> None:
    file = Path("artifacts") / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data))


def test_curves_and_pictures_stand_at_the_trainings_own_steps(artifacts: Path) -> None:
    found = content.of_stage("epochs", "m")
    assert found.curves["training/accuracy"] == [(0, 0.25), (60, 0.75)]  # what is unknown is no point
    assert found.curves["training/logs/loss"] == [(0, 2.0), (60, 1.0)]
    assert found.curves["training/cka_to_last/conv"] == [(0, 0.1), (60, 1.0)]
    assert "training/flipped" not in found.curves
    assert found.metrics == {"checkpoints": 3}
    late = [(step, picture) for name, step, picture in found.pictures if name == "training/late"]
    assert [step for step, _ in late] == [0, 30, 60]
    for i, (_, picture) in enumerate(late):
        assert (picture == 40 * i).all(2).any()
    assert {path.name for path, _ in found.files} == {"epochs.json", "metrics.json", "conv.npz"}


def test_they_are_steps_of_the_models_own_run(artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnviz.tracking.content.stages.STAGES", ("models", "epochs"))
    images = np.zeros((2, SIDE, SIDE, 3), np.uint8)  # for the image matrix
    arrays = {"filters": np.array(FILTERS, np.int32), "images": images, "snapshots": images[:, None]}
    Path(f"artifacts/maximize/m/{LAYER}.npz").write_bytes(npz.pack(arrays))
    whole, stage = content.of_model("m"), content.of_stage("epochs", "m")
    assert {name: curve for name, curve in whole.curves.items() if name.startswith("training/")} == stage.curves
    assert [name for name, _, _ in whole.pictures] == [name for name, _, _ in stage.pictures]
    assert whole.metrics["checkpoints"] == 3


def test_steps_that_are_unknown_or_do_not_rise_are_places() -> None:
    def at(*steps: int | None) -> list[int]:
        return checkpoints.steps([{"step": step} for step in steps])

    assert at(0, 30, 60) == [0, 30, 60]
    assert at(None, None) == [0, 1]
    assert at(0, 30, 30) == [0, 1, 2]


def test_a_model_that_is_no_series_gets_no_run() -> None:
    def entry(stage: str, **params: Any) -> lockfile.Entry:
        return lockfile.Entry(f"{stage}@m", stage, "m", "key", "", params, ())

    series = {"models.m.checkpoints": "inputs/models/m"}
    assert runs._worth(entry("epochs", **series))
    assert not runs._worth(entry("epochs", **{"models.m.file": "inputs/models/m.keras"}))
    assert runs._worth(entry("maximize"))


def test_without_a_series_there_is_nothing(artifacts: Path) -> None:
    (artifacts / "epochs.json").write_text('{"checkpoints": []}')
    found = checkpoints.read(Path("artifacts/epochs/m"))
    assert (found.curves, found.pictures, found.metrics) == ({}, [], {})
