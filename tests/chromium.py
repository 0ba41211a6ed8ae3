"""Headless Chromium for tests and pictures of pages: it asks for nothing by itself."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module", name="browser")
def browser_fixture() -> Iterator[Any]:
    """One browser for a file's tests."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with chromium() as opened:
        yield opened


def settle(page: Any, left: str, seconds: float = 10) -> None:
    """Wait until a JavaScript expression is 0. Playwright's own wait needs `eval`, which the pages' policy forbids."""
    end = time.monotonic() + seconds
    while count := page.evaluate(left):
        assert time.monotonic() < end, f"{left}: {count}"
        page.wait_for_timeout(50)
