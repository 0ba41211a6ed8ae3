"""MLflow for real, as `make ui` serves it: what runs it tells over HTTP, and the page that compares two of them."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cnnviz.tracking import server, target
from cnnviz.tracking.links import compared
from tests.chromium import chromium, needs_chromium
from tests.small_project import Project, synced_fixture  # noqa: F401
from tests.tracking import broken
from tests.tracking.test_ui import Served

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def project(synced: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return synced.copy(tmp_path_factory.mktemp("mlflow") / "project")


@pytest.fixture(scope="module")
def served(project: Project) -> Iterator[Served]:
    served = Served(project, PORT="5177")
    yield served
    served.process.terminate()
    assert served.process.wait(20) == 0


def test_runs_are_the_same_over_http_and_in_the_file(project: Project, served: Served) -> None:
    over_http = {run.id: run for run in target.past_runs(target.Target(project.folder, served.base))}
    in_file = {run.id: run for run in target.past_runs(target.Target(project.folder, f"sqlite:///{project.db}"))}
    assert over_http == in_file
    assert {run.name for run in in_file.values()} == {run["name"] for run in project.runs().values()}
    assert len(in_file) == 12


@needs_chromium
def test_the_compare_page_of_two_runs(project: Project, served: Served) -> None:
    ids = {run["name"]: key for key, run in project.runs().items() if run["tags"]["kind"] == "model"}
    (experiment,) = re.findall(r"/experiments/(\d+)/", served.links["models"])
    with chromium() as browser, closing(browser.new_page()) as page:
        page.set_default_timeout(60_000)
        page.goto(compared(served.base, experiment, [ids["one"], ids["two"]]))
        for name in ("one", "two"):
            page.get_by_text(name, exact=True).first.wait_for()
        page.get_by_text(ids["two"]).first.wait_for()


def test_a_server_that_answers_otherwise_and_a_database_elsewhere(tmp_path: Path) -> None:
    answers: list[Any] = [b"{}", b"[]", b"no JSON", b'{"experiments": 7}', b'{"experiments": [{}]}']
    for body in answers[1:]:
        with broken.listening(broken.from_the_start(broken.http(body))) as uri, pytest.raises(OSError, match="MLflow"):
            server.runs(uri)
    with pytest.raises(OSError, match="only MLflow can ask"):
        target.past_runs(target.Target(tmp_path, "postgresql://user@host/database"))
    assert target.past_runs(target.Target(tmp_path, f"sqlite:///{tmp_path}/none.db")) == []
    (tmp_path / "damaged.db").write_bytes(b"no database" * 1000)
    with pytest.raises(OSError, match="database"):
        target.past_runs(target.Target(tmp_path, f"sqlite:///{tmp_path}/damaged.db"))
