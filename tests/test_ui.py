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
from tests.test_tracking import FILTERS, Project, make_project

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
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_project(tmp_path_factory.mktemp("ui") / "project")


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
        page = browser.new_page(viewport={"width": 1600, "height": 1400})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


@pytest.mark.pipeline
def test_links_and_a_light_server(project: Project, served: Served) -> None:
    assert set(served.links) == {
        "models",
        "pictures side by side",
        "curves and numbers side by side",
        "stages",
        "report",
    }
    assert (project.folder / served.links["report"]).is_file()
    assert served.base.startswith("http://127.0.0.1:")
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert len([line for line in listed.splitlines() if str(project.db) in line]) <= 2


@pytest.mark.pipeline
@needs_chromium
def test_models_are_rows_with_headline_columns(served: Served, page: Any) -> None:
    page.goto(served.links["models"])
    page.get_by_role("link", name="two", exact=True).wait_for()
    for text in ("parameters", "conv_layers", "rendered_filters"):
        page.locator(".ag-header").get_by_text(text, exact=True).first.wait_for()
    names = [
        link.inner_text()
        for link in page.locator(".ag-center-cols-container a, .ag-pinned-left-cols-container a").all()
    ]
    assert [name for name in names if name in ("one", "two", "images", "maximize@one")] == ["two", "one"]
    assert page.get_by_text("2 matching runs").is_visible()


@pytest.mark.pipeline
@needs_chromium
def test_image_matrix_opens_without_a_click(served: Served, page: Any) -> None:
    page.goto(served.links["pictures side by side"])
    for slot in ("early/0", f"middle/{FILTERS - 1}"):
        page.get_by_text(slot, exact=True).first.wait_for()
    page.wait_for_function(f"() => {PICTURES}.filter(i => i.naturalWidth > 0).length >= 6")
    shown = page.evaluate(
        f"""() => {PICTURES}.map(i => {{
            const cell = i.closest('.ag-cell').getBoundingClientRect(), box = i.getBoundingClientRect();
            return box.top >= cell.top && box.top + box.height / 2 - 2 <= cell.bottom; }})"""
    )
    assert all(shown)  # the upper half, which holds the picture, is inside its cell


@pytest.mark.pipeline
@needs_chromium
def test_curves_of_all_models_in_one_chart(served: Served, page: Any) -> None:
    page.goto(served.links["curves and numbers side by side"])
    page.get_by_text("Maximized filters: score by step").wait_for()
    page.wait_for_function(f"() => {CHARTS}.some(p => p.data?.length >= 2 && p.data[0].x?.length > 10)")
    page.get_by_text("Headline numbers").wait_for()


@pytest.mark.pipeline
def test_stops_on_sigterm_and_says_what_is_missing(project: Project, tmp_path: Path) -> None:
    served = Served(project, PORT="5600")
    served.stop(signal.SIGTERM)
    (tmp_path / "params.yaml").write_text("models: {}")
    done = Project(tmp_path).run(sys.executable, "-m", "cnnviz.ui")
    assert done.returncode == 1
    assert done.stderr == "error: nothing to show yet: run `make repro` first\n"
