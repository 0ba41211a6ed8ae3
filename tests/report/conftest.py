"""The site of a small project, made once by every stage, and a browser's page for what is tested of it."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chromium import browser_fixture  # noqa: F401

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of both workers: who comes first makes it."""
    shared = tmp_path_factory.getbasetemp()
    folder = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "site_project"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            folder.mkdir()
            command = [sys.executable, "-m", "tests.site_project", str(folder)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-3000:]
            (folder / "whole").touch()
    return folder


@pytest.fixture(scope="session")
def site(project: Path) -> Path:
    return project / "artifacts" / "report"


@pytest.fixture
def page(browser) -> Iterator:
    """A page that fails the test in which anything was said on the console or asked from elsewhere."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else said.append(r.url))
    yield opened
    context.close()
    assert said == []
