"""analyze and compare on tiny networks: one pass, the files of the contract, and what must come out of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import keras
import numpy as np
import pytest
from PIL import Image

from cnnviz.analysis import files as files_of
from cnnviz.analysis import layers as analysis
from cnnviz.analysis import measures, observe, plots, watching
from cnnviz.comparison import files as compare_files
from cnnviz.comparison import pairs
from cnnviz.comparison import plots as compare_plots
from cnnviz.files import write_csv, write_json
from cnnviz.images.sets import ImageSet
from cnnviz.networks import receptive_field
from cnnviz.tracking.content import inputs as run_inputs
from cnnviz.tracking.content import stages as run_content

pytestmark = pytest.mark.pipeline  # traces and renders: longer than the unit tests may take

SIZE = (24, 24)
RENDERED = [0, 2]


def image_set(rng: np.random.Generator, count: int, labels: list[int]) -> ImageSet:
    pixels = rng.integers(0, 256, (count, 6, 6, 3)).astype(np.uint8).repeat(4, 1).repeat(4, 2)
    names = np.array([str(i) for i in range(count)])
    return ImageSet(pixels, np.full((count, 2), 24, np.int32), np.array(labels, np.int32), names, np.array([]))


@pytest.fixture(scope="module")
def sets() -> dict[str, ImageSet]:
    rng = np.random.default_rng(1)
    return {"labelled": image_set(rng, 9, [0, 1, 0, 1, 0, 1, 0, 1, -1]), "plain": image_set(rng, 4, [-1] * 4)}


def width(picture: Path) -> int:
    with Image.open(picture) as image:
        return image.width


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as stored:
        return dict(stored)


def analyse(
    key: str, network: Any, raw: dict[str, Any], sets: dict[str, ImageSet], artifacts: Path
) -> dict[str, analysis.LayerAnalysis]:
    described = {"input_shape": [*SIZE, 3], "preprocessing": {**raw, "scale": [1 / 255] * 3}}
    observer = observe.Observer(network, described)
    counted: list[int] = []
    layers, outputs = watching.watch(observer, sets, (*SIZE, 3), watching.Amounts(3, 4, 6), counted.append)
    assert sum(counted) == 13
    assert not outputs  # no classifier
    columns = {name: analysis.per_filter(layer, np.eye(layer.channels)) for name, layer in layers.items()}
    folder = artifacts / "analysis" / key
    examples = watching.located(observer, layers, dict.fromkeys(layers, RENDERED))
    patches = files_of.write_examples(folder, examples, files_of.Pixels(sets, (*SIZE, 3)))
    files_of.write_arrays(folder, layers, columns)
    write_csv(folder / "filters.csv", files_of.filter_rows(columns))
    fields = {name: receptive_field.field(conv.output).size for name, conv in observer.convs.items()}
    entries = {
        name: {"receptive_field": fields[name]} | analysis.per_layer(layer, columns[name]) | patches[name]
        for name, layer in layers.items()
    }
    (folder / "statistics.json").write_text(json.dumps(entries, allow_nan=False))
    (folder / "metrics.json").write_text(json.dumps(analysis.headline(entries, columns), allow_nan=False))
    for name, png in plots.draw(key, layers, columns) if key == "one" else ():
        (folder / name).write_bytes(png)
    convs = []
    for name, conv in observer.convs.items():
        kernel = conv.layer.kernel.numpy() if hasattr(conv.layer, "kernel") else conv.layer.pointwise_kernel.numpy()
        depthwise = isinstance(conv.layer, keras.layers.DepthwiseConv2D)
        convs.append({"name": name, "kernel_shape": list(kernel.shape), "depthwise": depthwise})
        (artifacts / "weights" / key).mkdir(parents=True, exist_ok=True)
        np.savez(artifacts / "weights" / key / f"{name}.npz", kernel=kernel)
    (artifacts / "models" / key).mkdir(parents=True)
    (artifacts / "models" / key / "model.json").write_text(json.dumps({"conv_layers": convs}))
    (artifacts / "maximize" / key).mkdir(parents=True)
    pictures = np.random.default_rng(2).integers(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    np.savez(artifacts / "maximize" / key / "first.npz", filters=np.array(RENDERED), images=pictures)
    return layers


def side(key: str, sets: dict[str, ImageSet], artifacts: Path) -> pairs.Side:
    described = json.loads((artifacts / "models" / key / "model.json").read_text())
    return pairs.Side(
        files_of.read_analysis(artifacts / "analysis" / key), described, files_of.Pixels(sets, (*SIZE, 3)), artifacts
    )


@pytest.fixture(scope="module")
def artifacts(
    tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Any], sets: dict[str, ImageSet]
) -> dict[str, Any]:
    """A network, the same with one filter of the first layer turned round, and another architecture."""
    raw = {"name": "raw", "scale": [1.0] * 3, "offset": [0.0] * 3, "reverse_channels": False}
    folder = tmp_path_factory.mktemp("artifacts")
    changed = tiny()
    kernel, bias = changed.get_layer("first").get_weights()
    kernel[..., 2] *= -3
    changed.get_layer("first").set_weights([kernel, bias])
    keras.utils.set_random_seed(7)
    inputs = keras.Input((24, 24, 3))
    other = keras.Model(inputs, keras.layers.Conv2D(5, 5, activation="relu", name="only")(inputs))
    networks = {"one": tiny(), "changed": changed, "other": other}
    layers = {key: analyse(key, network, raw, sets, folder) for key, network in networks.items()}
    return {"folder": folder, "layers": layers}


def test_the_best_example_shows_what_the_filter_saw(artifacts: dict[str, Any], sets: dict[str, ImageSet]) -> None:
    found = read(artifacts["folder"] / "analysis/one/examples/first.npz")
    assert found["top_patches"].shape == (2, 3, 48, 48, 3)
    assert found["sets"].tolist() == ["labelled", "plain"]
    for k in range(6):
        which = str(found["sets"][found["top_set"][k, 0]])
        image = sets[which].image(int(found["top_image"][k, 0])).astype(float)
        top, left, bottom, right = found["top_box"][k, 0].tolist()
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))[top + 1 : bottom + 1, left + 1 : right + 1] / 255
        kernel = read(artifacts["folder"] / "weights/one/first.npz")["kernel"][..., k]
        assert (padded * kernel).sum() == pytest.approx(found["top_activation"][k, 0], abs=1e-4)  # the bias is 0
    assert (np.diff(found["top_activation"], axis=1) <= 0).all()
    assert (np.diff(found["bottom_activation"], axis=1) >= 0).all()


def test_numbers_and_files(artifacts: dict[str, Any]) -> None:
    folder = artifacts["folder"] / "analysis" / "one"
    entries = json.loads((folder / "statistics.json").read_text())
    assert list(entries) == ["first", "expand", "depthwise", "separable", "dilated"]
    assert entries["first"]["sets"]["labelled"]["class_selectivity"] is not None
    assert entries["first"]["sets"]["plain"]["class_selectivity"] is None
    assert set(entries["first"]["pairs"]) == {"labelled/plain"}
    with np.load(folder / "labelled/grams.npz") as grams, np.load(folder / "plain/grams.npz") as plain:
        assert grams["first"].shape == (1, 4, 4)  # of 6 kept images in batches of 4
        assert plain["first"].shape == (1, 4, 4)
    with np.load(folder / "labelled/statistics.npz") as stored:
        assert stored["first/histogram"].sum(1).tolist() == [9 * 24 * 24] * 6
        assert stored["histogram_edges"].shape == (stored["first/histogram"].shape[1] + 1,)
        middle = len(measures.histogram_edges()) // 2
        above = stored["first/histogram"][:, middle:].sum(1) / (9 * 24 * 24)
        np.testing.assert_allclose(above, stored["first/firing_rate"], atol=1e-3)
    assert len((folder / "filters.csv").read_text().splitlines()) == 1 + 6 + 8 + 16 + 10 + 12
    for name in ("histograms.png", "statistics.png", "sets_labelled_plain.png", "examples/every_filter/dilated.png"):
        assert width(folder / name) > 200


def test_only_the_changed_filter_drifts(artifacts: dict[str, Any], sets: dict[str, ImageSet]) -> None:
    one, changed = (side(key, sets, artifacts["folder"]) for key in ("one", "changed"))
    assert pairs.same_architecture(one, changed)
    assert not pairs.same_architecture(one, side("other", sets, artifacts["folder"]))
    found = pairs.drift(one, changed)
    first = found["layer"] == "first"
    np.testing.assert_allclose(found["distance"], np.where(first & (found["filter"] == 2), 4, 0), atol=1e-6)
    alive = first & np.isfinite(found["correlation"]) & (found["filter"] != 2)
    assert alive.sum() >= 3
    np.testing.assert_allclose(found["correlation"][alive], 1, atol=1e-6)
    assert found["correlation"][first][2] < 0.5
    most, least = pairs.most_and_least(found, one, changed, 6)
    assert [int(found["filter"][i]) for i in (*most, *least)] == [2, 0]  # of the rendered ones


def test_a_pair_of_models(artifacts: dict[str, Any], sets: dict[str, ImageSet], tmp_path: Path) -> None:
    one, changed, other = (side(key, sets, artifacts["folder"]) for key in ("one", "changed", "other"))
    assert compare_files.write_pair(tmp_path, one, one, 3, 2) == {}
    with np.load(tmp_path / "cka/one--one.npz") as stored:
        np.testing.assert_allclose(stored["cka"].diagonal(), 1)
        np.testing.assert_allclose(stored["cka"], stored["cka"].T, atol=1e-12)
    numbers = compare_files.write_pair(tmp_path, one, changed, 3, 2)
    assert numbers["median_kernel_distance"] == 0
    assert len((tmp_path / "matches/one--changed.csv").read_text().splitlines()) == 1 + numbers["matched_filters"]
    assert 20 < numbers["matched_filters"] <= 6 + 8 + 16 + 10 + 12
    assert "median_kernel_distance" not in compare_files.write_pair(tmp_path, one, other, 3, 2)
    table = (tmp_path / "matches/one--other.csv").read_text().splitlines()
    assert table[0] == "other layer,other filter,one layer,one filter,correlation"  # from the model of fewer layers
    assert 1 < len(table) <= 1 + 5
    for name in ("drift/one--changed.png", "drift/one--changed_filters.png", "matches/one--changed_rendered.png"):
        assert width(tmp_path / name) > 200


def test_matches_of_a_model_with_itself_are_the_filters_themselves(
    artifacts: dict[str, Any], sets: dict[str, ImageSet]
) -> None:
    one = side("one", sets, artifacts["folder"])
    alive = {
        (layer, k)
        for layer, entry in artifacts["layers"]["one"].items()
        for k in range(entry.channels)
        if all(part.moments.positive[k] > 0 for part in entry.sets.values())
    }
    found = pairs.matches(one.analysis, one.analysis, np.eye(5))
    assert all(m.filter == m.other_filter for m in found if (m.layer, m.filter) in alive)
    assert len(alive) > 20


def test_depth_has_a_row_per_layer(artifacts: dict[str, Any], sets: dict[str, ImageSet]) -> None:
    rows = [row for key in ("one", "other") for row in pairs.depth_rows(side(key, sets, artifacts["folder"]))]
    assert [row["depth"] for row in rows] == [0, 0.25, 0.5, 0.75, 1, 0]
    assert [row["receptive_field"] for row in rows] == [3, 8, 12, 20, 36, 5]
    assert rows[0]["maximized_frequency"] > 0.3  # white noise was "rendered"
    assert rows[1]["maximized_frequency"] is None
    assert rows[0]["patch_frequency"] is None  # 3 px
    drawn = compare_plots.depth(rows)
    assert drawn == compare_plots.depth(rows)  # the same bytes
    assert drawn[".png"].startswith(b"\x89PNG")
    assert ElementTree.fromstring(drawn[".svg"]).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314


def test_mlflow_gets_numbers_pictures_and_arrays(artifacts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (run_content, run_inputs):
        monkeypatch.setattr(module, "ARTIFACTS", artifacts["folder"])
    known = dict.fromkeys(
        ("digest", "fingerprint", "origin", "title", "license", "trained_on", "input_shape", "parameters"), "t"
    )
    write_json(artifacts["folder"] / "models" / "one" / "model.json", known)
    content = run_content.of_stage("analyze", "one")
    assert [one.name for one in content.inputs] == ["one"]
    assert content.metrics["median_firing_rate"] > 0
    files = {(path.name, place) for path, place in content.files}
    assert {("first.png", "examples"), ("statistics.png", ""), ("filters.csv", "")} <= files
    assert ("first.npz", "examples") in files
    assert not any(path.name == "features.npz" for path, _ in content.files)  # large, and only compare reads it


def test_the_same_bytes_again(artifacts: dict[str, Any], tmp_path: Path) -> None:
    layers = artifacts["layers"]["one"]
    columns = {name: analysis.per_filter(layer, np.eye(layer.channels)) for name, layer in layers.items()}
    files_of.write_arrays(tmp_path, layers, columns)
    name, png = next(plots.draw("one", layers, columns))
    before = artifacts["folder"] / "analysis" / "one"
    assert png == (before / name).read_bytes()
    for name in ("labelled/statistics.npz", "labelled/grams.npz", "redundancy.npz"):
        assert (tmp_path / name).read_bytes() == (before / name).read_bytes()
