"""`make ui` in a real browser against the real server, on the small pipeline.

MLflow's pages come together bit by bit, so that nothing is looked at just once: each check waits until it holds.
"""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cnnviz.errors import InputError
from cnnviz.tracking import ui
from tests.chromium import chromium, needs_chromium, settle
from tests.report.test_pages import artifacts, params, site  # noqa: F401 (fixtures)
from tests.small_project import Project, synced_fixture  # noqa: F401
from tests.small_stages import STEPS, TELLING

PICTURES = "[...document.querySelectorAll('img')].filter(i => /table_images/.test(i.src))"
STEP_PICTURES = "[...document.querySelectorAll('img')].filter(i => /image%20by%20step|image by step/.test(i.src))"
IN_SIGHT = "e => { const b = e.getBoundingClientRect(); return b.width > 0 && b.top >= 0 && b.bottom <= innerHeight }"
SERVER = "cnnviz.tracking.serving"
CHARTS = "[...document.querySelectorAll('.js-plotly-plot')]"


def alive(column: str, number: int, said: str = "") -> list[int]:
    """Processes with this parent (`ppid`) or of this group (`pgid`), without those that ended and nobody collected."""
    command = ["ps", "-ww", "-eo", f"{column}=,pid=,stat=,args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split(maxsplit=3) for line in listed if said in line]
    return [int(row[1]) for row in rows if row[0] == str(number) and not row[2].startswith("Z")]


def test_free_port_skips_what_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert ui.free_port(port) > port
    assert ui.free_port(port) == port


@pytest.mark.parametrize("given", ["0", "65536", "-1", "5077x", "5 077", "²", "9" * 5000])
def test_a_port_that_is_none_is_said_before_anything_starts(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", given)
    with pytest.raises(InputError, match=r"^PORT: given .{1,90}; expected a number from 1 to 65535") as caught:
        ui.main()
    assert len(str(caught.value)) < 200


def test_end_takes_grandchildren_along_even_when_they_ignore_sigterm() -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {stubborn!r}])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"up\n"
        ui.end(parent, patience=0.3)
        assert alive("pgid", parent.pid) == []


class Served:
    """`python -m cnnviz.tracking.ui`, started, with what it printed."""

    def __init__(self, project: Project, **env: str) -> None:
        self.printed = project.folder / ".cache" / "printed.txt"
        with self.printed.open("wb") as file:
            command = [sys.executable, "-m", "cnnviz.tracking.ui"]
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
def project(tmp_path_factory: pytest.TempPathFactory, synced: Project, site: Path) -> Project:  # noqa: F811
    """The small pipeline, with a real page of cnnviz.report for one of its models."""
    project = synced.copy(tmp_path_factory.mktemp("ui") / "project")
    (project.folder / "artifacts/report/one.html").unlink()
    shutil.copy(site / "first.html", project.folder / "artifacts/report/one.html")
    project.dvc("commit", "-f", "report")
    return project


@pytest.fixture(scope="module")
def served(project: Project) -> Iterator[Served]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        proxies = {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}  # which must not come between the two
        served = Served(project, PORT=str(port), **proxies)
    assert f":{port}/" not in served.links["models"]
    yield served
    served.stop(signal.SIGINT)
    with pytest.raises(OSError, match=r"refused"):
        urllib.request.urlopen(served.base, timeout=2)  # noqa: S310


@pytest.fixture(scope="module")
def page(served: Served) -> Iterator[Any]:
    with chromium() as browser:
        context = browser.new_context()
        context.set_default_timeout(60_000)
        yield context.new_page()


def show(page: Any, address: str, width: int = 1600, height: int = 1400) -> None:
    """Open a page anew: MLflow keeps what the page before was looking at."""
    page.set_viewport_size({"width": width, "height": height})
    page.goto("about:blank")
    page.goto(address)


@contextmanager
def followed(page: Any, link: str) -> Iterator[Any]:
    """The page that a link of a description leads to, in a tab of its own."""
    with page.expect_popup() as opened:
        page.get_by_role("link", name=link, exact=True).click()
    opened.value.set_viewport_size(page.viewport_size)
    yield opened.value
    opened.value.close()


def settles(page: Any, seen: Callable[[], Any], expected: Any) -> None:
    """Look again until it is as expected, and fail with what was seen if it never is."""
    deadline = time.monotonic() + 60
    while (found := seen()) != expected and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert found == expected


@pytest.mark.pipeline
def test_three_links_and_a_light_server(project: Project, served: Served) -> None:
    assert list(served.links) == ["models", "pictures side by side", "curves and numbers side by side"]
    assert served.base.startswith("http://127.0.0.1:")
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert len([line for line in listed.splitlines() if str(project.db) in line]) <= 2


@pytest.mark.pipeline
def test_the_links_of_the_report_lead_to_the_server_that_runs(project: Project, served: Served) -> None:
    """At whatever port it found: the one that was asked for was taken."""

    def leads_to() -> set[str]:
        beside = (project.folder / "artifacts/report-links.html").read_text()
        return set(re.findall(r"(http://127\.0\.0\.1:\d+)/#/experiments/\d+/runs/", beside))

    assert leads_to() == {served.base}
    (project.folder / ".cache" / "tracked.json").unlink()
    assert "0 runs made" in project.track()  # which writes them anew
    assert leads_to() == {served.base}


@pytest.mark.pipeline
@needs_chromium
def test_models_are_rows_with_headline_columns(served: Served, page: Any) -> None:
    show(page, served.links["models"], width=3600)
    links = "[...document.querySelectorAll('.ag-center-cols-container a, .ag-pinned-left-cols-container a')]"
    settles(page, lambda: page.evaluate(f"() => {links}.map(a => a.innerText)"), ["one", "two"])  # as in params.yaml
    page.get_by_text("2 matching runs").wait_for()
    order = ["parameters", "conv_layers", "conv_filters", "dead_share", "weak_share", "median_against_nature"]
    order += ["mean_firing_rate", "median_selectivity_rank", "render_seconds_per_filter"]
    heads = """() => [...document.querySelectorAll('.ag-header-cell')]
        .sort((a, b) => a.getBoundingClientRect().x - b.getBoundingClientRect().x).map(e => e.innerText.trim())"""
    settles(page, lambda: [name for name in page.evaluate(heads) if name in order], order)


@pytest.mark.pipeline
@needs_chromium
def test_image_matrix_opens_without_a_click(served: Served, page: Any) -> None:
    show(page, served.links["pictures side by side"], height=2400)
    slots = [f"{depth}/{i}" for depth in ("early", "middle", "late") for i in range(TELLING)]
    for slot in slots:
        page.get_by_text(slot, exact=True).first.wait_for()
    # loaded, and the upper half, which holds the picture, is inside its cell
    shown = f"""() => {PICTURES}.filter(i => {{
        const cell = i.closest('.ag-cell').getBoundingClientRect(), box = i.getBoundingClientRect();
        return i.naturalWidth > 0 && box.top >= cell.top && box.top + box.height / 2 - 2 <= cell.bottom; }}).length"""
    settles(page, lambda: page.evaluate(shown), 2 * len(slots))
    for name in ("one", "two"):
        page.get_by_role("link", name=name, exact=True).first.wait_for()


@pytest.mark.pipeline
@needs_chromium
def test_curves_of_all_models_in_one_chart_then_bars_then_all_at_once(served: Served, page: Any) -> None:
    show(page, served.links["curves and numbers side by side"], height=5000)  # MLflow draws what is in sight
    sections = ["Maximized filters: score by step", "Headline numbers", "All at once"]
    places = [page.get_by_text(section).first for section in sections]
    for place in places:
        place.wait_for()
    settles(page, lambda: sorted(sections, key=lambda s: places[sections.index(s)].bounding_box()["y"]), sections)
    # smoothed and as measured: one of a name
    lines = f"""() => {CHARTS}.map(p => (p.data ?? []).filter(d => (d.x ?? []).length > 10))
        .map(lines => Object.fromEntries(lines.map(d => [d.name, d.x.length])))"""
    both = {"one": STEPS + 1, "two": STEPS + 1}
    settles(page, lambda: both in page.evaluate(lines), True)
    bars = f"() => {CHARTS}.filter(p => p.data?.[0]?.type === 'bar').map(p => [...p.data[0].x].sort())"
    settles(page, lambda: [2000, 3000] in page.evaluate(bars), True)  # parameters, a bar per model


@pytest.mark.long
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
    show(page, served.links["models"], height=900)
    final = "[...document.querySelectorAll('img')].filter(i => /final/.test(i.src) && i.naturalWidth > 0)"
    with followed(page, "filters step by step") as steps:
        settles(steps, lambda: steps.evaluate(f"() => {final}.slice(0, 2).map({IN_SIGHT})"), [True, True])
        steps.get_by_text("Step by step: move the slider").scroll_into_view_if_needed()
        steps.wait_for_function(f"() => {STEP_PICTURES}.filter(i => i.naturalWidth > 0).length >= 2")
        thumb = steps.locator(f"[role=slider][aria-valuemax='{STEPS}']").first
        settles(steps, lambda: thumb.get_attribute("aria-valuenow"), str(STEPS))  # opens at the finished image
        for step in (10, 1):
            thumb.focus()
            steps.keyboard.press("ArrowLeft")
            shown = f"step => {STEP_PICTURES}[0]?.naturalWidth > 0 && {STEP_PICTURES}[0].src.includes(step)"
            steps.wait_for_function(shown, arg=f"step%2B{step}%2B")


@pytest.mark.pipeline
@needs_chromium
def test_from_a_model_to_its_maximize_run_which_begins_with_its_final_images(served: Served, page: Any) -> None:
    show(page, served.links["models"])
    page.get_by_role("link", name="two", exact=True).click()
    page.get_by_role("link", name="maximize@two", exact=True).click()
    page.wait_for_function("() => document.querySelector(\"img[src*='filters.png']\")?.naturalWidth === 3 * 52")
    strip = page.locator("img[src*='get-artifact?path=filters.png']")
    metrics = page.get_by_text("Metrics (").first
    metrics.wait_for()
    settles(page, lambda: strip.evaluate(IN_SIGHT), True)
    settles(page, lambda: strip.bounding_box()["y"] < metrics.bounding_box()["y"], True)


@pytest.mark.pipeline
@needs_chromium
def test_a_first_visit_shows_commit_params_and_picture_of_a_run_at_once(
    project: Project, served: Served, page: Any
) -> None:
    """In a laptop's window, without a scroll or a click: in model training, without the panel that MLflow opens."""
    commit = project.run("git", "rev-parse", "HEAD").stdout[:7]
    first = page.context.browser.new_context(viewport={"width": 1280, "height": 800})
    first.set_default_timeout(60_000)
    page = first.new_page()
    show(page, served.links["models"], 1280, 800)
    page.get_by_role("link", name="two", exact=True).click()  # whose address says nothing of GenAI or training
    assert "workflowType" not in page.url.partition("/runs/")[2]
    seen = {
        "commit": page.get_by_text(commit, exact=True).first,
        "params": page.get_by_text(f"maximize.steps={STEPS}", exact=True).first,
        "picture": page.locator("img[src*='get-artifact?path=filters.png']"),
        "numbers": page.get_by_text("parameters", exact=True).first,
        "tags": page.get_by_text("git.commit").first,
    }
    for name, place in seen.items():
        place.wait_for()
        settles(page, lambda place=place: place.evaluate(IN_SIGHT), True)
        assert place.bounding_box()["x"] + place.bounding_box()["width"] <= 1280, name
    assert seen["picture"].evaluate("i => i.naturalWidth") == 3 * 52
    assert page.get_by_text("Evaluation", exact=True).count() == page.get_by_text("Ask a question").count() == 0
    page.get_by_text("GenAI", exact=True).click()  # their own choice stays
    show(page, served.links["models"].partition("?")[0], 1280, 800)
    page.get_by_text("Prompts", exact=True).wait_for()
    first.close()


@pytest.mark.long
@pytest.mark.pipeline
@needs_chromium
def test_report_opens_as_an_artifact(served: Served, page: Any) -> None:
    said: list[str] = []

    def listen(opened: Any) -> None:
        opened.on("console", lambda message: said.append(f"{message.text} {message.location}"))
        opened.on("pageerror", lambda error: said.append(str(error)))

    page.context.once("page", listen)
    show(page, served.links["models"])
    page.get_by_role("link", name="one", exact=True).click()
    with followed(page, "report") as report:
        report.frame_locator("iframe").locator("h1").wait_for()
        inside = next(frame for frame in report.frames if frame.url.startswith("blob:"))
        settle(inside, "[...document.images].filter(i => !i.complete).length")
        count = inside.evaluate("() => document.images.length")
        assert count > 5
        assert inside.evaluate("() => [...document.images].filter(i => i.naturalWidth).length") == count
    # MLflow asks for logins, of which it has none
    assert [text for text in said if "mlflow/users/current" not in text] == []


@pytest.mark.pipeline
def test_stops_on_sigterm_even_while_the_server_starts(project: Project, served: Served) -> None:
    command = [sys.executable, "-m", "cnnviz.tracking.ui"]
    with subprocess.Popen(
        command, cwd=project.folder, env=project.env({}), stdout=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 30
        while not (server := alive("ppid", process.pid, SERVER)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.terminate()
        said, _ = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, "track: nothing new\n")
    assert alive("pgid", server[0]) == []


@pytest.mark.pipeline
def test_the_server_ends_with_a_make_ui_that_was_killed(project: Project, served: Served) -> None:
    """At any moment: while the server starts, and when it answers."""
    command = [sys.executable, "-m", "cnnviz.tracking.ui"]
    for answering in (False, True):
        with subprocess.Popen(command, cwd=project.folder, env=project.env({}), stdout=subprocess.PIPE) as process:
            assert process.stdout
            deadline = time.monotonic() + 60
            while not (server := alive("ppid", process.pid, SERVER)):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            while answering and b"Ctrl-C" not in process.stdout.readline():
                assert time.monotonic() < deadline
            process.kill()
        while alive("pgid", server[0]):
            assert time.monotonic() < deadline + 20
            time.sleep(0.1)


SIGNAL_BETWEEN_FORK_AND_RETURN = """
import os, signal, subprocess
signal.alarm(60)  # an end, should no signal be sent
fork = subprocess._fork_exec
def fork_and_signal(arguments, *others):
    child = fork(arguments, *others)
    if "cnnviz.tracking.serving" in arguments:
        print(child, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
    return child
subprocess._fork_exec = fork_and_signal
from cnnviz.errors import InputError
from cnnviz.tracking import ui
ui.main()
"""


@pytest.mark.pipeline
def test_a_signal_while_the_server_is_started_leaves_no_server(project: Project, served: Served) -> None:
    done = project.run(sys.executable, "-c", SIGNAL_BETWEEN_FORK_AND_RETURN)
    assert (done.returncode, done.stderr) == (0, "")
    server = int(done.stdout.split()[-1])
    assert alive("pgid", server) == []


@pytest.mark.pipeline
def test_ui_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("models: {}")
    done = Project(tmp_path).run(sys.executable, "-m", "cnnviz.tracking.ui")
    assert done.returncode == 1
    assert done.stderr == "error: nothing to show yet: run `make repro` first\n"
