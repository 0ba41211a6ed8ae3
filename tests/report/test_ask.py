"""One's own image: what `cnnviz.ask` measures against Keras and against the site, its page, and what it refuses."""

import base64
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cnnviz
from cnnviz import report
from tests import site_walk
from tests.chromium import browser_fixture  # noqa: F401
from tests.report.test_places import LISTED, told, wait
from tests.site_project import SIZE

ROOT = Path(__file__).parents[2]


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cnnviz.ask", "--no-open", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def levels(page: Path, key: str) -> tuple[np.ndarray, dict[str, float]]:
    _, (text, over) = told(page.parent / "assets/places" / key / "own.js")
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8), over


def test_what_is_no_image_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.jpg").write_text("no image")
    Image.new("RGB", (8, 8)).save("good.png")
    Path("cut.png").write_bytes(Path("good.png").read_bytes()[:40])
    Path("folder").mkdir()
    os.mkfifo("pipe.jpg")
    for given, said in (
        ("text.jpg", "no PNG, JPEG"),
        ("cut.png", "cut.png"),
        ("gone.jpg", "not found; expected an image file"),
        ("folder", "not a file"),
        ("pipe.jpg", "not a file"),
        ("a\0b", "not found"),
        (["good.png"] * 17, "expected 1 to 16 paths"),
        ([], "expected 1 to 16 paths"),
        ([3], "expected 1 to 16 paths"),
    ):
        with pytest.raises(cnnviz.InputError, match=said) as error:
            cnnviz.ask(given)  # type: ignore[arg-type]
        assert len(str(error.value).splitlines()) == 1
    asking = sys.modules["cnnviz.ask"]
    monkeypatch.setattr(asking, "LARGEST", 10)
    with pytest.raises(cnnviz.InputError, match="scale it down first"):
        cnnviz.ask("good.png")


def test_missing_models_and_a_missing_analysis_name_the_remedy(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "good.png")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / "inputs/images").mkdir(parents=True)
    done = command(tmp_path, "good.png")
    assert (done.returncode, done.stderr) == (1, "error: artifacts/models/vgg16: not there; run `make repro` first\n")
    for folder in ("models", "analysis"):
        (tmp_path / "artifacts" / folder / "vgg16").mkdir(parents=True)
    (tmp_path / "artifacts/models/vgg16/model.json").write_text("{}")
    done = command(tmp_path, "good.png")
    assert done.returncode == 1
    assert "places.npz: not there; run `dvc repro analyze@vgg16` first" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.pipeline
def test_an_image_of_a_set_has_the_numbers_of_its_page(project: Path, site: Path) -> None:
    (picture,) = (project / "artifacts/images/shapes").glob("0_*.png")
    done = command(project, str(picture))
    assert done.returncode == 0, done.stderr
    page = project / done.stdout.strip()
    assert page.is_file()
    for key in ("before", "after", "nested"):
        own, over = levels(page, key)
        _, (text, _) = told(site / "assets/places" / key / "shapes_0.js")
        there = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
        assert np.abs(own.astype(int) - there).max() <= 1
        assert over == {}
    text = page.read_text(encoding="utf-8")
    assert "../../../artifacts/report/before/first/" in text
    with np.load(project / "artifacts/analysis/before/predictions.npz") as stored:
        assert f"<b>{stored['shapes/probabilities'][0].max():.0%}</b>" in text


@pytest.mark.pipeline
def test_what_is_stronger_than_on_any_image_here_is_what_keras_says(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: Any
) -> None:
    import keras

    monkeypatch.chdir(project)
    pixels = (255 * np.random.default_rng(0).integers(0, 2, (SIZE, SIZE, 3))).astype(np.uint8)  # no image is so harsh
    Image.fromarray(pixels).save(tmp_path / "<b>own.png")
    answer = cnnviz.ask(tmp_path / "<b>own.png")
    network = keras.models.load_model("inputs/models/before.keras")
    seen = pixels[None].astype(np.float32) / 255
    second = keras.Model(network.input, network.get_layer("second").output)(seen)
    expected = np.moveaxis(np.maximum(np.asarray(second), 0)[0], -1, 0)
    before = answer.asked[0][0]
    np.testing.assert_allclose(
        dict(zip(before.placed, before.values, strict=True))["second"], expected, rtol=0.005, atol=1e-6
    )
    own, over = levels(answer.pages[0], "before")
    sizes = [one.shape for one in before.placed.values()]
    start, first = int(np.prod(sizes[0])), sizes[0][0]
    highest = before.placed["second"].highest
    scale = np.array([over.get(str(first + k), highest[k]) for k in range(8)])
    above = expected.max((1, 2)) > 1.01 * highest
    assert above.any()
    assert {int(k) - first for k in over if first <= int(k) < first + 8} == set(np.flatnonzero(above).tolist())
    found = np.sqrt(own[start : start + expected.size].reshape(expected.shape) / 50) * scale[:, None, None]
    strong = expected > 0.3 * scale[:, None, None]
    np.testing.assert_allclose(found[strong], expected[strong], rtol=0.06)
    assert "<b>own" not in answer.pages[0].read_text(encoding="utf-8")
    assert "own.png" in answer._repr_html_()
    assert repr(answer) == "<1 image asked of 3 models>"
    with np.load(next(path for path in answer.save(tmp_path / "saved") if path.suffix == ".npz")) as saved:
        np.testing.assert_array_equal(saved["0/before/second"], before.values[1])

    page = browser.new_page()
    page.goto(answer.pages[0].resolve().as_uri())
    wait(page, "document.querySelectorAll('.fires > li').length === 3")
    area = page.locator(".stage").bounding_box()
    page.mouse.move(area["x"] + 0.55 * area["width"], area["y"] + 0.5 * area["height"])
    wait(page, "document.querySelector('.here [role=status]').textContent.startsWith('55%')")
    k, text = page.evaluate(LISTED)[1][0]
    here = expected[:, 6, 6]
    share = np.divide(here, highest, out=np.zeros(8), where=highest > 0)
    assert float(text.split("%")[0]) / 100 == pytest.approx(share[k], rel=0.06)
    assert share[k] >= share.max() - 0.05
    page.close()


@pytest.mark.pipeline
def test_without_a_report_the_page_leads_nowhere_but_works(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    (picture,) = (project / "artifacts/images/noise").glob("1_*.png")
    answer = cnnviz.ask(picture)
    page = report.write_asked(tmp_path / "own", "noise", answer.images[0], answer.asked[0], tmp_path / "no-report")
    pages, _ = site_walk.follow(page.parent)
    assert len(pages) == 1
    assert "make repro" in page.read_text(encoding="utf-8")
