"""The page of a model on images that were made wrong: the transform, both images, what turned it, layer by layer."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnviz import report
from cnnviz.config.schema import Params
from tests.report.test_pages import Page
from tests.report.test_pages import artifacts as tree  # noqa: F401
from tests.report.test_pages import params as params

pytestmark = pytest.mark.pipeline  # whole reports

LAYERS = [
    {"layer": "conv_a", "change": 0.25, "filters": [{"filter": 2, "change": -0.5, "right": 1, "wrong": 0}]},
    {"layer": "conv_c", "change": None, "filters": []},
]
PAIR: dict[str, Any] = {
    "said": "darkened by 30%",
    "set": "photos",
    "image": 0,
    "name": "a",
    "true_class": "horse",
    "predicted_class": "truck",
    "confidence": {"right": 0.98, "wrong": 0.83},
    "difference": {"right": -4.0, "wrong": 1.5},
    "filters": [{"filter": 1, "turned": 0.75, "right": 1.0, "wrong": 1.75}],
    "layers": LAYERS,
    "files": "altered/darken_photos_0",
}


def render(tree: Path, params: Params, folder: Path, altered: dict[str, Any]) -> Path:  # noqa: F811
    """The folder of the first model's pages."""
    here = Path(shutil.copytree(tree, folder / "artifacts"))
    analysis = here / "analysis" / "first"
    (analysis / "altered").mkdir(parents=True)
    counts = {"photos": {"images": 2, "labelled": 1, "right": 1, "wrong": 0}}
    found = {"kind": "classes", "class_names": ["horse", "truck"], "layer": "conv_a", "sets": counts, "explained": []}
    (analysis / "predictions.json").write_text(json.dumps(found))
    (analysis / "predictions.csv").write_text("set,image,predicted_class,confidence,right\nphotos,0,horse,0.98,True\n")
    (analysis / "altered.json").write_text(json.dumps({"layer": "conv_a"} | altered))
    maps = np.random.default_rng(0).uniform(0, 1, (3, 16, 16)).astype("f4")
    images = {"right": np.full((16, 16, 3), 200, np.uint8), "wrong": np.full((16, 16, 3), 140, np.uint8)}
    np.savez(
        analysis / "altered" / "darken_photos_0.npz", gradcam_over_image=maps[:2], gradcam_over_right=maps[2], **images
    )
    report.render(here, params, folder / "site")
    return folder / "site" / "first"


def text(folder: Path) -> str:
    whole = " ".join(Page(folder / "index.html").text.split())
    return whole[whole.index("What it says about") : whole.index("Layer by layer First")]


def test_the_pair_is_shown_with_its_transform(tree: Path, params: Params, tmp_path: Path) -> None:  # noqa: F811
    tried = {"darken": {"strengths": [0.1, 0.3], "wrong": [0, 1]}, "shift": {"strengths": [0.1], "wrong": [0]}}
    page = render(tree, params, tmp_path, {"images": 1, "tried": tried, "pairs": [PAIR]})
    said = text(page)
    for part in (
        "1 image that it names right was altered on purpose, step by step (darken, shift), until it named it wrong.",
        "These mistakes are made, not found.",
        "0 of 1 at 0.1",
        "1 of 1 at 0.3",
        "Wrong: horse taken for truck made: darkened by 30%",
        "unaltered: horse 98%",
        "darkened by 30%: truck 83%",
        "that went from -4.00 to +1.50",
        "1 +0.75",
        "changed by 0.25",
        "2 -0.5",
        "1 of 2 layers",
    ):
        assert part in said, part
    assert (page / "altered_darken_photos_0.webp").is_file()
    assert (page / "conv_a" / "1.html").is_file()  # what turned it has a page


@pytest.mark.parametrize(
    ("images", "expected"),
    [(0, "No image is known to be named right, so none was altered"), (3, "3 images that it names right were altered")],
)
def test_where_nothing_flips_a_line_says_so(
    images: int,
    expected: str,
    tree: Path,  # noqa: F811
    params: Params,
    tmp_path: Path,
) -> None:
    tried = {"darken": {"strengths": [0.1], "wrong": [0]}}
    said = text(render(tree, params, tmp_path, {"images": images, "tried": tried, "pairs": []}))
    assert expected in said
    assert ("it went on naming them right." in said) == bool(images)
    assert "taken for" not in said
