"""Memory of the stages after `maximize` where two or eight large layers were rendered: they hold one at a time."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from cnnviz import analysis, config, filters, images, report
from cnnviz.analysis import AnalyzeSection, Pixels, read_analysis
from cnnviz.comparison import pairs
from cnnviz.files import Stopwatch
from cnnviz.images import ImagesSection, load_sets
from cnnviz.maximization import Judged, files
from cnnviz.maximization.ascent.rendered import Rendered
from cnnviz.maximization.rendering import SCORES
from cnnviz.networks import ModelSection, read_description, store
from cnnviz.networks.scaling import scaling
from cnnviz.report import facts
from cnnviz.report.pictures import Inliner
from cnnviz.report.site import sheets
from cnnviz.report.site.layers import read_model
from cnnviz.report.site.pictures import Files
from cnnviz.tracking.content import of_model, of_stage
from tests import plain_yaml

pytestmark = [pytest.mark.pipeline, pytest.mark.long]
LAYERS, FILTERS, SIDE, STEPS, FEW, CHUNK = 8, 160, 96, (1, 10, 20), 2, 16
ALLOWED = 9_000_000  # bytes more for 960 filters more, whose pictures are 27 MB, with snapshots 59 MB
SETS = ["noise"]


def _project(folder: Path) -> None:
    """A network of eight layers, with everything but rendered filters; the working folder."""
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((16, 16, 3))])
    for i in range(LAYERS):
        network.add(keras.layers.Conv2D(FILTERS, 1, activation="relu", name=f"conv{i}"))
    stored = folder / "artifacts/models/net"
    stored.mkdir(parents=True)
    store.save("net", store.Loaded(network, "t", "file", "o", "l", "t", (16, 16, 3), scaling("unit", 3)), stored)
    (folder / "inputs/images/noise").mkdir(parents=True)
    (folder / "inputs/models").mkdir(parents=True)
    network.save(folder / "inputs/models/net.keras")
    for i in range(4):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"inputs/images/noise/{i}.png")
    params = {
        **{key: {} for key in ("weights", "feature_maps", "maximize", "analyze", "enlarge", "judge", "compare")},
        "random_seed": 0,
        "images": {"sets": {"noise": {"folder": "inputs/images/noise"}}},
        "models": {"net": {"file": "inputs/models/net.keras", "input_size": 16, "preprocessing": "unit"}},
        "fixed_filters": {"set": "noise", "images": 1, "kernels": {"edge": [[-1, 0, 1]] * 3}},
    }
    (folder / "params.yaml").write_text(plain_yaml.dump(params))


def _render(folder: Path, layers: int) -> None:
    """Files of the stage `maximize` by its own writer, of pictures that are soft noise."""
    rng, numbers = np.random.default_rng(1), {}
    target = folder / "artifacts/maximize/net"
    target.mkdir(parents=True)
    for layer in (f"conv{i}" for i in range(layers)):
        writer = files.LayerWriter(target, layer, list(range(FILTERS)))
        for start in range(0, FILTERS, CHUNK):
            coarse = rng.integers(0, 256, (CHUNK, len(STEPS), 4, 4, 3), np.uint8)
            drawn = coarse.repeat(SIDE // 4, 2).repeat(SIDE // 4, 3)
            drawn[..., 0, 0, :] = start  # no two chunks alike
            curve = rng.random((CHUNK, STEPS[-1]), np.float32)
            made = Rendered(
                drawn[:, -1], curve, np.array(STEPS, np.int32), drawn, curve[:, : len(STEPS)], curve[:, 0], curve[:, 0],
                np.zeros((CHUNK, len(STEPS), FILTERS), np.float32),
            )  # fmt: skip
            measures = dict.fromkeys(SCORES, curve[:, 0]) | {"selectivity_rank": np.ones(CHUNK, np.int32)}
            writer.add(Judged(made, np.array(["ok"] * CHUNK), np.array([""] * CHUNK), measures))
        numbers[layer] = writer.finish()
    files.write_numbers(target, numbers, {}, {layer: {"steps": STEPS[-1]} for layer in numbers})


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Path]]:
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        for count in (FEW, LAYERS):
            folder = made[count] = tmp_path_factory.mktemp(f"rendered{count}")
            _project(folder)
            patch.chdir(folder)
            images.run(
                ImagesSection.model_validate({"sets": {"noise": {"folder": "inputs/images/noise"}}}), Path("artifacts")
            )
            filters.extract("net", config.load().weights, Path("artifacts"))
            _render(folder, count)
            layers = {f"conv{i}": "all" for i in range(count)}
            model = ModelSection(file="inputs/models/net.keras", layers=layers)
            section = AnalyzeSection(silenced_images=0, masked_filters=0)
            analysis.run("net", model, section, SETS, Path("artifacts"), Stopwatch())
        yield made


def _page(artifacts: Path) -> None:
    facts.model(artifacts, "net", config.load(), Inliner())


def _sheets(artifacts: Path) -> None:
    known = facts.model(artifacts, "net", config.load(), Inliner(0.25))
    out = Files(artifacts / f"sheets{len(list(artifacts.iterdir()))}")
    sheets.prepare([read_model(artifacts, "net", SETS, known)], out, lambda: None)
    out.finish()


def _compare(artifacts: Path) -> None:
    described = read_description(artifacts / "models/net")
    pixels = Pixels(load_sets(artifacts, SETS), described["input_shape"])
    rows = pairs.depth_rows(pairs.Side(read_analysis(artifacts / "analysis/net"), described, pixels, artifacts))
    assert sum(row["maximized_frequency"] is not None for row in rows) in (FEW, LAYERS)


def _track(_: Path) -> None:
    of_stage("maximize", "net")
    of_model("net")


def _report(artifacts: Path) -> None:
    report.render(artifacts, config.load(), artifacts / "report")


@pytest.mark.parametrize(
    "work",
    [_page, _sheets, _compare, _track, pytest.param(_report, marks=pytest.mark.long)],
    ids=lambda f: f.__name__[1:],
)
def test_four_times_as_many_rendered_filters_take_no_more_memory(
    projects: dict[int, Path], work: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnnviz.report.site.pictures.HELD", 1_000_000)  # else pictures wait for their turn
    peaks = []
    for folder in projects.values():
        monkeypatch.chdir(folder)
        analysis.rendered_images.cache_clear()  # of another test
        gc.collect()
        tracemalloc.start()
        work(Path("artifacts"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < ALLOWED, peaks
