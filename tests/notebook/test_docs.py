"""What docs/notebook.md and the README tell people to type in a notebook works."""

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import ImageShow

import cnnviz
from cnnviz.errors import InputError

ROOT = Path(__file__).parents[2]


def blocks(file: str) -> list[str]:
    """Indented code, in order."""
    text = (ROOT / file).read_text(encoding="utf-8")
    found = re.findall(r"(?:^ {4}\S.*\n(?:^(?: {4}.*)?\n)*)", text, re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in found]


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    """The network and the images that the pages speak of."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    convs = [
        layers.Conv2D(n, 3, padding="same", activation="relu", name=f"conv{i}")
        for i, n in ((1, 8), (2, 8), (3, 14), (4, 6))
    ]
    end = [layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")]
    model = keras.Sequential([keras.Input((16, 16, 3)), *convs, *end])
    return {"model": model, "images": np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)}


@pytest.mark.pipeline
def test_the_page_runs_from_top_to_bottom(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ImageShow, "show", lambda picture: True)
    (mistake,) = [block for block in blocks("docs/notebook.md") if block.startswith(">>>")]
    names = dict(given)
    for block in blocks("docs/notebook.md"):
        if block != mistake and "cnnviz.ask(" not in block:  # which needs a project: tests/report/test_ask.py
            exec(block, names)  # noqa: S102
    assert [path.suffix for path in names["paths"]] == [".png"] * 3 + [".npz"]
    assert names["result"].of(7).filters == (7,)
    typed, said = mistake.strip().splitlines()
    with pytest.raises(InputError) as raised:
        exec(typed.removeprefix(">>> "), names)  # noqa: S102
    assert said == f"cnnviz.errors.InputError: {raised.value}"


@pytest.mark.pipeline
def test_the_readme_in_a_notebook(given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = [block for block in blocks("README.md") if "cnnviz.maximize(model" in block]
    names = dict(given)
    exec(block, names)  # noqa: S102
    assert isinstance(names["result"], cnnviz.Result)


def test_the_page_knows_every_function() -> None:
    page = (ROOT / "docs/notebook.md").read_text(encoding="utf-8")
    for name in dir(cnnviz):
        assert name.startswith("_") or name in page, name
