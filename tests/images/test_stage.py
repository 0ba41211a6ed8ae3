"""The stage `images`: sets of several sources side by side, and one that cannot be had."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz.errors import InputError
from cnnviz.images import ImagesSection, load_set, stage
from cnnviz.sources import packages

WEB = {"source": "web", "count": 5}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own images and one of arrays of 12 channels, on a machine without a network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(packages, "DOWNLOADS", tmp_path / "downloads")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "x")
    for name in ("cat/a.png", "cat/b.png", "dog/c.webp"):
        path = tmp_path / "inputs" / "images" / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), (10, 200, 30)).save(path)
    (tmp_path / "inputs" / "images" / "bands").mkdir()
    bands = np.zeros((2, 8, 9, 12), np.uint8) + np.arange(12, dtype=np.uint8) * 20
    np.save(tmp_path / "inputs" / "images" / "bands" / "all.npy", bands)
    return tmp_path


def section(**given: object) -> ImagesSection:
    return ImagesSection.model_validate({"sets": given})


def test_sets_of_several_sources_stand_side_by_side(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = {"mine": {"folder": "inputs/images/mine"}, "bands": {"folder": "inputs/images/bands", "count": 1}}
    stage.run(section(**own, nette=WEB), project / "artifacts")
    about = json.loads((project / "artifacts/images/images.json").read_text())
    assert list(about) == ["mine", "bands"]
    assert about["mine"] | {"sha256": ""} == {
        "source": "folder",
        "origin": "folder images/mine",
        "license": "not stated",
        "sha256": "",
        "count": 3,
        "channels": 3,
        "notes": [],
    }
    assert about["bands"]["channels"] == 12
    said = capsys.readouterr().err
    assert "images.sets.nette: left out: s3.amazonaws.com cannot be reached" in said
    assert "dvc repro --force images" in said
    assert load_set(project / "artifacts/images/bands.npz").images.shape == (1, 8, 9, 12)
    with Image.open(project / "artifacts/images/bands/0_all.npy_0.png") as picture:
        assert picture.getpixel((0, 0)) == (0, 20, 40)
    assert sorted(path.name for path in (project / "artifacts/images/mine").iterdir()) == [
        "0_cat_a.png",
        "1_dog_c.png",
        "2_cat_b.png",
    ]


def test_a_first_look_takes_a_few_images_of_each_set(project: Path) -> None:
    stage.run(section(mine={"folder": "inputs/images/mine", "count": 3}), project / "artifacts", most=2)
    assert load_set(project / "artifacts/images/mine.npz").names.tolist() == ["cat/a.png", "dog/c.webp"]


def test_where_no_set_can_be_had_the_line_says_so(project: Path) -> None:
    with pytest.raises(InputError, match="none is there; name one that needs no network"):
        stage.run(section(nette=WEB), project / "artifacts")
