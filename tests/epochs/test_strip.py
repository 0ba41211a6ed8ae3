"""The strip beside a training: a process of its own, which gets the newest checkpoint and logs to the active run."""

import sys
import time
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cnnviz
from cnnviz import strip
from cnnviz.epochs import strips
from cnnviz.errors import InputError
from tests.epochs.test_watch import fit, names, network


@pytest.mark.pipeline
def test_a_strip_has_a_row_for_each_layer(tmp_path: Path) -> None:
    fit(network(), cnnviz.FilterWatch(tmp_path, steps=()), 1)
    place = strip.draw(tmp_path, "1-4", {"first": [0, 2], "second": [1]}, 4, "unit")
    assert place == tmp_path / "strip/1-4.png"
    look_at(place)
    with pytest.raises(InputError, match="no checkpoint 7-7"):
        strip.draw(tmp_path, "7-7", {"first": [0]}, 4, "unit")


def look_at(place: Path) -> None:
    with Image.open(place) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape[0] > 2 * 90  # a row for each layer
    assert pixels[:90, :90].std() > 5


@pytest.mark.long
@pytest.mark.pipeline
def test_the_strip_of_the_last_checkpoint_is_there_after_the_training(tmp_path: Path) -> None:
    """Made by a process of its own, which may go on behind the training."""
    watch = cnnviz.FilterWatch(tmp_path, steps=(), strip={"first": [0, 2], "second": [1]}, strip_steps=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = fit(network(), watch, 2)
    assert len(done.history["loss"]) == 2
    last = tmp_path / "strip" / f"{names(tmp_path)[-1]}.png"
    end = time.monotonic() + 300
    while not last.is_file() and time.monotonic() < end:
        time.sleep(0.2)
    assert {path.stem for path in last.parent.glob("*.png")} <= set(names(tmp_path))
    look_at(last)


def test_a_strip_that_fails_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips.sys, "executable", str(tmp_path / "no-python"))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        done = fit(network(), cnnviz.FilterWatch(tmp_path / "run", steps=(), strip={"first": [0]}), 3)
    assert len([one for one in said if "FilterWatch" in str(one.message)]) == 1
    assert len(done.history["loss"]) == 3
    assert names(tmp_path / "run") == ["0-0", "1-4", "2-8", "3-12"]  # the weights are kept all the same


def test_only_one_at_a_time_and_the_newest_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    class Slow:
        stderr = None
        ended: int | None = None

        def __init__(self, words: list[str], **_: Any) -> None:
            started.append(words[5])  # behind python -c, its line, where the package is, and the folder

        def poll(self) -> int | None:
            return self.ended

        def wait(self, seconds: float) -> None:
            self.ended = 0

    monkeypatch.setattr(strips.subprocess, "Popen", Slow)
    one = strips.Strip(tmp_path, {"first": [0]}, 4, "unit")
    for i in range(4):
        one.after(f"{i}-{i}", i)
    one.close()
    assert started == ["0-0", "3-3"]


def test_the_active_run_is_found_without_importing_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    assert strips.active_run() is None
    fake = types.SimpleNamespace(active_run=lambda: None, get_tracking_uri=lambda: "sqlite:///x.db")
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    assert strips.active_run() is None
    fake.active_run = lambda: types.SimpleNamespace(info=types.SimpleNamespace(run_id="7"))
    assert strips.active_run() == ("7", "sqlite:///x.db")


@pytest.mark.parametrize(
    "wrong", [["first"], {"first": "0"}, {"first": [-1]}, {"first": 0}, {"first": None}, {"first": []}, {0: [1]}]
)
def test_what_is_no_strip(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(InputError, match=r"strip: .* expected {layer"):
        cnnviz.FilterWatch(tmp_path, strip=wrong)


def test_a_preprocessing_that_nobody_knows_is_refused_before_the_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"FilterWatch: preprocessing: .*unitt"):
        cnnviz.FilterWatch(tmp_path, strip={"first": [0]}, preprocessing="unitt")


@pytest.mark.long
@pytest.mark.pipeline
def test_it_logs_to_the_run_of_autolog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real store, a real run, pictures at the training's steps."""
    monkeypatch.chdir(tmp_path)
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.keras.autolog(log_models=False, log_datasets=False)
        try:
            fit(network(), cnnviz.FilterWatch(tmp_path / "run", steps=(), strip={"first": [0]}, strip_steps=2), 1)
        finally:
            mlflow.keras.autolog(disable=True)
        (run,) = mlflow.MlflowClient().search_runs(["0"])
        last, end = tmp_path / "run/strip/1-4.png", time.monotonic() + 300
        while not last.is_file() and time.monotonic() < end:
            time.sleep(0.2)
        found: list[str] = []
        while not any("step+4+" in path for path in found) and time.monotonic() < end:
            found = [file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id, "images")]
    assert run.data.metrics["loss"] > 0
    assert any("filters+step+4+" in path for path in found), found
