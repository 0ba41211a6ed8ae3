"""Predictions of a tiny classifier as files: the contract of docs/artifacts.md."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from cnnviz.analysis import files, observe, watching
from cnnviz.analysis.predictions import explaining
from cnnviz.analysis.section import AnalyzeSection
from cnnviz.errors import InputError
from cnnviz.images.sets import ImageSet
from cnnviz.networks import ModelSection

pytestmark = pytest.mark.pipeline  # networks of many kinds: a minute, too much for the unit tests

SIZE = (24, 24)
NAMES = ["cat", "<b>dog</b>", "$x^2$", "ship\n"]  # a name is text, never markup


@pytest.fixture(scope="module")
def sets() -> dict[str, ImageSet]:
    rng = np.random.default_rng(2)
    made = {}
    for name, labels, class_names in (("named", [0, 1, 2, 3, 0, 1, 2], NAMES), ("numbers", [5, 9, -1], [])):
        n = len(labels)
        pixels = rng.integers(0, 256, (n, 6, 6, 3)).astype(np.uint8).repeat(4, 1).repeat(4, 2)
        names = np.array([f"{name}{i}" for i in range(n)])
        sizes = np.full((n, 2), 24, np.int32)
        made[name] = ImageSet(pixels, sizes, np.array(labels, np.int32), names, np.array(class_names))
    return made


def run(
    network: Any,
    raw: dict[str, Any],
    sets: dict[str, ImageSet],
    artifacts: Path,
    names: Sequence[str] = NAMES,
    mistakes: int = 12,
    doubtful: int = 1,
    **options: Any,
) -> tuple[dict[str, Any], Path]:
    described = {"name": "net", "input_shape": [24, 24, 3], "class_names": names}
    described["preprocessing"] = {**raw, "scale": [1 / 255] * 3}
    observer = observe.Observer(network, described)
    layers, outputs = watching.watch(observer, sets, (*SIZE, 3), watching.Amounts(3, 4, 6), lambda n: None)
    folder, pixels = artifacts / "analysis" / "net", files.Pixels(sets, (*SIZE, 3))
    files.write_examples(folder, watching.located(observer, layers, {name: [0] for name in layers}), pixels)
    model, amounts = ModelSection(known="vgg16", **options), AnalyzeSection(mistakes=mistakes, doubtful=doubtful)
    found = explaining.against_labels(outputs, observer.head, pixels, model.labels, "net")
    numbers = explaining.explain(observer, described, found, model, amounts, pixels, artifacts, layers)
    return numbers, folder


def test_files_say_what_keras_says(
    tiny: Callable[..., Any], raw: dict[str, Any], sets: dict[str, ImageSet], tmp_path: Path
) -> None:
    network = tiny(24, head=True)
    (tmp_path / "maximize" / "net").mkdir(parents=True)
    rendered = np.zeros((12, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "maximize" / "net" / "dilated.npz", filters=np.arange(12), images=rendered)
    fit = {"numbers": {9: "cat"}}
    numbers, folder = run(network, raw, sets, tmp_path, mistakes=2, labels=fit)
    wanted = {name: network(one.images / np.float32(255)).numpy() for name, one in sets.items()}
    with np.load(folder / "predictions.npz", allow_pickle=False) as stored:
        for name, probabilities in wanted.items():
            np.testing.assert_allclose(stored[f"{name}/probabilities"], probabilities, rtol=1e-4)
        assert stored["numbers/true"].tolist() == [-1, 0, -1]
    right = (wanted["named"].argmax(1) == [0, 1, 2, 3, 0, 1, 2]).sum() + (wanted["numbers"][1].argmax() == 0)
    assert numbers.items() >= {"labelled_images": 8, "accuracy": round(float(right) / 8, 6)}.items()
    with (folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    states = [row["right"] for row in rows]
    assert states == sorted(states, key=["False", "True", ""].index)
    about = json.loads((folder / "predictions.json").read_text())
    mistakes = [entry for entry in about["explained"] if entry["right"] is False]
    assert len(mistakes) == 2
    assert about["layer"] == "dilated"
    for entry in about["explained"]:
        assert entry["contrast"]["kind"] == ("true" if entry["right"] is False else "runner-up")
        assert [f["contribution"] for f in entry["filters"]] == sorted(
            (f["contribution"] for f in entry["filters"]), reverse=True
        )
        for f in entry["filters"]:  # a dense layer follows: what is predicted is what is lost
            assert f["drop"] == pytest.approx(f["contribution"], rel=1e-3, abs=1e-5)
        silenced = entry["silenced"]
        assert silenced["predicted"] == pytest.approx(
            sum(f["contribution"] for f in entry["filters"]), rel=1e-4, abs=1e-5
        )
        assert silenced["measured"] == pytest.approx(silenced["predicted"], rel=1e-3, abs=1e-5)
        assert silenced["then"] in NAMES
        with np.load(folder / f"{entry['files']}.npz", allow_pickle=False) as stored:
            assert stored["gradcam"].shape == (2, 4, 4)
            assert stored["gradcam_over_image"].shape == (2, *SIZE)
            assert stored["drops"].shape == (2, 49)
            assert stored["contributions"].shape == (12,)
        with Image.open(folder / f"{entry['files']}.png") as picture:
            assert picture.height > 700  # three rows: image, maximized images, patches
    with Image.open(folder / "predictions.png") as picture:
        assert picture.width > 8 * 96


def test_no_classifier_has_no_predictions(
    tiny: Callable[..., Any], raw: dict[str, Any], sets: dict[str, ImageSet], tmp_path: Path
) -> None:
    numbers, folder = run(tiny(), raw, sets, tmp_path)
    assert numbers.items() >= {"labelled_images": 0, "accuracy": None}.items()
    assert not list(folder.glob("predictions*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"explained_layer": "dilatd"}, r"models\.net\.explained_layer: no layer 'dilatd'; nearest: dilated"),
        ({"explain": {"named": [7]}}, r"models\.net\.explain\.named: image 7 is out of range; .* 0\.\.6"),
        ({"labels": {"numbers": {5: "cow"}}}, r"models\.net\.labels\.numbers\.5: no class 'cow'"),
    ],
)
def test_mistakes_in_params(
    options: dict[str, Any],
    message: str,
    tiny: Callable[..., Any],
    raw: dict[str, Any],
    sets: dict[str, ImageSet],
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match=message):
        run(tiny(24, head=True), raw, sets, tmp_path, **options)


def small(*last: Any) -> Any:
    keras.utils.set_random_seed(8)
    inputs = keras.Input((24, 24, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(5, 5, activation="relu", name="only")(inputs))
    for layer in last:
        x = layer(x)
    return keras.Model(inputs, x)


def test_one_sigmoid_is_two_classes_with_mistakes(
    raw: dict[str, Any], sets: dict[str, ImageSet], tmp_path: Path
) -> None:
    network = small(keras.layers.Dense(1, activation="sigmoid"))
    names = ["cat", "ship\n"]
    numbers, folder = run(network, raw, sets, tmp_path, names, mistakes=2)
    yes = network(sets["named"].images / np.float32(255)).numpy()[:, 0] > 0.5
    right = [bool(yes[i]) == wanted for i, wanted in ((0, False), (3, True), (4, False))]  # two cats, a ship
    assert numbers.items() >= {"labelled_images": 3, "accuracy": round(sum(right) / 3, 6)}.items()
    about = json.loads((folder / "predictions.json").read_text())
    assert (about["kind"], about["class_names"]) == ("binary", names)
    with np.load(folder / "predictions.npz", allow_pickle=False) as stored:
        np.testing.assert_allclose(stored["named/probabilities"].sum(1), 1, rtol=1e-6)
        np.testing.assert_array_equal(stored["named/probabilities"][:, 1] > 0.5, yes)


@pytest.mark.parametrize("count", [1, 3])
def test_values_are_written_as_they_are_and_explained_by_themselves(
    count: int, raw: dict[str, Any], sets: dict[str, ImageSet], tmp_path: Path
) -> None:
    network = small(keras.layers.Dense(count, name="angle"))
    asked = {"numbers": [1]}
    numbers, folder = run(network, raw, sets, tmp_path, [], doubtful=1, explain=asked)
    assert numbers.items() >= {"labelled_images": 0, "accuracy": None}.items()
    wanted = {name: network(one.images / np.float32(255)).numpy() for name, one in sets.items()}
    with np.load(folder / "predictions.npz", allow_pickle=False) as stored:
        assert set(stored.files) == {"class_names", "named/values", "numbers/values"}
        np.testing.assert_allclose(stored["named/values"], wanted["named"], rtol=1e-4, atol=1e-6)
    with (folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    departures = [float(row["departure"]) for row in rows]
    assert departures == sorted(departures, reverse=True)
    assert ("angle[2]" in rows[0]) == (count == 3)
    every = np.concatenate(list(wanted.values()))
    if count == 1:
        assert float(rows[0]["value"]) == pytest.approx(every.max(), rel=1e-4)
    about = json.loads((folder / "predictions.json").read_text())
    assert about["kind"] == "regression"
    assert ("numbers", 1) in {(one["set"], one["image"]) for one in about["explained"]}
    for one in about["explained"]:
        assert one["contrast"] is None
        assert one["nearest"] is None
        assert one["silenced"]["then"] is None
        assert one["contributions"]["difference"] == pytest.approx(one["value"], rel=1e-4)
        assert one["contributions"]["sum"] == pytest.approx(
            one["value"], rel=1e-4, abs=1e-6
        )  # no bias behind the layer
        with np.load(folder / f"{one['files']}.npz", allow_pickle=False) as stored:
            assert stored["classes"].tolist() == [one["predicted"]]
            np.testing.assert_array_equal(stored["drops"][1], -stored["drops"][0])


def test_labels_stand_by_themselves(raw: dict[str, Any], sets: dict[str, ImageSet], tmp_path: Path) -> None:
    network = small(keras.layers.Dense(4, activation="sigmoid"))
    _, folder = run(network, raw, sets, tmp_path, NAMES, mistakes=1, doubtful=1)
    with np.load(folder / "predictions.npz", allow_pickle=False) as stored:
        wanted = network(sets["named"].images / np.float32(255))
        np.testing.assert_allclose(stored["named/probabilities"], wanted, rtol=1e-4)
    for one in json.loads((folder / "predictions.json").read_text())["explained"]:
        assert (one["contrast"] is None) == (one["right"] is not False)


def test_answers_that_are_no_numbers_are_said(raw: dict[str, Any], sets: dict[str, ImageSet], tmp_path: Path) -> None:
    network = small(keras.layers.Dense(2, activation="softmax", name="end"))
    network.get_layer("end").set_weights([w * np.nan for w in network.get_layer("end").get_weights()])
    numbers, folder = run(network, raw, sets, tmp_path, [], explain={"named": [0]})
    assert numbers.items() >= {"labelled_images": 0, "accuracy": None}.items()
    with (folder / "predictions.csv").open() as file:
        assert {row["predicted_class"] for row in csv.DictReader(file)} == {"not a number"}
    assert json.loads((folder / "predictions.json").read_text())["explained"] == []
