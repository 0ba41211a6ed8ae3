"""`python -m cnnviz.plan`: what it prints and reckons with, and the line for a model or number that can't be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnviz import config, plan
from cnnviz.errors import InputError
from cnnviz.images import ImagesSection
from cnnviz.maximization import MaximizeSection
from cnnviz.maximization.execution.estimating import BEGIN
from cnnviz.networks import ModelSection
from tests.maximization import stored_project

ROOT = Path(__file__).parents[1]


def row(name: str, filters: int, minutes: float) -> dict[str, Any]:
    here = {"here": 60 * minutes, "8": 60 * minutes / 4}
    return {"name": name, "filters": filters, "steps": 1000 * filters, "found": 0, **here, "cache": 2e6, "outputs": 5e5}


def test_a_row_a_model_and_their_sum() -> None:
    lines = plan.table([row("maximize a", 4, 2), row("epochs bc", 10, 8.04)], [8]).splitlines()
    assert [line.split() for line in lines] == [
        ["filters", "image·steps", "made", "before", "here", "8", "workers", "cache", "outputs"],
        ["maximize", "a", "4", "4,000", "0", "2.0", "min", "0.5", "min", "2", "MB", "0", "MB"],
        ["epochs", "bc", "10", "10,000", "0", "8.0", "min", "2.0", "min", "2", "MB", "0", "MB"],
        ["all", "14", "14,000", "0", "10.0", "min", "2.5", "min", "4", "MB", "1", "MB"],
    ]
    assert len({len(line) for line in lines}) == 1
    assert len(plan.table([row("maximize a", 4, 2)], [8]).splitlines()) == 2


def test_what_cannot_be_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = config.load(ROOT / "params.yaml")
    with pytest.raises(InputError, match=r"^params\.yaml: no model 'vgg61'; nearest: vgg16"):
        plan.rows(params, ["vgg16", "vgg61"], [8])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"model\.json: not found; run `dvc repro models@vgg16` first$"):
        plan.rows(params, ["vgg16"], [8])
    with pytest.raises(SystemExit, match=r"^error: --workers: given 0; expected 1 to 10000$"):
        plan.main(["--workers", "4", "0"])


@pytest.mark.pipeline
def test_a_process_of_its_own_reckons_for_as_many_as_the_stage_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Callable[..., Any], rng: np.random.Generator
) -> None:
    monkeypatch.chdir(tmp_path)
    stored_project.write(tiny(), rng)
    model = ModelSection(file="inputs/models/tiny.keras", layers={"dilated": [0, 2, 3], "depthwise": [0, 1]})
    sets = {name: {"folder": f"inputs/images/{name}"} for name in stored_project.SETS}

    def here(workers: int) -> dict[str, Any]:
        recipe = {"steps": 40, "snapshots": [10], "size": 160, "stability_steps": 5, "from_patches": 0}
        made = MaximizeSection.model_validate(recipe | {"workers": workers, "worker_cpus": 64})
        params = config.load(ROOT / "params.yaml").model_copy(
            update={"models": {"tiny": model}, "maximize": made, "images": ImagesSection.model_validate({"sets": sets})}
        )
        (found,) = plan.rows(params, ["tiny"], [1, 3])
        return found

    alone, shared = here(1), here(3)
    each = 40 + 2 * 5  # a filter, two more seeds
    assert alone["steps"] == shared["steps"] == 5 * each
    assert {**alone, **dict.fromkeys(("here", "1", "3"))} == {**shared, **dict.fromkeys(("here", "1", "3"))}
    assert shared["here"] < shared["1"] - BEGIN  # a layer each for two processes
    assert alone["here"] == pytest.approx(alone["1"] - BEGIN)  # one; a worker has as many cores as this machine
