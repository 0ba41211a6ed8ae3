"""What pages say of a network's answer: what it is, what was assumed, values, labels, pictures."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnviz import report
from cnnviz.config.schema import Params
from tests.report.test_pages import Page
from tests.report.test_pages import artifacts as tree  # noqa: F401
from tests.report.test_pages import params as params

pytestmark = pytest.mark.pipeline  # whole reports

NOTE = "computed in float32: the file says <b>mixed_float16</b>"
ROW: dict[str, Any] = {"set": "photos", "image": 0, "name": "a", "predicted": 0, "predicted_class": "angle"}
CHECKS = {"predicted": {"correlation": 0.25}, "contrast": {"correlation": None}}


def explained(row: dict[str, Any]) -> dict[str, Any]:
    numbers = {"contributions": {"sum": 1.0, "difference": 1.0}, "occlusion": CHECKS, "filters": []}
    return row | numbers | {"contrast": None, "nearest": None, "files": "predictions/photos_0"}


def render(
    artifacts: Path, params: Params, folder: Path, head: dict[str, Any], row: dict[str, Any] | None = None
) -> tuple[str, str]:
    """Text of the site's page of the first model, and of its one file; `row`: of its only prediction."""
    here = Path(shutil.copytree(artifacts, folder / "artifacts"))
    about = here / "models" / "first" / "model.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"head": head, "notes": [NOTE]}))
    analysis = here / "analysis" / "first"
    (analysis / "predictions").mkdir(parents=True)
    (analysis / "outputs").mkdir()
    (analysis / "notes.json").write_text(json.dumps(["maps of conv_a are the same"]))
    if head["kind"] == "pictures":
        Image.fromarray(np.zeros((40, 90, 3), np.uint8)).save(analysis / "outputs" / "photos.png")
    if row:
        counts = {"photos": {"images": 2, "labelled": 0, "right": 0, "wrong": 0}}
        found = {"kind": head["kind"], "class_names": head["names"], "layer": "conv_b", "sets": counts}
        (analysis / "predictions.json").write_text(json.dumps(found | {"explained": [explained(row)]}))
        with (analysis / "predictions.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, list(row))
            table.writeheader()
            table.writerow(row)
        maps = np.random.default_rng(0).uniform(0, 1, (2, 16, 16)).astype("f4")
        arrays = {"gradcam_over_image": maps, "windows": np.int32([[0, 0, 8, 8]]), "drops": np.float32([[1], [-1]])}
        np.savez(analysis / "predictions" / "photos_0.npz", **arrays)
    report.render(here, params, folder / "site")
    pages = [Page(folder / "site" / name).text for name in ("first/index.html", "first.html")]
    return " ".join(pages[0].split()), " ".join(pages[1].split())


@pytest.fixture
def head() -> dict[str, Any]:
    return {"kind": "regression", "output": "angle", "why": "'angle' has 1 output: a value", "names": ["angle"]}


def test_values_are_no_classes(tree: Path, params: Params, head: dict[str, Any], tmp_path: Path) -> None:  # noqa: F811
    row = ROW | {"value": -0.125, "departure": -2.0}
    page, single = render(tree, params, tmp_path, head, row)
    for text in (page, single):
        assert "It answers with a value: 'angle' has 1 output: a value." in text
        assert f"What was assumed or mended {NOTE}" in text
        assert "maps of conv_a are the same" in text
    assert "The value angle of every image, the highest first. Values have no right or wrong." in page
    assert "angle: -0.125" in page
    for text in ("raises angle", "lowers angle", "covering lowers angle, r = 0.25", "covering raises angle"):
        assert text in page
    shown = page[page.index("What it says") : page.index("Layer by layer")]
    assert "class" not in shown
    assert "right," not in shown


def test_a_label_by_itself(tree: Path, params: Params, head: dict[str, Any], tmp_path: Path) -> None:  # noqa: F811
    labels = head | {"kind": "labels", "names": ["sea", "sky"], "why": "'tags' has 2 outputs, a sigmoid each"}
    row = ROW | {"predicted_class": "sky", "confidence": 0.75, "true": None, "right": None}
    page, _ = render(tree, params, tmp_path, labels, row)
    assert "It answers with labels, each by itself: 'tags' has 2 outputs" in page
    assert "Its labels don't exclude each other" in page
    for text in (
        "sky (75%)",
        "speaks for sky",
        "speaks against sky",
        "covering costs sky, r = 0.25",
        "covering helps sky",
    ):
        assert text in page


@pytest.mark.parametrize(("kind", "said"), [("pictures", "It answers with a picture"), ("none", "No answer is shown")])
def test_pictures_are_shown_and_no_answer_is_said(
    kind: str,
    said: str,
    tree: Path,  # noqa: F811
    params: Params,
    head: dict[str, Any],
    tmp_path: Path,
) -> None:
    page, single = render(tree, params, tmp_path, head | {"kind": kind, "why": "'mask' is 16 × 16 × 1", "names": []})
    for text in (page, single):
        assert f"{said}: 'mask' is 16 × 16 × 1." in text
        assert ("What it makes of the images photos" in text) == (kind == "pictures")
        assert "What it says about the images" not in text
    assert (tmp_path / "site" / "first" / "outputs_photos.webp").is_file() == (kind == "pictures")
