"""`make ui` in a real browser against the real server, on the small pipeline of test_tracking."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cnnviz import ui
from tests.test_report import artifacts, params, site  # noqa: F401 (fixtures)
from tests.test_tracking import FILTERS, STEPS, Project, make_project

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURES = "[...document.querySelectorAll('img')].filter(i => /table_images/.test(i.src))"
STEP_PICTURES = "[...document.querySelectorAll('img')].filter(i => /image%20by%20step|image by step/.test(i.src))"
IN_SIGHT = "e => { const b = e.getBoundingClientRect(); return b.width > 0 && b.top >= 0 && b.bottom <= innerHeight }"
CHARTS = "[...document.querySelectorAll('.js-plotly-plot')]"


def test_free_port_skips_what_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert ui.free_port(port) > port
    assert ui.free_port(port) == port


def test_end_takes_grandchildren_along_even_when_they_ignore_sigterm() -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {stubborn!r}])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"up\n"
        ui.end(parent, patience=0.3)
        listed = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
        left = [line.split()[1] for line in listed.splitlines() if line.split()[0] == str(parent.pid)]
        assert all(state.startswith("Z") for state in left)  # ended; whether somebody collects them is not ours to say


class Served:
    """`python -m cnnviz.ui`, started, with what it printed."""

    def __init__(self, project: Project, **env: str) -> None:
        self.printed = project.folder / ".cache" / "printed.txt"
        with self.printed.open("wb") as file:
            command = [sys.executable, "-m", "cnnviz.ui"]
            self.process = subprocess.Popen(
                command, cwd=project.folder, env=project.env(env), stdout=file, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 90
        while "Ctrl-C" not in (printed := self.printed.read_text()):
            assert self.process.poll() is None, printed
            assert time.monotonic() < deadline, printed
            time.sleep(0.05)
        self.links = dict(re.findall(r"^  (.*?) {2,}(\S+)$", printed, re.MULTILINE))
        self.base = self.links["models"].partition("/#")[0]

    def stop(self, number: int) -> None:
        self.process.send_signal(number)
        assert self.process.wait(timeout=20) == 0
        assert self.printed.read_text().endswith("Ctrl-C stops the server\n")  # no traceback after it


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Project:  # noqa: F811
    """The small pipeline of test_tracking, with a real page of cnnviz.report for one of its models."""
    project = make_project(tmp_path_factory.mktemp("ui") / "project")
    (project.folder / "artifacts/report/one.html").unlink()
    shutil.copy(site / "first.html", project.folder / "artifacts/report/one.html")
    done = project.run(sys.executable, "-m", "dvc", "commit", "-f", "report")
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture(scope="module")
def served(project: Project) -> Iterator[Served]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        served = Served(project, PORT=str(port))
    assert f":{port}/" not in served.links["models"]
    yield served
    served.stop(signal.SIGINT)
    with pytest.raises(OSError, match=r"refused"):
        urllib.request.urlopen(served.base, timeout=2)  # noqa: S310


@pytest.fixture(scope="module")
def page(served: Served) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def show(page: Any, address: str, width: int = 1600, height: int = 1400) -> None:
    """Open a page anew: MLflow keeps what the page before was looking at."""
    page.set_viewport_size({"width": width, "height": height})
    page.goto("about:blank")
    page.goto(address)


@pytest.mark.pipeline
def test_links_and_a_light_server(project: Project, served: Served) -> None:
    assert set(served.links) == {
        "models",
        "pictures side by side",
        "curves and numbers side by side",
        "filters step by step",
        "report",
    }
    assert (project.folder / served.links["report"]).is_file()
    assert served.base.startswith("http://127.0.0.1:")
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert len([line for line in listed.splitlines() if str(project.db) in line]) <= 2


@pytest.mark.pipeline
@needs_chromium
def test_models_are_rows_with_headline_columns(served: Served, page: Any) -> None:
    show(page, served.links["models"])
    page.get_by_role("link", name="two", exact=True).wait_for()
    for text in ("parameters", "conv_layers", "filters", "dead_share"):
        page.locator(".ag-header").get_by_text(text, exact=True).first.wait_for()
    names = [
        link.inner_text()
        for link in page.locator(".ag-center-cols-container a, .ag-pinned-left-cols-container a").all()
    ]
    assert [name for name in names if name in ("one", "two", "images", "maximize@one")] == ["two", "one"]
    assert page.get_by_text("2 matching runs").is_visible()
    page.set_viewport_size({"width": 3600, "height": 1400})
    order = ["parameters", "conv_layers", "filters", "dead_share", "weak_share", "median_against_nature", "firing_rate"]
    order += ["sparsity", "median_selectivity_rank", "render_seconds_per_filter"]
    page.locator(".ag-header").get_by_text(order[-1], exact=True).first.wait_for()
    heads = page.locator(".ag-header-cell").all()
    placed = {head.inner_text().strip(): head.bounding_box()["x"] for head in heads if head.bounding_box()}
    assert sorted(order, key=placed.__getitem__) == order


@pytest.mark.pipeline
@needs_chromium
def test_image_matrix_opens_without_a_click(served: Served, page: Any) -> None:
    show(page, served.links["pictures side by side"], height=2400)
    slots = [f"{depth}/{i}" for depth in ("early", "middle", "late") for i in range(FILTERS)]
    for slot in slots:
        page.get_by_text(slot, exact=True).first.wait_for()
    page.wait_for_function(f"() => {PICTURES}.filter(i => i.naturalWidth > 0).length === {2 * len(slots)}")
    shown = page.evaluate(
        f"""() => {PICTURES}.map(i => {{
            const cell = i.closest('.ag-cell').getBoundingClientRect(), box = i.getBoundingClientRect();
            return box.top >= cell.top && box.top + box.height / 2 - 2 <= cell.bottom; }})"""
    )
    assert all(shown)  # the upper half, which holds the picture, is inside its cell
    for name in ("one", "two"):
        assert page.get_by_role("link", name=name, exact=True).first.is_visible()


@pytest.mark.pipeline
@needs_chromium
def test_curves_of_all_models_in_one_chart_then_bars_then_all_at_once(served: Served, page: Any) -> None:
    show(page, served.links["curves and numbers side by side"], height=5000)  # MLflow draws what is in sight
    sections = ["Maximized filters: score by step", "Headline numbers", "All at once"]
    places = [page.get_by_text(section).first.bounding_box()["y"] for section in sections]
    assert places == sorted(places)
    page.wait_for_function(f"() => {CHARTS}.some(p => p.data?.[0]?.type === 'bar')")
    page.wait_for_function(f"() => {CHARTS}.some(p => p.data?.length >= 2 && p.data[0].x?.length > 10)")
    lines = page.evaluate(
        f"() => {CHARTS}.map(p => p.data.filter(d => (d.x ?? []).length > 10).map(d => [d.name, d.x.length]))"
    )
    lines = [dict(chart) for chart in lines]  # smoothed and as measured: one of a name
    assert {"one": STEPS + 1, "two": STEPS + 1} in lines
    bars = page.evaluate(f"() => {CHARTS}.filter(p => p.data?.[0]?.type === 'bar').map(p => p.data[0].x)")
    assert [2000, 3000] in [sorted(chart) for chart in bars]  # parameters, a bar per model


@pytest.mark.pipeline
@needs_chromium
def test_compare_page_draws_parallel_coordinates_of_chosen_models(served: Served, page: Any) -> None:
    show(page, served.links["models"])
    page.get_by_role("link", name="two", exact=True).wait_for()
    page.locator(".ag-header input[type=checkbox]").locator("visible=true").first.click()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url("**/compare-runs**")
    page.wait_for_function(f"() => {CHARTS}.some(p => p.data?.[0]?.type === 'parcoords')")
    for name in ("one", "two"):
        page.get_by_text(name, exact=True).first.wait_for()


@pytest.mark.pipeline
@needs_chromium
def test_final_images_and_a_slider_through_the_steps(served: Served, page: Any) -> None:
    show(page, served.links["filters step by step"])
    final = "[...document.querySelectorAll('img')].filter(i => /final/.test(i.src) && i.naturalWidth > 0)"
    page.wait_for_function(f"() => {final}.length >= 2")
    assert page.evaluate(f"() => {final}.slice(0, 2).every({IN_SIGHT})")
    page.get_by_text("Step by step: move the slider").scroll_into_view_if_needed()
    page.wait_for_function(f"() => {STEP_PICTURES}.filter(i => i.naturalWidth > 0).length >= 2")
    thumb = page.locator(f"[role=slider][aria-valuemax='{STEPS}']").first
    assert thumb.get_attribute("aria-valuenow") == str(STEPS)  # opens at the finished image
    sources = [page.evaluate(f"() => {STEP_PICTURES}[0].src")]
    for step in (10, 1):
        thumb.focus()
        page.keyboard.press("ArrowLeft")
        page.wait_for_function(
            f"before => {STEP_PICTURES}[0]?.naturalWidth > 0 && !before.includes({STEP_PICTURES}[0].src)", arg=sources
        )
        sources.append(page.evaluate(f"() => {STEP_PICTURES}[0].src"))
        assert f"step%2B{step}%2B" in sources[-1]


@pytest.mark.pipeline
@needs_chromium
def test_a_maximize_run_begins_with_its_final_images(project: Project, served: Served, page: Any) -> None:
    show(page, f"{served.base}/#/experiments/1/runs/{project.current()['maximize@two']}")
    strip = page.locator("img[src*='get-artifact?path=filters.png']")
    strip.wait_for()
    page.wait_for_function("() => document.querySelector(\"img[src*='filters.png']\").naturalWidth === 3 * 70")
    assert strip.evaluate(IN_SIGHT)
    assert strip.bounding_box()["y"] < page.get_by_text("Metrics (").first.bounding_box()["y"]


@pytest.mark.pipeline
@needs_chromium
def test_report_opens_as_an_artifact(project: Project, served: Served, page: Any) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.text} {message.location}"))
    page.on("pageerror", lambda error: said.append(str(error)))
    show(page, f"{served.base}/#/experiments/1/runs/{project.current()['one']}/artifacts/report/one.html")
    page.frame_locator("iframe").locator("h1").wait_for()
    inside = next(frame for frame in page.frames if frame.url.startswith("blob:"))
    inside.wait_for_function("() => [...document.images].every(i => i.complete)")
    count, broken = inside.evaluate(
        "() => [document.images.length, [...document.images].filter(i => !i.naturalWidth).length]"
    )
    assert count > 5
    assert broken == 0
    assert [
        text for text in said if "mlflow/users/current" not in text
    ] == []  # MLflow asks for logins, of which it has none


@pytest.mark.pipeline
def test_stops_on_sigterm_and_says_what_is_missing(project: Project, tmp_path: Path) -> None:
    served = Served(project, PORT="5600")
    served.stop(signal.SIGTERM)
    (tmp_path / "params.yaml").write_text("models: {}")
    done = Project(tmp_path).run(sys.executable, "-m", "cnnviz.ui")
    assert done.returncode == 1
    assert done.stderr == "error: nothing to show yet: run `make repro` first\n"
