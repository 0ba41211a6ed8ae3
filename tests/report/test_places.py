"""Image pages and heat maps in Chromium, held against what Keras computes for the same images."""

import base64
import json
import shutil
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnviz.report.site import image_pages, places
from tests.chromium import browser_fixture  # noqa: F401
from tests.site_project import SIZE

LISTED = "[...document.querySelectorAll('.fires > li')].map(i => [...i.querySelectorAll('.chips > li:not([hidden]) a')]"
LISTED += ".map(a => [Number(a.dataset.filter), a.querySelector('.said').lastChild.textContent]))"
LAYERS = ("first", "second", "third")
near = pytest.approx


def told(path: Path) -> tuple[str, Any]:
    text = path.read_text(encoding="utf-8")
    name, value = json.loads(text.removeprefix("cnnvizPlaces(...").removesuffix(");\n"))
    return name, value


def test_levels_are_packed_so_that_zlib_gives_them_back(rng: np.random.Generator) -> None:
    levels = rng.integers(0, 64, 5000, np.uint8)
    assert zlib.decompress(base64.b64decode(places.packed(levels))) == levels.tobytes()


def test_what_is_told_cannot_end_its_script() -> None:
    text = places.told("x", "</script><!--").decode()
    assert "<" not in text
    assert json.loads(text.removeprefix("cnnvizPlaces(...").removesuffix(");\n")) == ["x", "</script><!--"]


def test_likeliest_of_classes_and_of_values() -> None:
    names = np.array(["a", "b", "c"])
    stored = {"class_names": names, "s/probabilities": np.array([[0.2, 0.5, 0.3], [np.nan, 0, 1]])}
    assert [name for name, _ in image_pages.likeliest("classes", stored, "s", 0)] == ["b", "c", "a"]
    assert image_pages.likeliest("classes", stored, "s", 1) == []
    values = {"class_names": names, "s/values": np.array([[3.0, -1, 2]])}
    assert image_pages.likeliest("regression", values, "s", 0) == [("a", 3), ("b", -1), ("c", 2)]


def test_filters_that_hardly_ever_fire_come_last() -> None:
    """Of the highest outputs 1, 0.02 and 0.005, the last is below 1% of the first; one that is new here is no such."""
    layer = {"title": "conv", "url": None, "sheets": [None, None], "highest": [1, 0.02, 0.005, None, 0]}
    shares = np.array([0.3, 0.6, 1.0, 0, np.inf])[:, None, None]
    found = places.strongest({"layers": [layer]}, [shares])
    assert [one["number"] for one in found] == [4, 1, 0]
    found = places.strongest({"layers": [layer]}, [np.where(np.isinf(shares), 0, shares)])
    assert [one["number"] for one in found] == [1, 0, 2]


@pytest.fixture(scope="module")
def outputs(project: Path) -> dict[str, np.ndarray]:
    """What the layers of `before` make of all images, above 0: `(images, h, w, filters)`, those of `shapes` first."""
    import keras

    network = keras.models.load_model(project / "inputs/models/before.keras")
    files = [project / "artifacts/images" / name for name in ("shapes", "noise")]
    paths = [path for folder in files for path in sorted(folder.glob("*.png"), key=lambda p: int(p.name.split("_")[0]))]
    images = [Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR) for path in paths]
    batch = np.stack([np.asarray(one, np.float32) for one in images]) / 255
    watched = keras.Model(network.input, [network.get_layer(name).output for name in LAYERS])
    return {name: np.maximum(np.asarray(one), 0) for name, one in zip(LAYERS, watched(batch), strict=True)}


@pytest.fixture
def page(browser) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else said.append(r.url))
    yield opened
    context.close()
    assert said == []


def wait(page: Any, true: str, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not page.evaluate(true):
        assert time.monotonic() < end, true
        page.wait_for_timeout(20)


def cell_of(share: float, side: int) -> slice:
    """The positions of a map that is as fine as the image, or coarser by whole numbers, in the cell at a place."""
    cells = min(side, 14)
    c = next(c for c in reversed(range(cells)) if share >= (c * side // cells) / side)
    return slice(c * side // cells, (c + 1) * side // cells)


def expected(outputs: dict[str, np.ndarray], name: str, i: int, x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
    """Each filter's output at a place, and its share of its highest on any image."""
    one = outputs[name]
    here = one[i, cell_of(y, one.shape[1]), cell_of(x, one.shape[2])].max((0, 1))
    highest = one.max((0, 1, 2))
    return here, np.divide(here, highest, out=np.zeros_like(here), where=highest > 0)


def share_of(text: str) -> float:
    return float(text.split("%")[0]) / 100


@pytest.mark.pipeline
@pytest.mark.parametrize(("x", "y"), [(0.43, 0.51), (0.02, 0.98), (0.77, 0.3)])
def test_the_list_under_the_cursor_is_what_the_layers_do_there(
    site: Path, outputs: dict[str, np.ndarray], page: Any, x: float, y: float
) -> None:
    page.goto((site / "images/shapes/1.html").as_uri())
    wait(page, "document.querySelectorAll('.fires > li').length === 3")
    area = page.locator(".stage").bounding_box()
    page.mouse.move(area["x"] + x * area["width"], area["y"] + y * area["height"])
    wait(
        page,
        "document.querySelector('.here [role=status]').textContent"
        f".startsWith('{round(100 * x)}% across, {round(100 * y)}%')",
    )
    for name, found in zip(LAYERS, page.evaluate(LISTED), strict=True):
        values, shares = expected(outputs, name, 1, x, y)
        listed = [k for k, _ in found]
        for k, text in found:
            assert share_of(text) == near(shares[k], abs=0.05 if shares[k] < 0.3 else 0.02), (name, k)
            off = (0.05 if shares[k] < 0.3 else 0.02) * float(values[k] / shares[k])
            assert float(text.split(", ")[1]) == near(float(values[k]), abs=off), (name, k)
        assert [share_of(t) for _, t in found] == sorted((share_of(t) for _, t in found), reverse=True)
        fewer = len(found) < 4
        left = [float(shares[k]) for k in range(len(shares)) if k not in listed]
        assert max(left, default=0) <= (0.1 if fewer else share_of(found[-1][1]) + 0.05), name


@pytest.mark.pipeline
def test_keys_move_and_hold_the_place_and_a_link_leads_to_the_filter(site: Path, page: Any) -> None:
    page.goto((site / "images/shapes/0.html").as_uri())
    wait(page, "document.querySelectorAll('.fires > li').length === 3")
    page.locator(".stage").focus()
    said = page.locator(".here [role=status]")
    places_seen = []
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
        page.wait_for_timeout(60)
        places_seen.append([int(part.split("%")[0]) for part in said.inner_text().split(":")[0].split(", ")])
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = places_seen
    assert (y0 < y1 < y2 == y3, x0 == x1 == x2 > x3) == (True, True)
    page.keyboard.press("Enter")
    page.wait_for_timeout(60)
    assert "held" in said.inner_text()
    area = page.locator(".stage").bounding_box()
    page.mouse.move(area["x"] + 3, area["y"] + 3)
    page.wait_for_timeout(60)
    assert said.inner_text().startswith(f"{x3}% across, {y3}% down")
    page.select_option("[name=layer]", "second")
    assert page.locator(".fires > li").count() == 1
    link = page.locator(".fires li:not([hidden]) > .chip").first
    k = link.get_attribute("data-filter")
    link.focus()
    assert page.locator(".stage > canvas").is_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/before/second/{k}.html")


@pytest.mark.pipeline
def test_the_map_on_a_filters_page_is_where_the_layer_fires(
    site: Path, outputs: dict[str, np.ndarray], page: Any
) -> None:
    one = outputs["second"]
    highest = one.max((0, 1, 2))
    k = int(highest[:4].argmax())  # one of those that are rendered
    page.goto((site / f"before/second/{k}.html").as_uri())
    page.locator(".anywhere").scroll_into_view_if_needed()
    wait(page, "document.querySelector('.anywhere canvas')?.width === 560")
    page.select_option(".anywhere [name=image]", "shapes/2")
    wait(page, "document.querySelector('.anywhere img').src.endsWith('shapes/2.webp')")
    side = one.shape[1]
    read = "(() => { const pen = document.querySelector('.anywhere canvas').getContext('2d'), side = "
    read += f"{side}; const all = pen.getImageData(0, 0, 560, 560).data, at = (c) => Math.floor((c + .5) * 560 / side);"
    read += " return Array.from({ length: side * side }, "
    read += "(_, i) => all[4 * (560 * at(Math.floor(i / side)) + at(i % side)) + 3] / 255) })()"
    drawn = (np.array(page.evaluate(read)).reshape(side, side) - 0.25) / 0.6
    np.testing.assert_allclose(drawn, one[2, ..., k] / highest[k], atol=0.1)  # what counts as none
    strong = one[2, ..., k] > 0.3 * highest[k]
    np.testing.assert_allclose(drawn[strong], (one[2, ..., k] / highest[k])[strong], atol=0.03)
    most = one[2, ..., k].max()
    assert f"({100 * most / highest[k]:.0f}% of its highest" in page.locator(".anywhere [role=status]").inner_text()
    page.check(".anywhere [name=own]")
    bright = page.locator(".anywhere .scale").inner_text().split("bright: ")[1].split(", ")[0]
    assert float(bright) == near(float(most), rel=0.02)
    page.uncheck(".anywhere [name=on]")
    assert not page.locator(".anywhere canvas").is_visible()


@pytest.mark.pipeline
def test_every_image_has_a_page_and_its_levels_are_those_of_the_analysis(project: Path, site: Path) -> None:
    for name, count in (("shapes", 8), ("noise", 6)):
        assert len(list((site / "images" / name).glob("*.html"))) == count
        for model in ("before", "after", "nested"):
            with np.load(project / "artifacts/analysis" / model / name / "places.npz") as stored:
                assert len(stored.files) == count
                for i in stored.files:
                    address, (text, over) = told(site / "assets/places" / model / f"{name}_{i}.js")
                    assert address == f"assets/places/{model}/{name}_{i}.js"
                    assert over == {}
                    assert zlib.decompress(base64.b64decode(text)) == stored[i].tobytes()
    key, about = told(site / "assets/places/before.js")
    assert (key, [layer["title"] for layer in about["layers"]]) == ("before", list(LAYERS))
    sizes = [len(one["highest"]) * (len(one["rows"]) - 1) * (len(one["columns"]) - 1) for one in about["layers"]]
    with np.load(project / "artifacts/analysis/before/noise/places.npz") as stored:
        assert sum(sizes) == stored["0"].size


@pytest.mark.pipeline
def test_an_image_page_says_without_scripts_what_is_predicted_and_what_fires(
    project: Path, site: Path, outputs: dict[str, np.ndarray]
) -> None:
    text = (site / "images/shapes/1.html").read_text(encoding="utf-8")
    with np.load(project / "artifacts/analysis/before/predictions.npz") as stored:
        p = stored["shapes/probabilities"][1].max()
    assert f"<b>{p:.0%}</b>" in text
    peaks = {name: one[1].max((0, 1)) / np.maximum(one.max((0, 1, 2)), 1e-9) for name, one in outputs.items()}
    own = text.split('<h3 class="minor">before</h3>')[1].split("</ul>")[0]
    name, k = max(((name, int(k)) for name in LAYERS for k in range(len(peaks[name]))), key=lambda p: peaks[p[0]][p[1]])
    assert f'href="../../before/{name}/{k}.html"' in own.split("</li>")[0]


@pytest.mark.pipeline
def test_the_list_under_the_cursor_puts_them_last_too(site: Path, tmp_path: Path, page: Any) -> None:
    """As the site tells it, but with all below the highest of their layer as those that hardly fire."""
    there = shutil.copytree(site, tmp_path / "site")
    file = there / "assets/places/before.js"
    name, about = told(file)
    about["faint"] = 0.999
    file.write_bytes(places.told(name, about))
    page.goto((there / "images/shapes/1.html").as_uri())
    wait(page, "document.querySelectorAll('.fires > li').length === 3")
    page.select_option("[name=layer]", "second")
    (listed,) = page.evaluate(LISTED)
    highest = about["layers"][1]["highest"]
    strong = [k for k, _ in listed if highest[k] >= 0.999 * max(highest)]
    rest = [share_of(text) for k, text in listed if k not in strong]
    assert [k for k, _ in listed][: len(strong)] == strong
    assert rest == sorted(rest, reverse=True)


@pytest.mark.pipeline
def test_a_filter_that_was_not_rendered_has_its_map_too(site: Path, page: Any) -> None:
    path = next(p for p in sorted(site.rglob("[0-9]*.html")) if "Not rendered" in p.read_text())
    page.goto(path.as_uri())
    page.locator(".anywhere").scroll_into_view_if_needed()
    wait(page, "document.querySelector('.anywhere canvas')?.width === 560")
    images = page.locator(".thumbs button")
    wanted = images.nth(1).get_attribute("data-image")
    images.nth(1).click()
    wait(page, f"document.querySelector('.anywhere img[alt^=\"The image\"]').src.endsWith('{wanted}.webp')")
    assert page.locator("[name=image]").input_value() == wanted
    assert images.nth(1).get_attribute("aria-pressed") == "true"
