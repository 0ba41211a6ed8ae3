"""Pictures of the site: which are made and which natural, where patches end, how a picture grew."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from tests import site_walk
from tests.chromium import browser_fixture  # noqa: F401

pytestmark = pytest.mark.pipeline


@pytest.fixture(name="page")
def page_fixture(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def kinds(path: Path) -> list[str | None]:
    """Kinds of the tiles and rows of a page, in order."""
    tags = site_walk.Page(path).tags
    return [a.get("data-kind") for tag, a in tags if tag == "tr" or "tile" in (a.get("class") or "").split()]


def test_every_filter_of_a_layer_is_marked_as_made_or_natural(project: Path, site: Path) -> None:
    for stored in (project / "artifacts/weights").glob("*/*.npz"):
        model, layer = stored.parent.name, stored.stem
        rendered = project / "artifacts/maximize" / model / f"{layer}.npz"
        made = len(np.load(rendered)["filters"]) if rendered.is_file() else 0
        with np.load(project / "artifacts/analysis" / model / "examples" / f"{layer}.npz") as examples:
            natural = len(examples["top_box"]) - made
        found = kinds(site / model / layer / "index.html")
        assert (found.count("made"), found.count("natural")) == (made, natural), (model, layer)


def test_the_pictures_of_a_filter_are_marked(project: Path, site: Path) -> None:
    stored = np.load(project / "artifacts/maximize/nested/inner_conv.npz")
    k, steps = int(stored["filters"][0]), len(stored["snapshot_steps"])
    text = (site / f"nested/inner_conv/{k}.html").read_text()
    grown = text.split("How the picture grew")[1].split("In natural images")[0]
    others = 1 + stored["variants"].shape[1]  # and what drives it down
    assert grown.count('data-kind="made"') == 1 + steps + others  # the film's
    assert grown.count('data-kind="mixed"') == stored["from_patches"].shape[1] == 4
    with np.load(project / "artifacts/analysis/nested/examples/inner_conv.npz") as examples:
        patches = examples["top_box"].shape[1] + examples["bottom_box"].shape[1]
    with np.load(project / "artifacts/analysis/nested/masks/inner_conv.npz") as masks:
        looked_at = int(masks["known"][masks["filters"].tolist().index(k)].sum())
    natural = text.split("In natural images</h2>")[1].split("</section>")[0]
    assert natural.count('data-kind="natural"') == patches + looked_at


def test_no_picture_but_maps_is_without_a_mark(site: Path) -> None:
    for path in site.rglob("*.html"):
        page = site_walk.Page(path)
        tiles = [i for i, (_, a) in enumerate(page.tags) if "tile" in (a.get("class") or "").split()]
        for i in tiles:
            attributes = page.tags[i][1]
            alt = page.tags[i + 1][1].get("alt") if page.tags[i + 1][0] == "img" else ""
            if "data-kind" in attributes:
                assert alt, (path, attributes)  # and those who don't see the mark are told
                assert ("atch" in alt) == (attributes["data-kind"] == "natural"), (path, alt)
            else:
                drawn = re.match(r"Feature map|.*: (the image|unaltered|spoke|speaks|covering|\w+ by|\w+:)", alt or "")
                assert alt == "" or drawn or ": " in alt, (path, alt)


def test_chips_of_one_model_file_are_marked(project: Path, site: Path) -> None:
    text = (site / "nested.html").read_text()
    stored = np.load(project / "artifacts/maximize/nested/inner_conv.npz")
    assert text.count('data-kind="mixed">') == len(stored["filters"]) + 1  # a strip each, and the legend
    assert '<li class="sign" data-kind="mixed">' in text


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("nested/inner_conv/0.html", {"made", "natural", "mixed"}),
        ("before/second/0.html", {"made", "natural"}),
        ("before/first/index.html", set()),  # all rendered
        ("before/second/index.html", {"made", "natural"}),
        ("compare/before--after.html", {"made", "natural"}),
        ("nested.html", {"made", "mixed"}),
    ],
)
def test_a_legend_stands_where_kinds_meet(site: Path, page, path: str, shown: set[str]) -> None:
    page.goto((site / path).as_uri())
    there = {a.get("data-kind") for _, a in site_walk.Page(site / path).tags if a.get("class") != "sign"} - {None}
    assert there == shown or not shown
    signs = page.locator(".kinds .sign:visible")
    assert {one.get_attribute("data-kind") for one in signs.all()} == shown
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_patches_are_cut_off_where_the_image_ends(project: Path, site: Path) -> None:
    beyond = 0
    for path in (site / "before/second").glob("*.json"):
        numbers = json.loads(path.read_text())
        for one in numbers["top"] + numbers["bottom"]:
            top, left, bottom, right = one["box"]
            inside = sum(0 <= y < 24 and 0 <= x < 24 for y in range(top, bottom) for x in range(left, right))
            share = 1 - inside / ((bottom - top) * (right - left))
            assert one["outside"] == pytest.approx(share, abs=1e-4)
            beyond += share > 0.005
        text = path.with_suffix(".html").read_text()
        said = len(re.findall(r"% of what it sees there lies outside the image", text))
        assert said == sum(one["outside"] >= 0.005 for one in numbers["top"] + numbers["bottom"])
    assert beyond
    with np.load(project / "artifacts/analysis/before/examples/second.npz") as stored:
        for patches, boxes in ((stored["top_patches"], stored["top_box"][stored["pictured"]]),):
            for patch, (top, left, bottom, right) in zip(
                patches.reshape(-1, *patches.shape[2:]), boxes.reshape(-1, 4), strict=True
            ):
                high, wide = min(bottom, 24) - max(top, 0), min(right, 24) - max(left, 0)
                seen = ~(patch == 255).all(2)
                tall, long = np.ptp(np.flatnonzero(seen.any(1))) + 1, np.ptp(np.flatnonzero(seen.any(0))) + 1
                assert tall / long == pytest.approx(high / wide, rel=0.15)


def test_a_film_and_its_sheet_hold_the_snapshots(project: Path, site: Path) -> None:
    stored = np.load(project / "artifacts/maximize/before/second.npz")
    row, k = 1, int(stored["filters"][1])
    snapshots = stored["snapshots"][row].astype(int)
    with Image.open(site / f"before/second/{k}_growing.webp") as film:
        frames = [np.asarray(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(film)]
    assert {one.shape for one in frames} == {(96, 96, 3)}  # twice their own size
    frames = [one.reshape(48, 2, 48, 2, 3).mean((1, 3)) for one in frames]
    side = snapshots.shape[1]
    sheet = np.asarray(Image.open(io.BytesIO((site / f"before/second/{k}_steps.webp").read_bytes()))).astype(int)
    columns = sheet.shape[1] // side
    for i, snapshot in enumerate(snapshots):
        y, x = i // columns * side, i % columns * side
        for made in (frames[i], sheet[y : y + side, x : x + side]):
            assert abs(made - snapshot).mean() < 8 < abs(made - snapshots[i - 1]).mean() + 8


def test_beside_an_exact_kernel_a_picture_is_not_pixelated(project: Path, site: Path, page) -> None:
    for layer, wanted in (("first", "auto"), ("second", "pixelated")):
        k = int(np.load(project / f"artifacts/maximize/before/{layer}.npz")["filters"][0])
        page.goto((site / f"before/{layer}/{k}.html").as_uri())
        picture = page.locator(".hero .kept > img").first
        assert picture.evaluate("image => getComputedStyle(image).imageRendering") == wanted
        assert page.locator(".hero .exact").count() == (wanted == "auto")


def test_the_slider_scrubs_by_keys_and_the_page_stays(project: Path, site: Path, page) -> None:
    stored = np.load(project / "artifacts/maximize/before/second.npz")
    k, steps = int(stored["filters"][1]), stored["snapshot_steps"].tolist()
    page.goto((site / f"before/second/{k}.html").as_uri())
    slider, tile = page.locator(".film input"), page.locator(".film .tile")
    slider.focus()
    for i in [*range(len(steps) - 2, -1, -1), 0, 1]:
        page.keyboard.press("ArrowLeft" if i < 1 or slider.input_value() != "0" else "ArrowRight")
        said = slider.get_attribute("aria-valuetext") or ""
        assert said.startswith(f"after step {steps[i]} of {steps[-1]}: score ")
        mark = float(stored["snapshot_scores"][1, i])
        assert float(said.rsplit(" ", 1)[1]) == pytest.approx(mark, rel=0.01)
        assert page.locator(".film output").inner_text() == said
        place = tile.evaluate("e => [e.style.getPropertyValue('--x'), e.style.getPropertyValue('--y')].map(Number)")
        assert place[1] * 2 + place[0] == i  # four snapshots, two by two
    assert page.url.endswith(f"before/second/{k}.html")
    wide = tile.evaluate("e => e.getBoundingClientRect().width")
    assert wide % stored["snapshots"].shape[3] == 0  # every pixel as a square of whole pixels


def test_an_enlarged_filter_is_shown_at_its_own_size(project: Path, site: Path, page) -> None:
    listed = json.loads((project / "artifacts/enlarge/enlarge.json").read_text())
    assert listed["after"]["second"]["0"]["size"] == [40, 40]
    page.goto((site / "after/second/0.html").as_uri())
    shown = page.locator(".hero .kept img")
    assert shown.evaluate("i => [i.naturalWidth, i.naturalHeight, i.width]") == [40, 40, 40]
    made = np.asarray(Image.open(project / "artifacts/enlarge/after/second/0.png"))
    assert made.shape == (40, 40, 3)
    assert (np.asarray(Image.open(site / "after/second/0_large.png")) == made).all()
    page.goto((site / "before/second/0.html").as_uri())
    page.locator("summary", has_text="A larger picture").click()
    command = page.locator("code.copied").first.inner_text()
    assert command == "python -m cnnviz.enlarge before second 0 --size 512"
