"""A training on the site: strips, numbers, one slider for every picture of a page."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from cnnviz.files import npz, read_csv, read_json
from cnnviz.networks import series
from tests import site_walk
from tests.chromium import browser_fixture, settle  # noqa: F401
from tests.epochs.trained_project import EPOCHS
from tests.report.test_site import BROKEN, LOAD_ALL, axe  # noqa: F401

pytestmark = [pytest.mark.pipeline, pytest.mark.long]
ROOT = Path(__file__).parents[2]
COUNT = EPOCHS["mine"] + 2  # with the start and the first step
PAGES = {
    "model": "mine/index.html",
    "layer": "mine/first/index.html",
    "filter": "mine/first/0.html",
    "pair": "epochs/mine--other.html",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    command = [sys.executable, "-m", "tests.epochs.trained_project", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def pages(trained: Path) -> Path:
    return trained / "artifacts" / "report"


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert said == []


def test_the_users_three_lines(trained: Path) -> None:
    """A watched training, cnnviz.add, every stage: what was trained is what is shown, and it was copied whole."""
    params = yaml.safe_load((trained / "params.yaml").read_text())
    assert params["models"]["mine"] == {"checkpoints": "inputs/models/mine", "class_names": ["dark", "light"]}
    for name in params["models"]:
        there = {path.name: path.read_bytes() for path in (trained / "inputs/models" / name).iterdir()}
        run = {path.name: path.read_bytes() for path in (trained / "runs" / name).iterdir()}
        assert run.keys() - there.keys() == {"class_names.txt"}
        about = json.loads(there.pop("watch.json"))
        assert about == json.loads(run["watch.json"]) | {"from": f"runs/{name}"}
        assert there == {key: run[key] for key in there}
    found = read_json(trained / "artifacts/epochs/mine/epochs.json")["checkpoints"]
    assert [(one["epoch"], one["step"]) for one in found] == [(0, 0), (0, 1), (1, 2), (2, 4)]
    kept = series.kept_in(trained / "runs/mine", "here")
    assert [one["logs"] for one in found] == [one.moment.logs for one in kept]
    last = series.read_arrays(trained / "runs/mine", kept[-1].moment, "last")
    stored = series.from_weights(trained / "artifacts/models/mine/weights.weights.h5")
    assert {a.tobytes() for a in last.values()} == {a.tobytes() for a in stored.values()}


def test_the_last_state_of_a_strip_is_the_picture_that_maximize_makes(trained: Path) -> None:
    made = npz.read(trained / "artifacts/maximize/mine/first.npz")
    last = npz.read(trained / f"artifacts/epochs/mine/pictures/{COUNT - 1}.npz")["first"]
    found = npz.read(trained / "artifacts/epochs/mine/first.npz")
    assert found["filters"].tolist() == made["filters"].tolist()
    same = [np.array_equal(a, b) for a, b in zip(last, made["images"], strict=True)]
    assert [bool(one) for one in found["active"][:, -1]] == same or all(same)  # others got a second seed
    assert any(same)


def test_every_link_and_picture_is_there(pages: Path) -> None:
    found, reached = site_walk.follow(pages)
    assert {(pages / path).resolve() for path in PAGES.values()} <= set(found)
    for path in pages.rglob("*_life*.webp"):
        assert path.resolve() in reached
    frames = []
    for path in pages.glob("mine/first/*_life_film.webp"):
        with Image.open(path) as film:
            frames.append(getattr(film, "n_frames", 1))
    assert max(frames) == COUNT  # where two states look alike, one frame lasts longer


def test_a_page_says_what_the_stage_found(trained: Path, pages: Path) -> None:
    found = npz.read(trained / "artifacts/epochs/mine/first.npz")
    labels = ["start", "epoch 0, step 1", "epoch 1", "epoch 2"]
    for k, at in zip(found["filters"].tolist(), found["formed_at"].tolist(), strict=True):
        text = (pages / f"mine/first/{k}.html").read_text()
        wanted = f"It took its form at <b>{labels[at]}</b>" if at >= 0 else "When it took its form is unknown"
        assert wanted in text
    table = read_csv(pages / "mine/first/filters.csv")
    at = [found["formed_at"][found["filters"].tolist().index(k)] if k in found["filters"] else -1 for k in range(5)]
    assert [row["formed_at"] for row in table] == ["" if one < 0 else labels[one] for one in at]
    layer = (pages / "mine/first/index.html").read_text()
    assert layer.count('<rect class="h') >= COUNT**2
    assert 'data-name="formed_at"' in layer
    numbers = read_json(trained / "artifacts/epochs/mine/epochs.json")["checkpoints"][-1]
    said = json.dumps(f"{labels[-1]}; accuracy here {numbers['accuracy']:.3g}", ensure_ascii=False)[1:-1]
    assert said in (pages / "mine/index.html").read_text().replace("&#34;", '"')


@pytest.mark.parametrize("kind", PAGES)
def test_one_slider_drives_every_picture(pages: Path, opened: Any, kind: str) -> None:
    opened.goto((pages / PAGES[kind]).as_uri())
    slider = opened.locator(".lifebar input")
    each = "[t.style.getPropertyValue('--x'), t.style.getPropertyValue('--y')].join()"
    places = f"[...document.querySelectorAll('.living')].map(t => {each})"
    last = opened.evaluate(places)
    assert last
    slider.focus()
    opened.keyboard.press("Home")
    assert set(opened.evaluate(places)) == {"0,0"}
    assert opened.locator(".lifebar output").inner_text().startswith(f"1 of {COUNT}: ")
    opened.keyboard.press("ArrowRight")
    assert set(opened.evaluate(places)) == {"1,0"}
    assert opened.url.endswith(PAGES[kind])  # the arrow keys turn no page here
    opened.keyboard.press("End")
    assert opened.evaluate(places) == last
    opened.locator(".lifebar button").click()
    assert set(opened.evaluate(places)) == {"0,0"}
    settle(opened, f"document.querySelector('.lifebar input').value === '{COUNT - 1}' ? 0 : 1")
    settle(opened, "document.querySelector('.lifebar button').getAttribute('aria-pressed') === 'false' ? 0 : 1")


def test_a_layers_table_sorts_by_when_forms_were_taken(pages: Path, opened: Any) -> None:
    opened.goto((pages / PAGES["layer"]).as_uri())
    head = opened.locator(".every th[data-name=formed_at]")
    head.locator("button").click()
    column = head.evaluate("head => head.cellIndex")
    cells = f"[...document.querySelectorAll('.every tbody tr')].map(row => row.cells[{column}].textContent)"
    shown = [text for text in opened.evaluate(cells) if text]
    ordered = ["start", "epoch 0, step 1", "epoch 1", "epoch 2"]
    assert shown
    assert shown == sorted(shown, key=ordered.index)


@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("kind", PAGES)
def test_pages_open_whole(pages: Path, opened: Any, kind: str, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 800})
    opened.goto((pages / PAGES[kind]).as_uri())
    opened.evaluate(LOAD_ALL)
    settle(opened, BROKEN)
    assert opened.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", PAGES)
def test_everyone_can_use_them(pages: Path, browser: Any, axe: str, kind: str, scheme: str) -> None:  # noqa: F811
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto((pages / PAGES[kind]).as_uri())
    page.add_script_tag(content=axe)
    found = page.evaluate("axe.run()")["violations"]
    context.close()
    assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found] == []
