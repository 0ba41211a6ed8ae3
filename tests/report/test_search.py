"""What the site's search finds, typed in Chromium."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.chromium import browser_fixture  # noqa: F401

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def finder(site: Path, browser) -> Any:
    context = browser.new_context()
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("/")
    page.wait_for_selector("#hits li, #none:not(:empty)", state="attached")
    yield page
    context.close()


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("2 first before", "before/first/2.html"),
        ("before 2 first", "before/first/2.html"),
        ("filter 2 before first", "before/first/2.html"),
        ("first filter 2 before", "before/first/2.html"),
        ("before/first 2", "before/first/2.html"),
        ("compare", "compare/index.html"),
        ("after before compare", "compare/before--after.html"),
        ("home", "index.html"),
        ("images", "images/index.html"),
        ("noise 3", "images/noise/3.html"),
        ("3.png noise", "images/noise/3.html"),
        ("class stripes after", "after/index.html#predictions"),
        ("nested", "nested/index.html"),
        ("note alone", "before/third/1.html"),
    ],
)
def test_search_finds(finder: Any, typed: str, first: str) -> None:
    finder.fill("#query", typed)
    assert finder.locator("#hits li").first.get_attribute("data-url") == first


def test_a_class_finds_its_images_and_the_models_that_know_it(project: Path, finder: Any) -> None:
    with np.load(project / "artifacts/images/shapes.npz") as stored:
        rings = np.flatnonzero(stored["class_names"][stored["labels"]] == "ring").tolist()
    expected = {f"images/shapes/{i}.html" for i in rings} | {
        f"{key}/index.html#predictions" for key in ("before", "after")
    }
    expected.add("before/index.html#objectives")
    finder.fill("#query", "ring")
    found = finder.locator("#hits li").evaluate_all("all => all.map(one => one.dataset.url)")
    assert len(rings) == 4
    assert set(found[: len(expected)]) == expected


def test_numbers_are_found_as_a_whole(finder: Any) -> None:
    finder.fill("#query", "image noise 1")
    assert finder.locator("#hits li").count() == 1
