"""Every filter of a small project: its page, its row in tables that sort, its dot, its numbers as files."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from tests import site_walk

pytestmark = pytest.mark.pipeline
IDS = "[...document.querySelectorAll('.every tbody tr')].map(row => Number(row.id))"
FIRST = "[...document.querySelectorAll('.every tbody th a')].map(link => link.textContent)"


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _number(text: str) -> float:
    return float(text) if text else np.nan


# ---- pages


def test_every_filter_has_a_page(project: Path, site: Path) -> None:
    for described in (project / "artifacts/models").glob("*/model.json"):
        for conv in json.loads(described.read_text())["conv_layers"]:
            folder = site / described.parent.name / conv["name"]
            found = {int(path.stem) for path in folder.glob("*.html") if path.stem.isdigit()}
            assert found == set(range(conv["filters"])), folder


def test_a_light_page_shows_the_patches_of_the_analysis(project: Path, site: Path) -> None:
    page = site_walk.Page(site / "nested/inner_conv/1.html")
    tiles = [attrs["style"] for tag, attrs in page.tags if tag == "span" and "style" in attrs]
    photos = [attrs["src"] for tag, attrs in page.tags if tag == "img"]
    with np.load(project / "artifacts/analysis/nested/examples/inner_conv.npz") as stored:
        boxes = np.concatenate([stored["top_box"][1][:6], stored["bottom_box"][1][:2]])
        sets = np.concatenate([stored["top_set"][1][:6], stored["bottom_set"][1][:2]])
        images = np.concatenate([stored["top_image"][1][:6], stored["bottom_image"][1][:2]])
        names = stored["sets"]
        values = stored["top_activation"][1][:6]
    assert photos == [f"../../assets/images/{names[s]}/{i}.webp" for s, i in zip(sets, images, strict=True)]
    assert len(tiles) == len(boxes)
    for style, (top, left, bottom, right) in zip(tiles, np.clip(boxes, 0, 24).tolist(), strict=True):
        c, r, x, y = (float(re.search(rf"--{name}:([^;]*)", style)[1]) for name in "crxy")
        assert (24 / c, 24 / r) == pytest.approx((right - left, bottom - top), rel=1e-3)
        assert (x * 24 / c, y * 24 / r) == pytest.approx((left, top), rel=1e-3, abs=1e-3)
    text = (site / "nested/inner_conv/1.html").read_text()
    assert [float(v) for v in re.findall(r"</span>(\S+) <small>", text)][: len(values)] == pytest.approx(
        values, rel=6e-3
    )
    assert "dvc exp run -S &#39;models.nested.layers.inner_conv=[0,2,3,1]&#39;" in text


# ---- tables as files


def test_the_files_of_a_layer_hold_what_the_stages_measured(project: Path, site: Path) -> None:
    known = {(row["layer"], row["filter"]): row for row in _read(project / "artifacts/analysis/before/filters.csv")}
    made = {(row["layer"], row["filter"]): row for row in _read(project / "artifacts/maximize/before/filters.csv")}
    drift = {(row["layer"], row["filter"]): row for row in _read(project / "artifacts/compare/drift/before--after.csv")}
    checked = set()
    for layer in ("first", "second", "third"):
        rows = _read(site / "before" / layer / "filters.csv")
        assert [row["filter"] for row in rows] == [str(k) for k in range(len(rows))]
        for row in rows:
            place = layer, row["filter"]
            for name, text in row.items():
                if name.startswith("drift_"):
                    expected = drift[place][name.removeprefix("drift_").partition("/")[0]]
                elif name in known[place]:
                    expected = known[place][name]
                else:
                    expected = made.get(place, {}).get(name)
                if expected is None or name in ("filter", "status"):
                    continue
                checked.add(name)
                expected = "" if name == "nearest" and expected == "-1" else expected
                assert _number(text) == pytest.approx(_number(expected), rel=1e-3, abs=1e-6, nan_ok=True), (place, name)
            assert row["status"] == made.get(place, {}).get("status", "")
    for name in (
        "robust_score",
        "firing_rate/noise",
        "class_selectivity/shapes",
        "kernel_cluster",
        "drift_distance/after",
    ):
        assert name in checked


def test_every_table_is_there_twice_with_the_same_values(site: Path) -> None:
    found = sorted(site.rglob("*.parquet"))
    assert {path.relative_to(site).as_posix() for path in found} >= {
        "assets/models.parquet",
        "before/filters.parquet",
        "before/first/filters.parquet",
        "before/predictions.parquet",
        "before/scores.parquet",
        "compare/before--after_drift.parquet",
        "compare/before--after_matches.parquet",
        "compare/depth.parquet",
    }
    for path in found:
        table, rows = parquet.read_table(path), _read(path.with_suffix(".csv"))
        assert table.column_names == list(rows[0])
        for name, kind in ((field.name, str(field.type)) for field in table.schema):
            texts = ["" if v is None else str(v) for v in table.column(name).to_pylist()]
            assert texts == [row[name] for row in rows], (path, name)
            assert kind in ("int64", "double", "string", "bool")
            assert kind != "string" or not all(re.fullmatch(r"[\d.]*", text) for text in texts), (path, name)
    kinds = {field.name: str(field.type) for field in parquet.read_table(site / "before/filters.parquet").schema}
    assert [kinds[name] for name in ("layer", "filter", "status", "selectivity_rank", "l2", "kernel_nearest")] == [
        *("string", "int64", "string", "int64", "double", "int64"),
    ]


# ---- in Chromium


def test_a_layer_sorts_by_any_heading_with_the_keyboard(project: Path, site: Path, page) -> None:
    page.goto((site / "before/first/index.html").as_uri())
    norms = json.loads((project / "artifacts/weights/before/statistics.json").read_text())["first"]["l2"]
    assert page.evaluate(IDS) == [0, 1, 2, 3, 4, 5]
    head = page.locator(".every th[data-name=l2]")
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert page.evaluate(IDS) == sorted(range(6), key=lambda k: -norms[k])
    assert head.get_attribute("aria-sort") == "descending"
    page.keyboard.press("Enter")
    assert page.evaluate(IDS) == sorted(range(6), key=lambda k: norms[k])
    assert head.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert page.evaluate(IDS) == [0, 1, 2, 3, 4, 5]
    assert head.get_attribute("aria-sort") is None
    page.locator(".every th[data-name=drift_correlation\\/after] button").click()
    rows = _read(project / "artifacts/compare/drift/before--after.csv")
    known = {
        int(row["filter"]): float(row["correlation"]) for row in rows if row["layer"] == "first" and row["correlation"]
    }
    assert page.evaluate(IDS)[: len(known)] == sorted(known, key=lambda k: known[k])  # the unknown ones last


def test_a_layer_is_narrowed_by_text_status_and_range(project: Path, site: Path, page) -> None:
    page.goto((site / "before/first/index.html").as_uri())
    said = page.locator(".sift [role=status]")
    assert said.inner_text() == "6 filters"
    page.get_by_role("textbox", name="Find").fill("round bright")
    assert page.evaluate(IDS) == [2]  # by its note
    page.get_by_role("textbox", name="Find").fill("4")
    assert page.evaluate(IDS) == [4]
    page.get_by_role("button", name="clear").click()
    page.get_by_role("textbox", name="Find").fill("dead")
    assert page.evaluate(IDS) == [3]
    page.get_by_role("button", name="clear").click()
    page.get_by_label("Status").select_option("dead")
    assert page.evaluate(IDS) == [3]
    assert said.inner_text() == "1 of 6 filters"
    page.get_by_role("button", name="clear").click()
    norms = json.loads((project / "artifacts/weights/before/statistics.json").read_text())["first"]["l2"]
    page.get_by_label("Measure").select_option(label="norm")
    page.get_by_label("from").fill("0.5")
    page.get_by_label("to", exact=True).fill("0.78")
    assert page.evaluate(IDS) == [k for k in range(6) if 0.5 <= norms[k] <= 0.78]
    assert 0 < len(page.evaluate(IDS)) < 6


def test_a_bar_leads_to_the_filters_in_it(project: Path, site: Path, page) -> None:
    page.goto((site / "before/second/index.html").as_uri())
    bars = [
        (one.get_attribute("href"), one.locator("title").text_content())
        for one in page.locator("svg.dotted a.column:has(.bar)").all()
    ]
    measured = _read(project / "artifacts/analysis/before/filters.csv")
    rates = {int(row["filter"]): float(row["firing_rate/shapes"]) for row in measured if row["layer"] == "second"}
    shapes = [bar for bar in bars if bar[0].startswith("?firing_rate%2Fshapes")]
    assert sum(int(said.split(": ")[1].split()[0]) for _, said in shapes) == len(rates)
    for address, said in shapes:
        page.goto((site / "before/second/index.html").as_uri() + address)
        found = page.evaluate(IDS)
        assert len(found) == int(said.split(": ")[1].split()[0])
        low, high = (float(text) for text in said.split(": ")[0].split(" to "))
        assert all(low - 1e-3 <= rates[k] <= high + 1e-3 for k in found)


def test_a_network_lists_all_its_filters_from_a_file(project: Path, site: Path, page) -> None:
    page.goto((site / "before/filters.html").as_uri() + "?sort=drift_distance/after")
    page.wait_for_selector(".every tbody tr")
    rows = sorted(
        _read(project / "artifacts/compare/drift/before--after.csv"), key=lambda row: -_number(row["distance"])
    )
    known = [f"{row['layer']} {row['filter']}" for row in rows if row["distance"]]
    assert page.evaluate(FIRST)[: len(known)] == known
    assert len(page.evaluate(FIRST)) == 22
    page.get_by_role("textbox", name="Find").fill("second 3")
    assert page.evaluate(FIRST) == ["second 3"]
    page.locator(".every tbody th a").click()
    page.wait_for_url("**/before/second/3.html")


def test_without_scripts_the_tables_and_the_first_of_each_measure_are_there(project: Path, site: Path, browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto((site / "before/first/index.html").as_uri())
    assert opened.locator(".every tbody tr").count() == 6
    opened.goto((site / "before/filters.html").as_uri())
    assert not opened.locator(".every").is_visible()
    rows = [row for row in _read(project / "artifacts/compare/drift/before--after.csv") if row["correlation"]]
    least = min(rows, key=lambda row: float(row["correlation"]))
    first = opened.locator("details[open] .best a").first
    assert first.get_attribute("href") == f"../before/{least['layer']}/{least['filter']}.html"
    context.close()


def test_dots_are_chosen_by_arrows_and_by_a_click(project: Path, site: Path, page) -> None:
    page.goto((site / "compare/before--after.html").as_uri())
    plot = page.locator("svg.dotted").nth(1)  # correlations
    plot.focus()
    page.keyboard.press("End")
    told = plot.locator("xpath=following-sibling::p").inner_text()
    assert re.fullmatch(r"third \d", told)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/before/{told.replace(' ', '/')}.html")
    page.goto((site / "compare/before--after.html").as_uri())
    rows = _read(project / "artifacts/compare/drift/before--after.csv")
    path = plot.locator(".cloud").get_attribute("d").split("M")[1:]
    assert len(path) == len(rows)
    i = max((i for i, row in enumerate(rows) if row["correlation"]), key=lambda i: float(rows[i]["correlation"]))
    x, y = (float(v) for v in path[i].removesuffix("h0").split(","))
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.click(box["x"] + x, box["y"] + y)
    page.wait_for_url(f"**/before/{rows[i]['layer']}/{rows[i]['filter']}.html")


def test_curves_lead_to_layers_at_the_values_of_the_analysis(project: Path, site: Path, page) -> None:
    page.goto((site / "compare/index.html").as_uri())
    rows = {(row["model"], row["layer"]): row for row in _read(project / "artifacts/compare/depth.csv")}
    links = page.locator("svg.dotted[aria-label^='lifetime sparsity'] a.spot")
    found = {link.locator("title").text_content(): link.get_attribute("href") for link in links.all()}
    assert found == {
        f"{model} {layer}: {float(row['lifetime_sparsity']):.3g}": f"../{model}/{layer}/index.html"
        for (model, layer), row in rows.items()
        if row["lifetime_sparsity"]
    }
    assert page.locator("svg.dotted a[tabindex='0']").count() == 0  # one tab stop for each plot: itself
    assert page.locator("svg.dotted[tabindex='0']").count() == page.locator("svg.dotted").count()


def test_preferences_are_those_of_the_analysis(project: Path, site: Path) -> None:
    counted = json.loads((project / "artifacts/analysis/before/statistics.json").read_text())
    text = (site / "before/index.html").read_text()
    for name, entry in counted.items():
        sets = entry["pairs"]["shapes/noise"] if "pairs" in entry else entry
        assert f"{name}: {sets['prefer_shapes']} prefer shapes, {sets['prefer_noise']} noise" in text
