"""A network of which all filters are rendered: what is kept of which, and that pages and files don't grow with them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz.files import WHOLE
from cnnviz.tracking.content import of_model, of_stage
from tests import site_walk
from tests.whole_project import ENLARGED, FILTERS, NOTED

pytestmark = [pytest.mark.pipeline, pytest.mark.long]
ROOT = Path(__file__).parents[2]
LARGE = [name for name, count in FILTERS.items() if count > WHOLE]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("whole")
    done = subprocess.run(
        [sys.executable, "-m", "tests.whole_project", str(made)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return made / "artifacts"


def _arrays(folder: Path, layer: str) -> dict[str, np.ndarray]:
    with np.load(folder / "maximize/all" / f"{layer}.npz") as stored:
        return dict(stored)


def _evenly(count: int) -> list[int]:
    return sorted({round(i * (count - 1) / (WHOLE - 1)) for i in range(WHOLE)})


@pytest.mark.parametrize("layer", FILTERS)
def test_every_filter_has_its_picture_and_scores_some_have_all(folder: Path, layer: str) -> None:
    stored, count = _arrays(folder, layer), FILTERS[layer]
    first = stored["filters"][:WHOLE].tolist()
    assert sorted(stored["filters"].tolist()) == list(range(count))
    assert first == (_evenly(count) if count > WHOLE else list(range(count)))
    for name in ("images", "scores", "status", "robust_score"):
        assert len(stored[name]) == count
    for name in ("snapshots", "variants", *(["from_patches", "from_patches_of"] if layer != "wide" else [])):
        assert len(stored[name]) == len(first)
    np.testing.assert_array_equal(stored["snapshots"][:, -1], stored["images"][: len(first)])
    alone = {path.stem for path in (folder / "maximize/all" / layer).glob("*.png")}
    assert alone == {name for k in first for name in (str(k), f"{k}_steps")}


@pytest.mark.parametrize("layer", LARGE)
def test_the_sheet_of_a_large_layer_has_all_filters_by_number(folder: Path, layer: str) -> None:
    stored = _arrays(folder, layer)
    sheet = np.asarray(Image.open(folder / "maximize/all" / f"{layer}.png"))
    side = stored["images"].shape[1]
    assert side == 48
    for row, k in enumerate(stored["filters"].tolist()):
        y, x = (2 + part * (side + 2) for part in divmod(k, 32))
        np.testing.assert_array_equal(sheet[y : y + side, x : x + side], stored["images"][row])


@pytest.mark.parametrize("layer", LARGE)
def test_of_a_large_layer_few_filters_have_patches_masks_and_checks(folder: Path, layer: str) -> None:
    whole = set(_arrays(folder, layer)["filters"][:WHOLE].tolist())
    with np.load(folder / "analysis/all/examples" / f"{layer}.npz") as stored:
        assert set(stored["pictured"].tolist()) == whole
        assert len(stored["top_patches"]) == WHOLE
        assert len(stored["top_box"]) == FILTERS[layer]
    for kind in ("masks", "causes"):
        with np.load(folder / "analysis/all" / kind / f"{layer}.npz") as stored:
            assert len(stored["filters"]) == 16
            assert set(stored["filters"].tolist()) <= whole


def test_whole_pages_are_those_of_which_all_is_kept_and_noted_ones(folder: Path) -> None:
    for layer in LARGE:
        whole = set(_arrays(folder, layer)["filters"][:WHOLE].tolist())
        site = folder / "report/all" / layer
        assert {int(path.stem) for path in site.glob("*.html") if path.stem.isdigit()} == set(range(FILTERS[layer]))
        pages = {int(path.stem) for path in site.glob("*.json")}
        more = {NOTED, ENLARGED} if layer == "wide" else set()
        compared = {int(k) for k in re.findall(rf"all/{layer}/(\d+)\.html", _all_pages(folder / "report/compare"))}
        assert whole | more <= pages <= whole | more | compared | _explained(folder, layer)
        assert {int(path.name.split("_")[0]) for path in site.glob("*_growing.webp")} == whole


def _all_pages(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.glob("*.html"))


def _explained(folder: Path, layer: str) -> set[int]:
    text = (folder / "report/all/index.html").read_text()
    return {int(k) for k in re.findall(rf"all/{layer}/(\d+)\.html", text)}


def test_no_link_or_picture_is_broken(folder: Path) -> None:
    site_walk.follow(folder / "report")


@pytest.mark.parametrize("layer", LARGE)
def test_a_light_page_shows_the_picture_and_the_scores_of_its_filter(folder: Path, layer: str) -> None:
    stored, site = _arrays(folder, layer), folder / "report/all" / layer
    looked = 0
    for row, k in list(enumerate(stored["filters"].tolist()))[WHOLE:]:
        if (site / f"{k}.json").exists():
            continue
        page = site_walk.Page(site / f"{k}.html")
        (style,) = (a["style"] for tag, a in page.tags if a.get("data-kind") == "made" and a.get("class") == "tile")
        c, r, x, y = (int(re.search(rf"--{name}:(\d+)", str(style))[1]) for name in "crxy")
        source = next(a["src"] for tag, a in page.tags if tag == "img" and "made_" in str(a.get("src")))
        sheet = np.asarray(Image.open(site / str(source)).convert("RGB")).astype(int)
        height, width = sheet.shape[0] // r, sheet.shape[1] // c
        shown = sheet[y * height : (y + 1) * height, x * width : (x + 1) * width]
        assert shown.shape == stored["images"][row].shape  # at its own size
        errors = np.abs(shown - stored["images"]).mean((1, 2, 3))
        assert errors[row] < errors.min() + 0.1  # no other filter's picture is nearer to what the WebP kept
        text = (site / f"{k}.html").read_text()
        assert f"{FILTERS[layer]} filters of this layer were rendered. Of {WHOLE} of them" in text
        assert "Not rendered" not in text
        looked += 1
    assert looked >= FILTERS[layer] - WHOLE - 4


def test_a_noted_filter_has_a_whole_page_without_what_was_not_kept(folder: Path) -> None:
    text = (folder / f"report/all/wide/{NOTED}.html").read_text()
    assert "a note" in text
    assert "Of 64 of them there are steps, film" in text
    assert f"{NOTED}_growing.webp" not in text
    image = np.asarray(Image.open(folder / f"report/all/wide/{NOTED}.png"))
    stored = _arrays(folder, "wide")
    np.testing.assert_array_equal(image, stored["images"][stored["filters"].tolist().index(NOTED)])
    assert f"{ENLARGED}_large.png" in (folder / f"report/all/wide/{ENLARGED}.html").read_text()


def test_a_layer_lists_all_filters_by_number(folder: Path) -> None:
    page = site_walk.Page(folder / "report/all/wide/index.html")
    assert [int(a["id"]) for tag, a in page.tags if tag == "tr" and a.get("id")] == list(range(FILTERS["wide"]))


def test_where_filters_fire_shows_the_right_pictures(folder: Path) -> None:
    """The index of the sheet that pages read is that of the sheet that was written."""
    text = (folder / "report/assets/places/all.js").read_text()
    _, about = json.loads(text.removeprefix("cnnvizPlaces(...").removesuffix(");\n"))
    stored = _arrays(folder, "wide")
    layer = next(one for one in about["layers"] if one["title"] == "wide")
    src, columns, rows, index, kind, _ = layer["sheets"][0]
    assert (kind, index) == ("made", None)  # every filter, by number
    sheet = np.asarray(Image.open(folder / "report" / src).convert("RGB")).astype(int)
    side = sheet.shape[1] // columns
    assert sheet.shape[0] == rows * side
    for row, k in enumerate(stored["filters"].tolist()):
        y, x = (part * side for part in divmod(k, columns))
        errors = np.abs(sheet[y : y + side, x : x + side] - stored["images"]).mean((1, 2, 3))
        assert errors[row] < errors.min() + 0.1


def test_the_page_in_one_file_shows_some_of_a_large_layer(folder: Path) -> None:
    text = (folder / "report/all.html").read_text()
    assert text.count("filters of this layer were rendered; here are 64") == len(LARGE)
    (rows,) = (line for line in (folder / "report/layers.csv").read_text().splitlines() if line.startswith("all,wide"))
    assert rows.split(",")[2] == str(FILTERS["wide"])


def test_mlflow_gets_sheets_and_tables_of_large_layers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    content = of_stage("maximize", "all")
    there = {(path.name, into) for path, into in content.files}
    assert {("wide.png", ""), ("wide.npz", ""), ("next.png", ""), ("filters.csv", ""), ("last", "last")} <= there
    assert not {into for _, into in there} & set(LARGE)
    assert {path.name for path, into in of_model("all").files if into == "maximize"} == {"last.npz"}
    few = of_stage("maximize", "few").files
    assert [(path.as_posix(), into) for path, into in few] == [("artifacts/maximize/few", "")]
    assert content.metrics["rendered_filters"] == sum(FILTERS.values())
    curve = dict(content.curves["score by layer/wide"])
    mean = _arrays(folder, "wide")["scores"].mean(0)
    assert [curve[step] for step in range(len(mean))] == pytest.approx(mean.tolist(), rel=1e-4)
