"""`python -m cnnviz.plan`: what it prints, and the line for a model or number that can't be."""

from pathlib import Path
from typing import Any

import pytest

from cnnviz import config, plan
from cnnviz.errors import InputError

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
    with pytest.raises(SystemExit, match=r"^error: --workers: given 0; expected 1 or more$"):
        plan.main(["--workers", "4", "0"])
