"""The site of a small project, every stage run for real: links, pictures, every kind of page in Chromium."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from cnnviz.tracking import content, links
from tests import site_walk
from tests.chromium import settle

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.pipeline
KINDS = {
    "home": "index.html",
    "walk": "walk.html",
    "model": "before/index.html",
    "layer": "before/first/index.html",
    "filter": "before/first/2.html",
    "unrendered filter": "before/third/0.html",
    "light filter": "nested/inner_conv/1.html",
    "all filters": "before/filters.html",
    "compare": "compare/index.html",
    "pair": "compare/before--after.html",
    "images": "images/index.html",
    "image": "images/shapes/1.html",
}


@pytest.fixture(scope="session")
def default() -> Path:
    """The site that `make repro` wrote here."""
    found = ROOT / "artifacts" / "report"
    if not (found / "compare" / "index.html").is_file():
        pytest.skip("the default site is not here: make repro")
    return found


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, site_walk.Page]:
    return site_walk.follow(site)[0]


def test_every_link_and_picture_exists_and_nothing_lies_there_that_no_page_shows(site: Path) -> None:
    pages, reached = site_walk.follow(site)
    assert len(pages) > 40
    for path in site.rglob("*"):
        if (
            path.is_file()
            and path.name != "index.js"
            and path.parent != site
            and not {"metrics", "places", "plots"} & {*path.parts}
        ):
            assert path.resolve() in reached, path


def test_every_rendered_filter_has_a_page_and_numbers_to_download(project: Path, site: Path) -> None:
    for stored in (project / "artifacts/maximize").glob("*/*.npz"):
        model, layer = stored.parent.name, stored.stem
        with np.load(stored) as arrays:
            for row, k in enumerate(arrays["filters"].tolist()):
                folder = site / model / layer
                assert (folder / f"{k}.html").is_file()
                numbers = json.loads((folder / f"{k}.json").read_text())
                assert (numbers["layer"], numbers["filter"], numbers["status"]) == (layer, k, arrays["status"][row])
                with (
                    np.load(folder / f"{k}.npz") as own,
                    np.load(project / "artifacts/weights" / model / f"{layer}.npz") as weights,
                ):
                    assert (own["scores"] == arrays["scores"][row]).all()
                    assert (own["kernel"] == weights["kernel"][..., k]).all()
                picture = np.asarray(Image.open(folder / f"{k}.png"))
                assert (picture == arrays["images"][row]).all()


def test_notes_are_text_on_the_page_of_their_filter(site: Path) -> None:
    page = (site / "before/first/2.html").read_text()
    assert '<p class="note">&lt;b&gt;likes&lt;/b&gt; round &amp; bright things</p>' in page
    assert "a note alone" in (site / "before/third/1.html").read_text()
    assert 'class="note"' not in (site / "after/first/2.html").read_text()


def test_what_depends_on_a_filter_is_that_of_the_analysis(project: Path, site: Path) -> None:
    with np.load(project / "artifacts/analysis/before/causes/second.npz") as stored:
        rows = dict(zip(stored["filters"].tolist(), stored["path"], strict=True))
        right = dict(zip(stored["filters"].tolist(), stored["right"].tolist(), strict=True))
    for k, path in rows.items():
        found = json.loads((site / f"before/second/{k}.json").read_text())["causes"]
        known = path[np.isfinite(path)]
        assert found["path"] == (pytest.approx(np.median(known)) if len(known) else None)
        assert found["accuracy"] == [8, *right[k]]
        shown = f"{np.median(known):.2f}" if len(known) else "unknown"
        assert f">path {shown}</span>" in (site / f"before/second/{k}.html").read_text()
    assert "there is no layer before it" in (site / "before/first/2.html").read_text()


def test_dead_filters_are_shown_as_such(site: Path) -> None:
    layer = site_walk.Page(site / "before/first/index.html")
    assert [a["id"] for t, a in layer.tags if t == "tr" and a.get("class") == "m dead"] == ["3"]
    assert "(dead)" in (site / "before/first/3.html").read_text()


def test_a_layer_says_how_many_photos_there_are_and_which_is_everywhere(project: Path, site: Path) -> None:
    with np.load(project / "artifacts/analysis/before/examples/first.npz") as found:
        telling = found["top_activation"][:, 0] > found["bottom_activation"][:, 0]
        first = list(zip(found["top_set"][telling, 0], found["top_image"][telling, 0], strict=True))
    most = max(first.count(one) for one in first)
    for path in ("before/first/index.html", "before/first/2.html", "before/third/0.html", "index.html"):
        assert "14 natural images. What 19% of photos like these show" in (site / path).read_text(), path
    text = (site / "before/first/index.html").read_text()
    assert f"does so with {most} of {len(first)} filters ({most / len(first):.0%}) that tell photos apart" in text


def test_one_name_is_one_number(project: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In MLflow, where the numbers of a model's stages stand side by side, in `dvc metrics show`, and on the site."""
    monkeypatch.chdir(project)
    compared = json.loads((project / "artifacts/compare/metrics.json").read_text())["models"]
    for model in compared:
        logged = [content.of_stage(stage, model).metrics for stage in content.STAGES]
        names = [name for one in logged for name in one]
        assert len(names) == len(set(names)), sorted(name for name in set(names) if names.count(name) > 1)
        whole = content.of_model(model).metrics
        of_dvc = json.loads((site / "metrics" / f"{model}.json").read_text())
        assert {name for name, value in of_dvc.items() if value is not None} <= set(whole)
        for numbers in (of_dvc, compared[model]):
            shared = {name: value for name, value in numbers.items() if name in whole}
            assert len(shared) > 2
            assert shared == pytest.approx({name: whole[name] for name in shared}, rel=1e-5)
        page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", (site / model / "index.html").read_text()))

        def on_page(name: str, page: str = page) -> float:
            return float(re.search(rf"{name} ([\d,.]+)", page)[1].replace(",", ""))  # type: ignore[index]

        states = {state: int(re.search(rf"(\d+) {state}", page)[1]) for state in ("ok", "weak", "dead")}  # type: ignore[index]
        assert sum(states.values()) == whole["rendered_filters"]
        for state, count in states.items():
            assert whole[f"{state}_share"] == pytest.approx(count / whole["rendered_filters"], rel=1e-5)
        assert on_page("filters in them") == whole["conv_filters"]
        assert on_page("parameters") == whole["parameters"]
        share = on_page("never active on our images") / whole["analyzed_filters"]
        assert whole["never_active_share"] == pytest.approx(share, abs=1e-6)


def test_dvc_shows_the_numbers_on_one_screen(project: Path, tmp_path: Path) -> None:
    """With the longest of the default models' names, in 120 columns, without a value that is cut or wrapped."""
    shown = shutil.copytree(project / "artifacts/report/metrics", tmp_path / "artifacts/report/metrics")
    (shown / "before.json").rename(shown / "mobilenetv2-dogs.json")
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text())["metrics"]
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"metrics": declared}))
    env = {**os.environ, "COLUMNS": "120", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in (("dvc", "init", "--no-scm", "-q"), ("dvc", "metrics", "show")):
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= 120
    assert lines[0].split() == ["Path", *sorted(json.loads((shown / "after.json").read_text()))]


def test_twins_matches_and_connections_lead_to_the_right_filters(project: Path, site: Path) -> None:
    numbers = json.loads((site / "before/first/2.json").read_text())
    assert [(t["model"], t["layer"], t["filter"]) for t in numbers["twins"]] == [("after", "first", 2)]
    for match in numbers["matches"]:
        found = {}
        for model in ("before", match["model"]):
            stored = [np.load(project / "artifacts/analysis" / model / s / "features.npz") for s in ("shapes", "noise")]
            found[model] = {
                (name, k): np.concatenate([one[name][..., k].ravel() for one in stored])
                for name in stored[0].files
                for k in range(stored[0][name].shape[-1])
            }
        one = found["before"]["first", 2]
        with np.errstate(invalid="ignore", divide="ignore"):
            alike = {at: np.corrcoef(one, other)[0, 1] for at, other in found[match["model"]].items()}
        best = max(alike, key=lambda at: np.nan_to_num(alike[at], nan=-1))
        assert best == (match["layer"], match["filter"])
        assert match["correlation"] == pytest.approx(alike[best], abs=1e-4)
    assert [m["model"] for m in numbers["matches"]] == ["after", "nested"]
    assert {link["layer"] for link in numbers["outputs"]} == {"second"}
    second = json.loads((site / "before/second/0.json").read_text())
    assert {link["layer"] for link in second["inputs"]} == {"first"}
    assert 3 not in [link["filter"] for link in second["outputs"] if link["layer"] == "first"]
    deep = json.loads((site / "nested/inner_conv/0.json").read_text())
    assert {link["layer"] for link in deep["inputs"]} == {"deep"}


def test_pictures_made_from_natural_images_say_from_which(project: Path, site: Path) -> None:
    stored = np.load(project / "artifacts/maximize/nested/inner_conv.npz")
    for row, k in enumerate(stored["filters"].tolist()):
        text = (site / f"nested/inner_conv/{k}.html").read_text(encoding="utf-8")
        made = [one.rsplit(" that drives", 1)[0] for one in re.findall(r'alt="Picture made from ([^"]*)"', text)]
        assert len(made) == len(stored["from_patches_of"][row]) == 4
        for title, name in zip(made, stored["from_patches_of"][row].tolist(), strict=True):
            of, index = name.split("/")
            assert title == f"{index}.png" if of == "noise" else title in ("ring", "stripes")
        assert "Made from the images that drive it most" in text
    assert "Picture made from" not in (site / "before/first/2.html").read_text(encoding="utf-8")


def test_a_filter_of_the_first_layer_has_its_kernel_beside_its_picture(site: Path) -> None:
    hero = (site / "before/first/2.html").read_text(encoding="utf-8").split('<div class="words">')[0]
    assert "Kernel of filter 2 as colours" in hero
    assert "3 × 3 weights" in hero
    assert "Kernel of filter" not in (site / "before/second/0.html").read_text(encoding="utf-8")


def test_the_walk_shows_the_numbers_of_this_run(project: Path, site: Path) -> None:
    text = (site / "walk.html").read_text()
    steps = re.findall(r'<section class="walk" id="(\w+)">', text)
    assert steps == ["pixels", "kernel", "map", "relu", "pooling", "fields", "layers", "growth", "answer", "mistake"]
    assert "in ten steps" in (site / "index.html").read_text()
    assert "24 rows of 24 pixels" in text
    assert "1,728 numbers" in text  # 24 * 24 * 3
    [k] = re.findall(r'the map of <a href="before/first/index.html#(\d+)"|the map of <a href="before/first/(\d+)', text)
    k = int("".join(k))
    maps = np.asarray(Image.open(site / "assets/walk/map.png"))[..., 0].astype(int)
    found = []
    for of in ("shapes", "noise"):
        with np.load(project / f"artifacts/feature_maps/before/{of}/first.npz") as stored:
            column = stored["channels"].tolist().index(k)
            for one in stored["activations"][..., column].astype(float):
                low = min(one.min(), 0)
                found.append(np.abs((one - low) / ((one.max() - low) or 1) * 255 - maps).max() <= 0.5)
    assert any(found)
    with np.load(project / "artifacts/fixed_filters/outputs.npz") as stored:
        [k] = re.findall(r"Here one made by hand, (.+?), on an image", text)
        column = [str(name).replace("_", " ") for name in stored["kernels"]].index(k)
        before, after = (np.asarray(Image.open(site / f"assets/walk/pool_{n}.png"))[..., 0] for n in (0, 1))
        relu = [np.maximum(one, 0) for one in stored["outputs"][..., column]]
    assert any(np.abs(before - one / one.max() * 255).max() <= 0.5 for one in relu if one.max() > 0)
    height, width = after.shape
    blocks = before.reshape(height, 2, width, 2).max((1, 3)).astype(int)
    assert np.abs(after * (blocks.max() / 255) - blocks).max() <= 1.5


def test_pages_stay_light_and_carry_no_path_of_this_machine(project: Path, pages: dict[Path, site_walk.Page]) -> None:
    for path in pages:
        if path.parent.name != "report":
            assert path.stat().st_size < 2_000_000
        assert str(project) not in path.read_text(encoding="utf-8")


def test_a_second_time_the_same_bytes(project: Path, site: Path, tmp_path: Path) -> None:
    code = "from pathlib import Path; import sys; from cnnviz import config, report; "
    code += "params = config.load(); notes = config.read_notes(params); "
    code += "report.render(Path('artifacts'), params, Path(sys.argv[1]), notes=notes)"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}", str(tmp_path)]
    subprocess.run(command, cwd=project, check=True)
    files = sorted(p.relative_to(site) for p in site.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    assert all((site / f).read_bytes() == (tmp_path / f).read_bytes() for f in files)


def test_no_link_or_picture_of_the_default_site_is_broken(default: Path) -> None:
    pages, _ = site_walk.follow(default)
    assert len(pages) > 1000
    assert max(path.stat().st_size for path in pages if path.parent != default) < 2_000_000
    assert max(path.stat().st_size for path in pages if path.parent == default) < 15_000_000


# ---- in Chromium

AXE = ("axe-core", "4.10.3", "Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg==")
BROKEN = "[...document.images].filter(i => i.loading !== 'lazy' && (!i.complete || !i.naturalWidth)).length"
LOAD_ALL = "document.querySelectorAll('img').forEach(i => { i.loading = 'eager' })"


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_page_opens_whole(site: Path, page, kind: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto((site / KINDS[kind]).as_uri())
    page.evaluate(LOAD_ALL)
    settle(page, BROKEN)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_default_pages_open_without_a_word_on_the_console(default: Path, page) -> None:
    """A page of every kind of every model, and every comparison; `page` says what went wrong."""
    kinds = [default / "index.html", *sorted((default / "compare").glob("*.html"))]
    for model in sorted(path.parent for path in default.glob("*/index.html") if path.parent.name != "compare"):
        layer = sorted(model.glob("*/index.html"))[-1]
        rendered = sorted(path.with_suffix(".html") for path in model.glob("*/*.png") if path.stem.isdigit())
        kinds += [model / "index.html", layer, rendered[0], rendered[-1]]
    for path in kinds:
        page.goto(path.as_uri())
        page.evaluate(LOAD_ALL)
        settle(page, BROKEN)
        assert page.evaluate("document.documentElement.scrollWidth") == 1280, path


def test_static_hosting(project: Path, site: Path, browser) -> None:
    """Over HTTP, with the links of tracking beside the site: nothing fails, nothing is asked from elsewhere."""
    beside = site.parent / "report-links.html"
    links.write({"before": [("DVC output", "abc", None)]}, beside)
    handler = partial(Quiet, directory=str(site.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}/"
        said: list[str] = []
        context = browser.new_context()
        opened = context.new_page()
        opened.on("console", lambda message: said.append(message.text))
        opened.on("request", lambda r: None if r.url.startswith((base, "data:")) else said.append(r.url))
        try:
            for path in KINDS.values():
                opened.goto(f"{base}report/{path}")
                opened.evaluate(LOAD_ALL)
                opened.evaluate("Promise.all([...document.images].map(i => i.decode()))")  # fails where one is broken
            opened.goto(f"{base}report/before/first/2.html")
            opened.wait_for_selector(".runs:visible >> text=abc")
        finally:
            context.close()
            server.shutdown()
            beside.unlink()
    assert said == []


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_long_page_has_its_contents_and_a_panel_shows_that_it_goes_on(site: Path, page) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto((site / "before/first/2.html").as_uri())
    heads = [text.strip() for text in page.locator("main h2").all_text_contents()]
    shown = page.locator(".contents a")
    assert [text.strip() for text in shown.all_text_contents() if text.strip() in heads] == shown.all_text_contents()
    assert shown.count() >= 8
    shown.last.click()
    assert page.evaluate("scrollY") > 1000
    page.goto((site / "index.html").as_uri())
    page.set_viewport_size({"width": 390, "height": 800})
    wide = page.locator(".wide").first
    settle(page, "document.querySelectorAll('.wide.more-right').length ? 0 : 1")
    wide.evaluate("box => box.scrollLeft = box.scrollWidth")
    settle(page, "document.querySelector('.wide').classList.contains('more-right') ? 1 : 0")
    assert page.locator(".contents").count() <= 1


def test_from_home_to_a_filter_and_on_by_keyboard(site: Path, page) -> None:
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("before first 2")
    page.wait_for_selector("#hits li[aria-selected=true] >> text=before / first / filter 2")
    page.keyboard.press("Enter")
    page.wait_for_url("**/before/first/2.html")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/before/first/3.html")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/before/first/2.html")
    page.keyboard.press("ArrowUp")
    page.wait_for_url("**/before/first/index.html")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/before/second/index.html")
    page.keyboard.press("ArrowUp")
    page.wait_for_url("**/before/index.html")


def test_search_finds_notes(site: Path, page) -> None:
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("round bright")
    page.wait_for_selector("#hits li[aria-selected=true] >> text=filter 2: <b>likes</b> round & bright things")
    page.keyboard.press("Enter")
    page.wait_for_url("**/before/first/2.html")


def test_search_says_so_when_it_finds_nothing_and_closes(site: Path, page) -> None:
    page.goto((site / "compare/before--after.html").as_uri())
    page.click("#find")
    page.keyboard.type("<b>nothing")
    page.wait_for_selector("text=Nothing of this name")
    page.keyboard.press("Escape")
    page.wait_for_selector("#finder", state="hidden")
    page.keyboard.press("/")
    assert page.locator("#query").is_visible()


def test_feature_maps_switch_from_image_to_image(site: Path, page) -> None:
    page.goto((site / "before/first/index.html").as_uri())
    shown = page.locator(".maps:visible")
    assert shown.count() == 1
    assert shown.get_attribute("id") == "map-0"
    page.locator(".switch button").first.focus()
    page.keyboard.press("ArrowRight")
    assert shown.get_attribute("id") == "map-1"
    page.locator(".switch button").last.click()
    assert shown.count() == 1
    assert shown.get_attribute("id") == "map-3"


def test_a_cell_of_the_heat_map_names_its_layers(project: Path, site: Path, page) -> None:
    page.goto((site / "compare/before--after.html").as_uri())
    page.locator(".heat tbody tr").nth(1).locator("td").nth(2).click()
    with np.load(project / "artifacts/compare/cka/before--after.npz") as stored:
        value = stored["cka"][1, 2]
    assert page.locator(".picked").inner_text() == f"CKA {round(100 * value) / 100:.2f}: before second and after third"
    page.click(".picked a >> nth=1")
    page.wait_for_url("**/after/third/index.html")


def test_links_of_tracking_appear_once_it_has_run(project: Path, site: Path, page) -> None:
    page.goto((site / "before/first/2.html").as_uri())
    page.wait_for_timeout(300)
    assert not page.locator(".runs").is_visible()  # and, as on every page, nothing was said on the console
    beside = site.parent / "report-links.html"
    found = {
        "before": [("MLflow run", "</script><b>r1", "http://127.0.0.1:5000/#/r1"), ("odd", "x", "javascript:alert(1)")],
        "before/first": [("this layer", "4.1 s", None)],
        "before/second": [("another layer", "5.1 s", None)],
    }
    links.write(found, beside)
    try:
        page.reload()
        page.wait_for_selector(".runs:visible")
        link = page.locator(".runs a")
        assert link.count() == 1
        assert link.inner_text() == "</script><b>r1"
        assert link.get_attribute("href") == "http://127.0.0.1:5000/#/r1"
        assert page.locator(".runs dt").all_inner_texts() == ["MLflow run", "odd"]
        page.goto((site / "before/first/index.html").as_uri())
        page.wait_for_selector(".runs:visible")
        assert page.locator(".runs dt").all_inner_texts() == ["MLflow run", "odd", "this layer"]
    finally:
        beside.unlink()


@pytest.fixture(scope="module")
def axe() -> str:
    """The rules of axe-core, fetched once by npm and checked against its digest."""
    name, version, digest = AXE
    folder = ROOT / ".cache" / "axe"
    archive = folder / f"{name}-{version}.tgz"
    if not archive.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("axe-core is not here and there is no npm to fetch it: apt-get install -y npm")
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "pack", f"{name}@{version}", "--silent", "--pack-destination", str(folder)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            pytest.skip(f"axe-core: npm cannot reach its registry: {done.stderr.strip()[-200:]}")
    assert base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() == digest
    with tarfile.open(archive) as content:
        return content.extractfile("package/axe.min.js").read().decode()


@pytest.mark.parametrize("kind", KINDS)
def test_contrast_names_and_roles(site: Path, browser, axe: str, kind: str) -> None:
    """In light; what is another in the dark is the contrast."""
    context = browser.new_context(color_scheme="light", bypass_csp=True, viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.goto((site / KINDS[kind]).as_uri())
    opened.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    opened.add_script_tag(content=axe)
    found = opened.evaluate("axe.run()")["violations"]
    light = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    opened.emulate_media(color_scheme="dark")
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") != light
    found += opened.evaluate("axe.run({runOnly: ['color-contrast']})")["violations"]
    context.close()
    assert [(v["id"], [n["html"][:160] for n in v["nodes"]][:3]) for v in found] == []
