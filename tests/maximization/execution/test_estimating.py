"""What a work would cost, held against what it then costs: counts exactly, bytes nearly; and the clock of workers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnviz import maximization
from cnnviz.files import Stopwatch
from cnnviz.maximization import MaximizeSection, Request
from cnnviz.maximization.asking import PATCH_STEPS
from cnnviz.maximization.execution import estimate, replay
from cnnviz.maximization.execution.estimating import BEGIN, Estimate
from cnnviz.networks import ModelSection
from tests.maximization import stored_project
from tests.maximization.execution.test_handing import Some


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.pipeline
def test_what_is_made_costs_nothing_and_the_rest_what_it_then_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Callable[..., Any], rng: np.random.Generator
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cnnviz.maximization.stage.CACHE", Path())
    artifacts = stored_project.write(tiny(), rng)
    section = MaximizeSection(steps=12, snapshots=[10], size=32, stability_steps=5, from_patches=2)

    def request(layers: Any) -> Request:
        model = ModelSection(
            file="inputs/models/tiny.keras", layers=layers, objectives={"mixed": "channel(dilated, 1)"}
        )
        return Request("tiny", model, section, 0, stored_project.SETS)

    def cost(layers: Any) -> Any:
        timed: list[str] = []
        return estimate(request(layers), artifacts, Path("render"), timed.append, 1, 2), timed

    few, all_ = {"dilated": [0, 2]}, {"dilated": [0, 2, 3, 5, 7]}
    asked = request(few)
    maximization.run("tiny", asked.model, section, 0, asked.sets, artifacts, Stopwatch())
    each = 12 + 2 * 5 + 2 * PATCH_STEPS  # a filter, two more seeds, two patches
    done, timed = cost(few)
    assert (done.filters, done.steps, done.found, done.parts, timed) == (2, 0, 2 * each + 12, [], [])
    assert done.cache == 0
    told, timed = cost(all_)
    assert (told.filters, told.steps, told.found) == (5, 3 * each, 2 * each + 12)
    assert timed == ["dilated"]
    assert told.seconds > sum(part.effort for part in told.parts) > 0
    assert told.by(1, told.threads / 3) > told.by(1, told.threads)
    before = size(Path("render"))
    maximization.run("tiny", request(all_).model, section, 0, asked.sets, artifacts, Stopwatch())
    assert told.cache == pytest.approx(size(Path("render")) - before, rel=0.3)
    assert told.outputs == pytest.approx(size(artifacts / "maximize"), rel=0.5)


def test_here_by_as_many_processes_as_the_stage_takes() -> None:
    parts = [part for name in "ab" for part in Some(name, (0, 1, 2, 3, 4, 5)).split(2)]  # three of two seconds each
    told: Any = Estimate(12, processes=2, threads=3, parts=parts, tracing={"a": 10.0, "b": 10.0}, files=1.0)  # type: ignore[arg-type]
    assert told.seconds == BEGIN + (10 + 6) + 1  # a layer each
    assert replace(told, processes=1).seconds == BEGIN + 2 * (10 + 6) + 1
    assert told.by(2, 3.0) == told.by(2, 8.0) == 2 * BEGIN + (10 + 6) + 1
    assert told.by(2, 1.5) == 2 * BEGIN + 2 * (10 + 6) + 1  # half of the cores that a process has here
    nothing = Estimate(12, processes=2)
    assert (nothing.seconds, nothing.by(8, 1.0)) == (BEGIN, BEGIN)


def test_a_clock_in_place_of_workers() -> None:
    parts = [part for name in "ab" for part in Some(name, (0, 1, 2, 3, 4, 5)).split(2)]  # three of two seconds each

    def changing(part: Any) -> float:
        return 10.0

    assert replay(parts, changing, 1) == 2 * (10 + 6)
    assert replay(parts, changing, 2) == 10 + 6  # a layer each
    assert replay([], changing, 3) == 0
    assert replay(parts[:1], changing, 3) == 12
