"""Predictions of a tiny classifier as files: the contract of docs/artifacts.md."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnviz.analysis import files, observe, watching
from cnnviz.analysis.predictions import explaining
from cnnviz.analysis.section import AnalyzeSection
from cnnviz.errors import InputError
from cnnviz.images.sets import ImageSet
from cnnviz.networks import ModelSection

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
    network: Any, raw: dict[str, Any], sets: dict[str, ImageSet], artifacts: Path, most: int = 12, **options: Any
) -> tuple[dict[str, Any], Path]:
    described = {"name": "net", "input_shape": [24, 24, 3], "class_names": NAMES}
    described["preprocessing"] = {**raw, "scale": [1 / 255] * 3}
    observer = observe.Observer(network, described)
    layers, outputs = watching.watch(observer, sets, SIZE, watching.Amounts(3, 4, 6), lambda n: None)
    folder, pixels = artifacts / "analysis" / "net", files.Pixels(sets, SIZE)
    files.write_examples(folder, watching.located(observer, layers, {name: [0] for name in layers}), pixels)
    model, amounts = ModelSection(known="vgg16", **options), AnalyzeSection(mistakes=most, doubtful=1)
    numbers = explaining.explain(observer, described, outputs, model, amounts, pixels, artifacts)
    return numbers, folder


def test_files_say_what_keras_says(
    tiny: Callable[..., Any], raw: dict[str, Any], sets: dict[str, ImageSet], tmp_path: Path
) -> None:
    network = tiny(24, head=True)
    (tmp_path / "maximize" / "net").mkdir(parents=True)
    rendered = np.zeros((12, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "maximize" / "net" / "dilated.npz", filters=np.arange(12), images=rendered)
    fit = {"numbers": {9: "cat"}}
    numbers, folder = run(network, raw, sets, tmp_path, most=2, labels=fit)
    wanted = {name: network(one.images / np.float32(255)).numpy() for name, one in sets.items()}
    with np.load(folder / "predictions.npz", allow_pickle=False) as stored:
        for name, probabilities in wanted.items():
            np.testing.assert_allclose(stored[f"{name}/probabilities"], probabilities, rtol=1e-4)
        assert stored["numbers/true"].tolist() == [-1, 0, -1]
    right = (wanted["named"].argmax(1) == [0, 1, 2, 3, 0, 1, 2]).sum() + (wanted["numbers"][1].argmax() == 0)
    assert numbers == {"labelled_images": 8, "accuracy": round(float(right) / 8, 6)}
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
    assert numbers == {"labelled_images": 0, "accuracy": None}
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
