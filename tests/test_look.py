"""Which models and filters a first look is of, and when there is none. tests/test_pipeline.py makes one."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from cnnviz import config, look
from tests.clone import ROOT, SMALL, merged

DEFAULTS = yaml.safe_load((ROOT / "params.yaml").read_text())
OWN = {"file": "inputs/models/own.keras", "preprocessing": "raw"}


@pytest.fixture
def params(tmp_path: Path) -> Callable[..., config.Params]:
    """params.yaml with other models."""

    def load(**models: Any) -> config.Params:
        change = {
            "models": models,
            "fixed_filters": {"borrowed": {"model": next(iter(models))}},
        }
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(merged(merged(DEFAULTS, SMALL), change), sort_keys=False))
        return config.load(tmp_path / "params.yaml")

    return load


def test_the_smallest_network_whole_and_a_few_filters_of_the_first_large_one(
    params: Callable[..., config.Params],
) -> None:
    vgg16, dogs, small = {"known": "vgg16"}, {"known": "mobilenetv2-dogs"}, {"known": "cifar10-cnn"}
    assert look.chosen(config.load(ROOT / "params.yaml")) == ("cifar10-cnn", "vgg16")
    assert look.chosen(params(dogs=dogs, a=small, b={**OWN, "input_size": 48})) == ("a", "dogs")
    assert look.chosen(params(a=small)) == ("a", None)
    assert look.chosen(params(mine={**OWN, "input_size": 224})) == (None, "mine")
    assert look.chosen(params(mine=OWN), {"mine": 28}) == ("mine", None)
    assert look.chosen(params(mine={**OWN, "input_shape": [66, 90]})) == ("mine", None)
    assert look.chosen(params(r={"application": "ResNet50"}, v=vgg16)) == (None, "r")


def test_of_many_filters_some_are_taken_evenly() -> None:
    wanted = {f"c{i}": list(range(10, 31)) for i in range(9)} | {"last": [5, 3]}
    assert look.some(wanted, *look.FEW) == {"c0": [10], "c3": [10], "c6": [10], "last": [5]}
    assert look.some(wanted, 2, 3) == {"c0": [10, 20, 30], "last": [5, 3]}


def test_a_preview_asks_for_no_image_that_it_lacks() -> None:
    short = look.preview(config.load(ROOT / "params.yaml"))
    assert max(short.feature_maps.images) < look.IMAGES
    assert config.Params.model_validate(short.model_dump()) == short


def test_none_where_the_report_is_there_or_can_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made: list[bool] = []
    monkeypatch.setattr(look, "make", lambda *_: made.append(True) or "two")
    monkeypatch.setattr(look, "stage", nullcontext)
    monkeypatch.setattr(look.config, "load", lambda: None)
    look.main(first=True)
    page = tmp_path / "artifacts/report/index.html"
    assert capsys.readouterr().out == f"first look: {page} (preview of two; the whole follows)\n"
    lock = {"stages": {"report": {"outs": [{"path": "artifacts/report", "md5": "abcd.dir"}]}}}
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    look.main(first=True)  # a fresh clone: dvc.lock knows it, but its files are not here
    assert len(made) == 2
    kept = Path(".dvc/cache/files/md5/ab/cd.dir")
    kept.parent.mkdir(parents=True)
    kept.touch()
    look.main(first=True)
    assert len(made) == 2
    look.main(first=False)  # but who asks for it gets it
    assert len(made) == 3
    Path("artifacts/report").mkdir(parents=True)
    Path("artifacts/report/layers.csv").touch()
    look.main(first=False)
    assert len(made) == 3


def test_a_whole_report_that_came_meanwhile_stays(
    params: Callable[..., config.Params], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage may end while a look in another shell draws its pages."""
    monkeypatch.chdir(tmp_path)

    def render(artifacts: Path, params: Any, out: Path, preview: str) -> None:
        (out / "index.html").write_text("preview")

    monkeypatch.setattr(look.report, "render", render)  # at the door: a name taken from it once stays there
    chosen = params(a={"known": "cifar10-cnn"})
    look._show(chosen, "1 of 1 models")
    assert (look.SITE / "index.html").read_text() == "preview"
    (look.SITE / "index.html").write_text("whole")
    (look.SITE / "layers.csv").write_text("")
    look._show(chosen, "1 of 1 models")
    assert (look.SITE / "index.html").read_text() == "whole"
