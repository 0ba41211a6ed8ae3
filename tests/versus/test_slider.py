"""The page in Chromium: the slider by keyboard and mouse, sorting, no scripts, narrow windows, axe-core."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnviz.tracking import links
from tests.chromium import browser_fixture, settle  # noqa: F401
from tests.report.test_site import BROKEN, LOAD_ALL, axe  # noqa: F401
from tests.versus import states

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.pipeline
CLIP = "getComputedStyle(document.querySelector('.both .b')).clipPath"
SIX = [0, 1, 2, 3, 4, 5]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two clones, of layers of two sizes and with words of many kinds."""
    here, there = (tmp_path_factory.mktemp(name) for name in ("here", "there"))
    robust = [3.0, 1, 2, 9, 5, 4]
    status, reason = ["ok", "weak", "dead", *["ok"] * 3], ["", "it does not rise", "silent", "", "", ""]
    first = {"filters": SIX, "robust_score": robust, "status": status, "reason": reason, "grey": [200] * 6}
    states.model(here, "net", {"a_layer_of_a_long_name": first, "late": {"filters": SIX}})
    states.model(
        there,
        "net",
        {"a_layer_of_a_long_name": {"filters": SIX, "size": 12}, "late": {"filters": [0, 1, 8]}},
        optimizer="adam",
    )
    states.lock(here, ["net"])
    states.lock(there, ["net"], steps=100, code="2")
    command = [sys.executable, "-m", "cnnviz.versus", str(there), ".", "--no-open"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=here, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = (here / ".cache/versus").iterdir()
    return made


@pytest.fixture
def page(browser, out: Path) -> Iterator:
    """The page, in a window that fails the test where anything is said on the console or asked from elsewhere."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else said.append(r.url))
    opened.goto((out / "index.html").as_uri())
    yield opened
    context.close()
    assert said == []


def test_the_slider_by_keyboard_wipes_every_picture(page) -> None:
    slider = page.get_by_role("slider")
    assert page.evaluate(CLIP) == "inset(0px 0px 0px 50%)"
    page.keyboard.press("Tab")  # past "Skip to content"
    page.keyboard.press("Tab")
    assert slider.evaluate("e => e === document.activeElement")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(CLIP) == "inset(0px 0px 0px 51%)"
    page.keyboard.press("Home")
    assert page.evaluate(CLIP) == "inset(0px 0px 0px 0%)"
    assert slider.get_attribute("aria-valuetext") == "0% A, 100% B"
    page.keyboard.press("End")
    every = "[...document.querySelectorAll('.both .b')].map(i => getComputedStyle(i).clipPath)"
    assert page.evaluate(every) == ["inset(0px 0px 0px 100%)"] * 8
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert not page.locator(".wiped").count()
    assert page.evaluate(CLIP) == "none"


def test_dragging_on_a_picture(page) -> None:
    box = page.locator(".both").first
    box.scroll_into_view_if_needed()
    at = box.bounding_box()
    page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    page.mouse.down()
    page.mouse.move(at["x"] + at["width"] / 4, at["y"] + at["height"] / 2)
    page.mouse.up()
    assert page.get_by_role("slider").input_value() == "25"


def test_a_heading_sorts_by_change(page, out: Path) -> None:
    with (out / "filters.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["layer"] == "a_layer_of_a_long_name"]
    known = [(float(row["robust_score_b"]) - 1) / float(row["robust_score_b"]) for row in rows]  # 1 in A
    expected = sorted(range(6), key=lambda k: (-known[k], k))
    page.get_by_role("button", name="robust score").click()
    first = "[...document.querySelectorAll('.each tbody th b')].slice(0, 5).map(b => Number(b.textContent))"
    assert page.evaluate(first) == expected[:5]
    page.get_by_role("button", name="robust score").click()
    assert page.locator("th[aria-sort=ascending]").count() == 1


def test_the_link_to_mlflow_follows_its_port(browser, out: Path) -> None:
    """What `make ui` writes beside the report moves it; nothing else does."""
    file = out / "index.html"
    text = file.read_text(encoding="utf-8")
    link = '<a data-mlflow href="http://127.0.0.1:5000/#/compare-runs?runs=1">Compare</a>'
    linked = out / "linked.html"
    linked.write_text(text.replace('<main id="main"', f'{link}<main id="main"'), encoding="utf-8")
    beside = out.parents[2] / "artifacts/report-links.html"
    links.write({"net": [("MLflow run", "r", "http://127.0.0.1:5077/#/experiments/1/runs/r")]}, beside)
    context = browser.new_context()
    opened = context.new_page()
    try:
        opened.goto(linked.as_uri())
        opened.wait_for_selector("a[data-mlflow][href^='http://127.0.0.1:5077/#/compare-runs?runs=1']")
    finally:
        context.close()
        beside.unlink()
        linked.unlink()


def test_without_scripts_both_stand_side_by_side(browser, out: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto((out / "index.html").as_uri())
    a, b = (opened.locator(f".both .{side}").first.bounding_box() for side in "ab")
    assert a["x"] + a["width"] <= b["x"]
    assert (a["width"], a["y"]) == (b["width"], b["y"])  # 12 and 8 pixels, shown at one size
    assert not opened.locator("#wipe").is_visible()
    context.close()


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_width_cuts_anything_off(page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate(LOAD_ALL)
    settle(page, BROKEN)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_contrast_names_and_roles(browser, axe: str, out: Path) -> None:  # noqa: F811
    found = []
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme, bypass_csp=True, viewport={"width": 1280, "height": 800})
        opened = context.new_page()
        opened.goto((out / "index.html").as_uri())
        opened.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        opened.add_script_tag(content=axe)
        found += opened.evaluate("axe.run()")["violations"]
        context.close()
    assert [(v["id"], [n["html"][:160] for n in v["nodes"]][:3]) for v in found] == []
