import csv
import json
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from cnnviz.config import Params
from cnnviz.errors import InputError
from cnnviz.report import pages as report
from cnnviz.report.pictures import Inliner, curves, histogram, profile
from tests import site_walk
from tests.chromium import browser_fixture, settle  # noqa: F401

pytestmark = pytest.mark.pipeline  # whole reports, in a browser

ROOT = Path(__file__).parents[2]
EVIL = "<script>alert(1)</script>"
EVIL_LAYER = '"><img src=x onerror=alert(1)>'  # a layer's name is a file's name, so it holds no slash
LAYERS = {"conv_a": 8, EVIL_LAYER: 16, "conv_c": 4}  # layer: filters
RENDERED = {"conv_a": 3, EVIL_LAYER: 14}  # 14: more than get a card
STEPS = [1, 10, 32, 100, 120]
noise = np.random.default_rng(0)


def _png(path: Path, height: int, width: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise.integers(0, 255, (height, width, 3), np.uint8)).save(path)


def _json(path: Path, data: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")


def _model(root: Path, key: str) -> None:
    conv = [
        {
            "name": name,
            "type": "Conv2D",
            "kernel_shape": [3, 3, 3 if i == 0 else 8, filters],
            "filters": filters,
            "strides": [1, 1] if i == 0 else [2, 2],
            "padding": "same",
            "dilation": [1, 1],
            "activation": "relu",
            "input_shape": [16, 16, 3],
            "output_shape": [16 // (i + 1), 16 // (i + 1), filters],
            "depthwise": False,
            "kernel_key": "k",
            "bias_key": None,
            "unit": ["bn", "relu"],
        }
        for i, (name, filters) in enumerate(LAYERS.items())
    ]
    layers = [{"name": c["name"], "type": "Conv2D", "output_shape": c["output_shape"], "parameters": 9} for c in conv]
    scale = {"name": "tf", "scale": [1.0] * 3, "offset": [-1.0] * 3, "reverse_channels": True}
    facts = {"name": key, "title": f"A model {EVIL}", "origin": "inputs/models/m.keras", "license": EVIL}
    facts |= {"trained_on": EVIL, "source": "file", "digest": "d" * 64, "input_shape": [16, 16, 3], "parameters": 1234}
    facts |= {"preprocessing": scale, "class_names": ["cat", EVIL], "config": {}, "conv_layers": conv}
    facts |= {"layers": [*layers, {"name": "pool", "type": "GlobalMaxPooling2D", "output_shape": [4], "parameters": 0}]}
    _json(root / "models" / key / "model.json", facts)


def _measures(root: Path, key: str) -> None:
    weights, firing = {}, {}
    for name, n in LAYERS.items():
        _png(root / "weights" / key / f"{name}.png", 60, 90)
        numbers = {k: [1.0] * n for k in ("l1", "l2", "mean", "std")}
        weights[name] = {"kernel_shape": [3, 3, 3, n], "depthwise": False, "parameters": 9, **numbers}
        weights[name] |= {"near_zero_share": [0.5] * n, "nearest": [(k + 1) % n for k in range(n)]}
        weights[name] |= {"nearest_cosine": [0.99, 0.99] + [0.1] * (n - 2)}
        firing[name] = {"measured_at": "relu", "firing_rate": [0.0] + [0.5] * (n - 1), "mean": [1.0] * n}
        firing[name] |= {"maximum": [1.0] * n, "never_active": [True] + [False] * (n - 1)}
        _png(root / "feature_maps" / key / "photos" / f"{name}.png", 40, 80)
        arrays = {"activations": np.zeros((2, 4, 4, 3), "f4"), "images": np.int32([0, 1]), "channels": np.int32([3, 1])}
        np.savez(root / "feature_maps" / key / "photos" / f"{name}.npz", **arrays)
    _json(root / "weights" / key / "statistics.json", weights)
    _json(root / "feature_maps" / key / "photos" / "statistics.json", firing)


SCORES = {
    "robust_score": 31.5,
    "against_nature": 1.25,
    "nature_percentile": 97.5,
    "seed_stability": 0.75,
    "spectrum_distance": 0.125,
}
SILENT = f"No gradient reaches it {EVIL}."
STATES = {0: ("weak", "Its score did not rise."), 1: ("dead", SILENT), 13: ("dead", SILENT)}  # the others are ok


def _maximized(root: Path, key: str) -> None:
    folder = root / "maximize" / key
    for name, n in RENDERED.items():
        _png(folder / f"{name}.png", 20, 80)
        rise = np.sort(noise.random((n, STEPS[-1])), axis=1).astype("f4")
        states = [STATES.get(k, ("ok", "")) for k in range(n)]
        dead = np.array([status == "dead" for status, _ in states])
        rise[dead] = np.nan
        channels = 3 if name == "conv_a" else 2  # a network that sees two channels
        more = {}
        if name == "conv_a":
            more["negatives"] = noise.integers(0, 255, (n, 24, 24, 3), np.uint8)
            more["variants"] = noise.integers(0, 255, (n, 2, 24, 24, 3), np.uint8)
        np.savez(
            folder / f"{name}.npz",
            filters=np.arange(n, dtype="i4"),
            images=noise.integers(0, 255, (n, 24, 24, channels), np.uint8),
            scores=rise,
            snapshot_steps=np.int32(STEPS),
            snapshots=noise.integers(0, 255, (n, len(STEPS), 24, 24, 3), np.uint8),
            snapshot_scores=rise[:, [0, 9, 31, 99, 119]],
            gain_10_100=np.full(n, 2.5, "f4"),
            gain_10_last=np.full(n, np.nan, "f4"),
            status=np.array([status for status, _ in states]),
            reason=np.array([reason for _, reason in states]),
            selectivity_rank=np.where(dead, 0, 2).astype("i4"),
            **{name: np.where(dead, np.nan, value).astype("f4") for name, value in SCORES.items()},
            **more,
        )
    total = sum(RENDERED.values())
    head = {"rendered_filters": total, "ok_filters": total - 5, "weak_filters": 2, "dead_filters": 3}
    head |= {"median_score_gain": 3.5}
    head |= {f"median_{name}": value for name, value in SCORES.items()} | {"median_selectivity_rank": 2.0}
    head |= {"median_seed_stability": None, "layers": {}}
    settings = {name: {"objective": "pre_activation", "size": 24, "decay": i} for i, name in enumerate(RENDERED)}
    _objectives(folder, head, settings)
    _json(folder / "metrics.json", head)
    _json(folder / "settings.json", settings)


def _objectives(folder: Path, head: dict, settings: dict) -> None:
    (folder / "objectives").mkdir()
    for name, what in (("mixture", EVIL), ("logit-6", "logit(6)")):
        np.savez(
            folder / "objectives" / f"{name}.npz",
            images=noise.integers(0, 255, (2, 24, 24, 3), np.uint8),
            scores=np.ones((2, 120), "f4"),
            snapshots=noise.integers(0, 255, (2, len(STEPS), 24, 24, 3), np.uint8),
            snapshot_steps=np.int32(STEPS),
            description=what,
        )
    head["objectives"] = {"mixture": {"score": None, "seed_stability": 0.5}, "logit-6": {"score": 12.5}}
    settings["objectives"] = {name: {"target": EVIL, "size": 24} for name in head["objectives"]}


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree as in docs/artifacts.md, with names that try to break out of the page."""
    root = tmp_path_factory.mktemp("tree") / "artifacts"
    for key in ("first", "second"):
        _model(root, key)
        _measures(root, key)
        _maximized(root, key)
    np.savez(
        root / "photos.npz",
        images=noise.integers(0, 255, (2, 20, 24, 3), np.uint8),
        sizes=np.int32([[20, 24], [16, 24]]),
        labels=np.int32([1, -1]),
        names=np.array(["a", "b\"'<b>"]),
        class_names=np.array(["cat", EVIL]),
    )
    (root / "images").mkdir()
    (root / "photos.npz").rename(root / "images" / "photos.npz")
    about = {"source": "folder", "origin": EVIL, "license": EVIL, "sha256": "0" * 64, "count": 2}
    _json(root / "images" / "images.json", {"photos": about})
    for name in ("kernels", "outputs", "relu", "pooling"):
        _png(root / "fixed_filters" / f"{name}.png", 30, 60)
    kernels = [{"name": EVIL, "shape": [3, 3], "origin": EVIL}]
    facts = {"kernels": kernels, "images": ["a"], "set": "photos", "pool_size": 2}
    _json(root / "fixed_filters" / "fixed_filters.json", facts)
    return root


@pytest.fixture(scope="module")
def params() -> Params:
    model: dict[str, Any] = {"file": "inputs/models/m.keras", "input_size": 16, "preprocessing": "tf", "license": EVIL}
    model |= {"channels": 2, "layers": {EVIL_LAYER: 14}}
    keys = ("first", "second")
    return Params.model_validate(
        {
            "random_seed": 0,
            "images": {"sets": {"photos": {"folder": "inputs/images/photos", "count": 2}}},
            "models": dict.fromkeys(keys, model),
            "weights": {},
            "feature_maps": {"images": [0, 1]},
            "fixed_filters": {
                "set": "photos",
                "images": 1,
                "kernels": {"one": [[1]]},
                "borrowed": {"model": "first", "layer": EVIL_LAYER, "filters": [0]},
            },
            "maximize": {"steps": 120},
            "analyze": {},
            "enlarge": {},
            "judge": {},
            "compare": {},
        }
    )


@pytest.fixture(scope="module")
def site(artifacts: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    load, readers = np.load, set()

    def seen(*args: Any, **options: Any) -> Any:
        readers.add(threading.current_thread())
        return load(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "load", seen)
        report.render(artifacts, params, out)
    assert readers == {threading.current_thread()}  # several readers at once fail in Python 3.11: python/cpython#106905
    return out


class Page(HTMLParser):
    """The tags of a page with their attributes, its ids, its visible text and its scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.scripts, self._inside = "", "", ""
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts += data
        elif self._inside != "style":
            self.text += data
            self.words += [*data.split()]

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


PAGES = ("first.html", "second.html")


@pytest.mark.parametrize("name", PAGES)
def test_every_image_is_inside_the_page_and_described(site: Path, name: str) -> None:
    page = Page(site / name)
    assert len(page.all("img")) > 5
    for image in page.all("img"):
        assert image["src"].startswith(("data:image/webp;base64,", "data:image/png;base64,"))
        assert image["alt"] is not None
    described = [image["alt"] for image in page.all("img") if image["alt"]]
    assert len(described) >= len(page.all("img")) - len(RENDERED)  # the layer list repeats pictures as ornaments


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_loaded_and_every_link_leads_somewhere(site: Path, name: str) -> None:
    page = Page(site / name)
    assert {tag for tag, _ in page.tags}.isdisjoint({"iframe", "object", "embed", "base", "form"})
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    assert "url(" not in (site / name).read_text().split("</style>")[0].replace("url(data:", "").replace(
        "url('data:", ""
    )
    for link in page.all("a"):
        target, _, fragment = link["href"].partition("#")
        assert re.fullmatch(r"\w[\w-]*\.html", target) or not target
        assert (site / (target or name)).is_file()
        assert not fragment or fragment in {a.get("id") for _, a in Page(site / (target or name)).tags}


@pytest.mark.parametrize("name", PAGES)
def test_names_from_files_and_params_stay_text(site: Path, name: str) -> None:
    page = Page(site / name)
    assert page.scripts == (ROOT / "cnnviz/report/templates/page.js").read_text(encoding="utf-8")
    assert EVIL in page.text
    assert EVIL_LAYER in page.text.replace("\u200b", "")
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    assert EVIL not in (site / name).read_text(encoding="utf-8")


def test_names_stay_text_and_links_work_on_every_page_of_the_site(site: Path) -> None:
    pages, reached = site_walk.follow(site)
    assert site / "first" / EVIL_LAYER / "13.html" in pages
    assert site / "first" / EVIL_LAYER / "filters.webp" in reached
    for path, page in pages.items():
        assert EVIL not in path.read_text(encoding="utf-8")
        assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
        scripts = [attrs for tag, attrs in page.tags if tag == "script"]
        assert len(scripts) == (not path.name.endswith("_embed.html"))
        assert path.parent == site or not scripts or str(scripts[0]["src"]).partition("?")[0].endswith("assets/site.js")


def test_the_same_bytes_when_rendered_again(site: Path, artifacts: Path, params: Params, tmp_path: Path) -> None:
    report.render(artifacts, params, tmp_path)
    files = sorted(p.relative_to(site) for p in site.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    assert all((site / f).read_bytes() == (tmp_path / f).read_bytes() for f in files)


def test_no_machine_path_in_any_file(site: Path, artifacts: Path) -> None:
    for path in site.rglob("*.*"):
        assert str(artifacts.parent).encode() not in path.read_bytes()


def test_weak_dead_and_surplus_filters_are_shown_and_labelled(site: Path) -> None:
    page = Page(site / "first.html")
    pictures = [i["alt"] for i in page.all("img") if i["alt"].startswith("Image that drives filter")]
    for layer, n in RENDERED.items():
        for k in range(n):
            status = STATES.get(k, ("ok", ""))[0]
            alt = f"Image that drives filter {k} of {layer}" + (f" ({status})" if status != "ok" else "")
            assert pictures.count(alt) in (1, 2)  # one may stand for its layer, too
    badges = [a["class"] for a in page.all("span") if (a.get("class") or "").startswith("badge ")]
    assert badges == ["badge weak", "badge dead", "badge weak", "badge dead", "badge dead"]
    text = " ".join(page.words)
    assert f"filter 1 dead {SILENT}" in text
    assert f"dead 13: {SILENT}" in text  # shown small, with its reason below
    assert "1 ok, 1 weak, 1 dead; median robust score 31.5, against nature 1.25×, selectivity rank 2 of 8." in text
    above = {layer: n - sum(STATES.get(k) == ("dead", SILENT) for k in range(n)) for layer, n in RENDERED.items()}
    for n in above.values():  # all that could be measured stand at 1.25
        assert f"In this layer {n} of {n} get there; the median is 1.25×." in text


def test_scores_of_a_card_and_a_dash_where_there_is_none(site: Path) -> None:
    page = Page(site / "first.html")
    text = " ".join(page.words)
    face = "robust score 31.5 against nature 1.25× selectivity rank 2 of 8 more numbers "
    assert f"{face}nature percentile 98% seed stability 0.75 spectrum distance 0.12 final score" in text
    assert "robust score – against nature – selectivity rank – more numbers nature percentile – seed" in text
    assert "gain 10 → 100 +2.5 gain 10 → 120 –" in text
    assert "nan" not in re.findall(r"\w+", page.text.lower())
    assert "nature percentile 98% seed stability – spectrum distance 0.12 score gain +3.5" in text  # the medians
    index = " ".join(Page(site / "index.html").words)  # of the site: tests/report/test_site.py
    assert index.count("17 12 2 3 31.5 1.25× 2 98% – 0.12 +3.5") == 2


def test_the_legend_opens_from_every_layer_and_stands_in_the_page(site: Path) -> None:
    page = Page(site / "first.html")
    asks = [b for b in page.all("button") if b["popovertarget"] == "legend"]
    assert len(asks) == len(RENDERED) + 1  # one closes it
    assert {"legend", "scores"} <= {attrs.get("id") for _, attrs in page.tags}
    assert page.text.count("Robust score divided by the filter's strongest") == 2
    assert [t for t in page.all("dt") if "strongest" in (t.get("title") or "")]
    assert "Robust score divided by" in Page(site / "index.html").text


def test_negatives_variants_and_other_objectives(site: Path) -> None:
    page = Page(site / "first.html")
    alts = [image["alt"] for image in page.all("img")]
    assert "Image that drives filter 2 of conv_a down" in alts
    assert "Other images that drive filter 2 of conv_a" in alts
    assert not [alt for alt in alts if EVIL_LAYER in alt and ("down" in alt or "Other" in alt)]
    assert alts.count(f"Image that drives {EVIL}") == 2
    text = " ".join(page.words)
    assert f"mixture {EVIL} 1 10 32 100 120 final score – seed stability 0.50 settings target {EVIL} size 24" in text
    assert text.index(f"mixture {EVIL}") < text.index("logit-6 logit(6)")  # as in params.yaml, not as in the folder
    assert "The same for all layers: objective pre_activation size 24 layer decay conv_a 0" in text


def test_what_page_says_about_layers(site: Path) -> None:
    text = " ".join(Page(site / "first.html").text.split())
    assert "2 of 8 filters have a twin" in text
    assert "50% of the 2-D kernels" in text
    assert "50% median, measured after relu; busiest 1 (50%)" in text
    assert "RGB reversed to BGR" in text
    assert f"photos: {EVIL}, b\"'<b>" in text


def test_a_few_numbers_of_every_model_for_dvc(site: Path) -> None:
    first, second = (json.loads((site / "metrics" / f"{key}.json").read_text()) for key in ("first", "second"))
    assert first == second
    assert first == {
        "accuracy": None,  # not analyzed
        "ok_share": 12 / 17,
        "dead_share": 3 / 17,
        "median_against_nature": 1.25,
    }
    text = " ".join(Page(site / "first.html").text.split())
    assert (
        "convolutional layers3 filters in them28 parameters1,234 never active on our images3 near duplicates6" in text
    )
    assert "filters rendered: 12 ok, 2 weak, 3 dead17" in text


def test_layers_with_counts_and_medians(site: Path) -> None:
    rows = list(csv.DictReader((site / "layers.csv").read_text().splitlines()))
    assert [(row["model"], row["layer"]) for row in rows] == [(m, x) for m in ("first", "second") for x in RENDERED]
    assert [rows[1][f"{state}_filters"] for state in ("rendered", "ok", "weak", "dead")] == ["14", "11", "1", "2"]
    assert (rows[0]["median_against_nature"], rows[0]["median_selectivity_rank"]) == ("1.25", "2")


def test_what_the_pictures_started_from(artifacts: Path, params: Params, site: Path) -> None:
    assert "Each picture below started as noise (" in Page(site / "first.html").text
    assert "started as noise (" in Page(site / "first" / "conv_a" / "index.html").text
    from_photo = params.model_copy(update={"maximize": params.maximize.model_copy(update={"start": "small/1"})})
    page, _ = report.model_page(report.environment(), artifacts, "first", from_photo)
    assert b"Each picture below started as the image small/1 (" in page


def test_layers_are_called_as_the_user_calls_them(artifacts: Path, params: Params, tmp_path: Path) -> None:
    tree, out = tmp_path / "artifacts", tmp_path / "out"
    shutil.copytree(artifacts, tree)
    out.mkdir()
    described = json.loads((tree / "models/first/model.json").read_text())
    named = next(conv for conv in described["conv_layers"] if conv["name"] == "conv_a")
    named["title"] = "erste Lage ü <i>"
    (tree / "models/first/model.json").write_text(json.dumps(described))
    report.render(tree, params, out)
    for page in ("first.html", "first/index.html", "first/conv_a/index.html", "first/conv_a/0.html"):
        text = Page(out / page).text
        assert "erste Lage ü <i>" in text, page
        as_in_params = "conv_a" in re.sub("it is conv_a|cnnviz.enlarge first conv_a", "", Page(out / page).text)
        assert as_in_params == ("conv_a" not in page), page  # the part of params.yaml stands on the model's pages


def test_curves_and_plots(site: Path) -> None:
    rows = list(csv.DictReader((site / "curves.csv").read_text().splitlines()))
    assert list(rows[0]) == ["model", "layer", "step", "score"]
    assert len(rows) == 2 * len(RENDERED) * STEPS[-1]
    plots = sorted(str(p.relative_to(site)) for p in (site / "plots").rglob("*.png"))
    assert plots == sorted(f"plots/{key}/{layer}.png" for key in ("first", "second") for layer in RENDERED)


def test_stages_that_have_not_run_leave_gaps_not_errors(artifacts: Path, params: Params, tmp_path: Path) -> None:
    for key in params.models:
        shutil.copytree(artifacts / "models" / key, tmp_path / "artifacts" / "models" / key)
    (tmp_path / "out").mkdir()
    report.render(tmp_path / "artifacts", params, tmp_path / "out")
    page = Page(tmp_path / "out" / "first.html")
    assert not page.all("img")
    assert "Fixed filters" not in page.text
    assert set(json.loads((tmp_path / "out" / "metrics" / "first.json").read_text()).values()) == {None}


def test_outputs_of_an_older_version_are_named(artifacts: Path, params: Params, tmp_path: Path) -> None:
    shutil.copytree(artifacts / "models", tmp_path / "models")
    (tmp_path / "maximize" / "first").mkdir(parents=True)
    with np.load(artifacts / "maximize" / "first" / "conv_a.npz") as arrays:
        kept = {name: arrays[name] for name in arrays.files if name != "robust_score"}
    np.savez(tmp_path / "maximize" / "first" / "conv_a.npz", **kept)
    with pytest.raises(InputError, match=r"conv_a\.npz: no robust_score"):
        report.model_page(report.environment(), tmp_path, "first", params)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("against_nature", 0.5, "0.50×"),
        ("against_nature", 1234.0, "1,234×"),
        ("selectivity_rank", 1.5, "1.5"),
        ("nature_percentile", 100.0, "100%"),
        ("robust_score", -2.0, "-2"),
        ("score_gain", 2.0, "+2"),
        ("spectrum_distance", None, "–"),
    ],
)
def test_scores_are_written_with_their_unit(name: str, value: float | None, shown: str) -> None:
    assert report.environment().filters["measure"](value, name) == shown


def test_a_page_too_large_gets_smaller_pictures(
    artifacts: Path, params: Params, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (site / "first.html").stat().st_size
    monkeypatch.setattr(report, "LIMIT", int(whole * 0.9))
    page, _ = report.model_page(report.environment(), artifacts, "first", params)
    assert len(page) <= whole * 0.9


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a\.png: not a readable image"):
        Inliner().file(tmp_path / "a.png", "alt", 100)
    assert Inliner().file(tmp_path / "missing.png", "alt", 100) is None


def test_importing_the_report_needs_no_network_library() -> None:
    code = "import sys, cnnviz.report; sys.exit(bool({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_curve_runs_from_bottom_left_to_top_right() -> None:
    chart = curves(np.float32([[0, 1, 2]]), ["a"], [3], np.float32([[4]]), width=156, height=132)
    assert chart is not None  # the plot spans x 46..146 and y 10..110, steps 0..3 and scores 0..4
    assert chart.lines[0].points == "46.0,110.0 79.3,85.0 112.7,60.0"
    assert chart.lines[0].marks == [(146.0, 10.0)]
    assert chart.y_ticks == [(110.0, "0"), (60.0, "2"), (10.0, "4")]
    assert curves(np.full((1, 3), np.nan, "f4"), ["a"], [3], np.full((1, 1), np.nan, "f4")) is None


def test_histogram_counts_into_equal_bins() -> None:
    assert histogram([0.0, 0.1, 0.3, 1.0], 0, 1, bins=4) == [1.0, 0.5, 0, 0.5]
    assert histogram([], 0, 0, bins=2) == [0, 0]


def test_profile_is_as_high_as_the_output_is_large() -> None:
    layers = [{"filters": 2, "output_shape": [16, 16, 2]}, {"filters": 8, "output_shape": [4, 4, 8]}]
    first, second = profile(layers, width=63, height=100)
    assert (first["x"], first["w"], first["h"]) == (0.0, 20.0, 100.0)
    assert (second["x"], second["w"], second["h"]) == (23.0, 40.0, 50.0)


@pytest.mark.pipeline
def test_dvc_shows_metrics_curves_and_images(site: Path, tmp_path: Path) -> None:
    """The sections of the real dvc.yaml, run by the real DVC on a report of other models than the default ones."""
    shutil.copytree(site, tmp_path / "artifacts" / "report")
    template = "cnnviz/report/templates/curves.vega.json"
    (tmp_path / template).parent.mkdir(parents=True)
    shutil.copy(ROOT / template, tmp_path / template)
    sections = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({k: sections[k] for k in ("metrics", "plots")}))

    def dvc(*words: str) -> str:
        command = [sys.executable, "-m", "dvc", *words]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    dvc("init", "--no-scm", "-q")
    shown = dvc("metrics", "show")
    assert "median_against_nature" in shown
    assert "metrics/first.json" in shown
    dvc("plots", "show", "-o", "shown")
    page = (tmp_path / "shown" / "index.html").read_text()
    assert '"conv_a"' in page
    assert "facet" in page
    assert len(list((tmp_path / "shown" / "static").glob("*.png"))) == 2 * len(RENDERED)


BROKEN = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_in_a_browser(site: Path, browser, name: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append("dialog"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / name).as_uri())
    settle(page, BROKEN)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
    page.close()


def test_the_legend_works_by_keyboard_on_a_phone(site: Path, browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto((site / "first.html").as_uri())
    legend, ask = page.locator("#legend"), page.locator(".layer button").first
    assert not legend.is_visible()
    ask.focus()
    page.keyboard.press("Enter")
    box = legend.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    assert not legend.is_visible()
    overflowing = "[...document.querySelectorAll('.card dl')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate(overflowing) == 0
    page.close()


@pytest.mark.parametrize("how", ["blob", "srcdoc"])
def test_in_a_sandboxed_frame(site: Path, browser, how: str) -> None:
    """As MLflow shows it: another origin, no storage. The layer list must move the frame, not leave it."""
    page = browser.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.set_content('<iframe sandbox="allow-scripts" width="1000" height="600"></iframe>')
    set_it = {
        "srcdoc": "html => { document.querySelector('iframe').srcdoc = html }",
        "blob": "html => { document.querySelector('iframe').src = "
        "URL.createObjectURL(new Blob([html], {type: 'text/html'})) }",
    }
    page.evaluate(set_it[how], (site / "first.html").read_text(encoding="utf-8"))
    frame = page.frame_locator("iframe")
    frame.locator('.layers a[href="#provenance"]').click()
    assert frame.locator("#provenance").bounding_box()["y"] < 600
    inside = page.frames[1]
    assert inside.evaluate(BROKEN) == 0
    assert not frame.locator(".home").is_visible()  # there is no index beside it
    assert said == []
    page.close()
