"""Images altered until they are named wrong: transforms, flip points and changes of filters, worked out by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from cnnviz.analysis import files, observe, watching
from cnnviz.analysis.altered import changes, search, transforms
from cnnviz.analysis.predictions import explaining
from cnnviz.analysis.predictions.outputs import Predictions
from cnnviz.analysis.section import ALTERED, AlteredSection, AnalyzeSection
from cnnviz.images.sets import ImageSet
from cnnviz.networks import ModelSection

ROW = np.array([[10, 20, 30, 40]], np.uint8)[..., None]  # one row, one channel


def test_what_params_names_is_what_there_is() -> None:
    assert list(transforms.TRANSFORMS) == list(ALTERED)
    for name, strengths in ALTERED.items():
        assert transforms.said(name, strengths[0], (32, 32))


@pytest.mark.parametrize(
    ("name", "strength", "expected"),
    [
        ("shift", 0.5, [10, 10, 10, 20]),
        ("shift", 0.01, [10, 10, 20, 30]),  # one pixel at least
        ("darken", 0.5, [5, 10, 15, 20]),
        ("darken", 1, [0, 0, 0, 0]),
        ("contrast", 0.5, [18, 22, 28, 32]),  # 17.5 and 27.5 are rounded to even
        ("occlude", 0.5, [10, 25, 25, 40]),
    ],
)
def test_transforms_by_hand(name: str, strength: float, expected: list[int]) -> None:
    before = ROW.copy()
    made = transforms.TRANSFORMS[name](ROW, strength)
    assert (made.dtype, made.shape) == (np.uint8, ROW.shape)
    assert made[0, :, 0].tolist() == expected
    np.testing.assert_array_equal(ROW, before)


def test_noise_has_its_deviation_and_is_the_same_again() -> None:
    grey = np.full((60, 60, 3), 128, np.uint8)
    made = transforms.noise(grey, 0.1)
    assert made.astype(float).std() == pytest.approx(25.5, rel=0.03)
    assert made.mean() == pytest.approx(128, abs=0.8)
    np.testing.assert_array_equal(made, transforms.noise(grey, 0.1))


def test_blur_spreads_a_point_as_a_gaussian() -> None:
    point = np.zeros((21, 31, 1), np.uint8)
    point[10, 15] = 255
    sigma = 0.1 * 21
    weights = np.exp(-(np.arange(-10, 11) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    made = transforms.blur(point, 0.1)[:, 15, 0]
    np.testing.assert_allclose(made, 255 * weights * weights[10], atol=0.6)


def predicted(logits: list[list[float]], true: list[int]) -> Predictions:
    scores = np.array(logits, np.float32)
    odds = np.exp(scores)
    return Predictions(scores, odds / odds.sum(1, keepdims=True), np.array(true, np.int32), np.ones((len(true), 1)))


# Brightness 200, 120 and 90 of 255; class 1, bright, from 100 on. The last is no mistake: its label is class 0.
FOUND = {"a": predicted([[0, 2], [0, 1], [3, 0], [0, 9]], [1, 1, 0, -1])}
BRIGHTNESS = [200, 120, 90, 0]


def darkened(place: tuple[str, int], name: str, strength: float) -> np.ndarray:
    factor = {"darken": 1 - strength, "brighten": 1 + strength}[name]
    return np.full((1, 1, 1), BRIGHTNESS[place[1]] * factor, np.float32)


def bright(images: np.ndarray) -> np.ndarray:
    values = images[:, 0, 0, 0]
    return np.stack([np.full(len(values), 100.0), np.where(values < 21, np.nan, values)], axis=1)


def test_each_image_flips_at_the_first_strength_that_crosses_the_line() -> None:
    asked = {"darken": [0.1, 0.2, 0.49, 0.51, 0.9], "brighten": [0.05, 0.2]}
    places = search.candidates(FOUND, 5)
    assert places == [("a", 0), ("a", 1), ("a", 2)]  # the right ones
    made = search.flips(places, FOUND, asked, darkened, bright)
    # 120: below 100 at 20%; 200: at 51%; 90 stays dark, and is bright when 20% are added
    assert [(f.transform, f.step, f.image) for f in made] == [("darken", 1, 1), ("darken", 3, 0), ("brighten", 1, 2)]
    assert search.counts(made, asked) == {"darken": [0, 1, 1, 2, 2], "brighten": [0, 1]}
    # one step each: the one that was 0.95 sure comes before the one that was 0.73 sure
    assert [(f.transform, f.image) for f in search.telling(made, FOUND, 3)] == [("brighten", 2), ("darken", 1)]
    assert len(search.telling(made, FOUND, 1)) == 1
    assert search.flips([], FOUND, asked, darkened, bright) == []


def test_scores_that_are_no_numbers_are_not_wrong() -> None:
    assert search.flips([("a", 0)], FOUND, {"darken": [0.9]}, darkened, bright) == []


def test_few_of_many_are_evenly_spread() -> None:
    many = {"a": predicted([[1, 0]] * 9, [0] * 9)}
    assert search.candidates(many, 3) == [("a", 0), ("a", 4), ("a", 8)]
    assert search.candidates({"a": predicted([[1, 0]], [1])}, 3) == []


def test_a_change_is_measured_by_how_much_the_filter_differs_between_images() -> None:
    spread = np.array([2.0, 4.0, 0.0, 8.0])  # of those that differ the median is 4, and half of it the least
    found = changes.change(np.array([1.0, 1, 0, 8]), np.array([3.0, 1, 1, 0]), spread)
    np.testing.assert_allclose(found, [1, 0, 0.5, -1])
    assert changes.total(found) == pytest.approx(0.75)  # sqrt((1 + 0 + 1/4 + 1) / 4)
    assert np.isnan(changes.change(np.ones(2), np.ones(2), np.zeros(2))).all()


NAMES = ["dark", "bright"]
LEVELS = [40, 80, 120, 160]


@pytest.fixture(scope="module")
def sets() -> dict[str, ImageSet]:
    """Images of one brightness each; two are brighter than 100."""
    pixels = np.stack([np.full((8, 8, 3), level, np.uint8) for level in LEVELS])
    names = np.array([f"level {level}" for level in LEVELS])
    sizes = np.full((4, 2), 8, np.int32)
    return {"levels": ImageSet(pixels, sizes, np.array([0, 0, 1, 1], np.int32), names, np.array(NAMES))}


def network() -> Any:
    """Filter 0 is the brightness in 0..1, filter 1 half of it, filter 2 is dead; bright from 100 / 255 on."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(3, 1, activation="relu", name="level")(inputs)
    x = keras.layers.Dense(2, activation="softmax", name="classes")(keras.layers.GlobalAveragePooling2D()(x))
    made = keras.Model(inputs, x)
    kernel = np.full((1, 1, 3, 3), 1 / 3, np.float32) * np.float32([1, 0.5, -1])
    made.get_layer("level").set_weights([kernel, np.zeros(3, np.float32)])
    weights = np.float32([[0, 8], [0, 4], [0, 0]])  # 8 b + 4 b / 2 = 10 b against 10 * 100 / 255
    made.get_layer("classes").set_weights([weights, np.float32([10 * 100 / 255, 0])])
    return made


def analysed(sets: dict[str, ImageSet], raw: dict[str, Any], artifacts: Path, **options: Any) -> dict[str, Any]:
    described = {"name": "net", "input_shape": [8, 8, 3], "class_names": NAMES}
    described["preprocessing"] = {**raw, "scale": [1 / 255] * 3}
    observer = observe.Observer(network(), described)
    layers, outputs = watching.watch(observer, sets, (8, 8, 3), watching.Amounts(1, 4, 4), lambda n: None)
    pixels = files.Pixels(sets, (8, 8, 3))
    files.write_examples(artifacts / "analysis" / "net", watching.located(observer, layers, {"level": [0]}), pixels)
    model = ModelSection(known="vgg16")
    amounts = AnalyzeSection(mistakes=0, doubtful=0, altered=AlteredSection(**options))
    found = explaining.against_labels(outputs, observer.head, pixels, {}, "net")
    return explaining.explain(observer, described, found, model, amounts, pixels, artifacts, layers)


def test_the_pair_and_what_changed_between_its_images(
    sets: dict[str, ImageSet], raw: dict[str, Any], tmp_path: Path
) -> None:
    asked = {"darken": [0.1, 0.2, 0.3, 0.4], "shift": [0.5]}
    numbers = analysed(sets, raw, tmp_path, transforms=asked)
    assert numbers == {"labelled_images": 4, "accuracy": 1.0, "altered_images": 4, "altered_wrong": 0.5}
    found = json.loads((tmp_path / "analysis/net/altered.json").read_text())
    # 120 falls below 100 at 20%, 160 at 40%; images of one brightness stay what they are when they are shifted
    assert found["tried"] == {
        "darken": {"strengths": asked["darken"], "wrong": [0, 1, 1, 2]},
        "shift": {"strengths": [0.5], "wrong": [0]},
    }
    (pair,) = found["pairs"]
    assert (pair["image"], pair["strength"], pair["said"]) == (2, 0.2, "darkened by 20%")
    assert (pair["true_class"], pair["predicted_class"]) == ("bright", "dark")
    assert pair["difference"]["right"] == pytest.approx(10 * (100 - 120) / 255, rel=1e-4)
    assert pair["difference"]["wrong"] == pytest.approx(10 * (100 - 96) / 255, rel=1e-4)
    # what a filter adds to dark - bright is minus its weight times its mean: 24 / 255 less of both filters
    turned = {f["filter"]: f["turned"] for f in pair["filters"]}
    assert turned == pytest.approx({0: 8 * 24 / 255, 1: 4 * 12 / 255, 2: 0}, rel=1e-4)
    (layer,) = pair["layers"]
    deviation = np.std(LEVELS)
    assert layer["filters"][2] == {"filter": 2, "change": 0, "right": 0, "wrong": 0}
    for one, share in zip(sorted(layer["filters"], key=lambda f: int(f["filter"]))[:2], (1, 0.5), strict=True):
        assert one["change"] == pytest.approx(-24 / deviation, rel=1e-4)
        assert one["right"] == pytest.approx(120 / 255 * share, rel=1e-4)
        assert one["wrong"] == pytest.approx(96 / 255 * share, rel=1e-4)
    assert layer["change"] == pytest.approx(24 / deviation * np.sqrt(2 / 3), rel=1e-4)
    with np.load(tmp_path / f"analysis/net/{pair['files']}.npz", allow_pickle=False) as stored:
        assert (np.unique(stored["right"]).tolist(), np.unique(stored["wrong"]).tolist()) == ([120], [96])
        assert stored["gradcam_over_image"].shape == (2, 8, 8)
        assert stored["gradcam_over_right"].shape == (8, 8)
        assert stored["level/change"].shape == (3,)
    assert (tmp_path / f"analysis/net/{pair['files']}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "tried"), [({"transforms": {"shift": [0.5]}}, 4), ({"images": 0}, 0), ({"transforms": {}}, 0)]
)
def test_where_nothing_flips_and_where_nothing_is_tried(
    options: dict[str, Any], tried: int, sets: dict[str, ImageSet], raw: dict[str, Any], tmp_path: Path
) -> None:
    numbers = analysed(sets, raw, tmp_path, **options)
    assert (numbers["altered_images"], numbers["altered_wrong"]) == (tried, 0.0 if tried else None)
    file = tmp_path / "analysis/net/altered.json"
    assert file.is_file() == bool(tried)
    assert not tried or json.loads(file.read_text())["pairs"] == []
    assert not (tmp_path / "analysis/net/altered").exists()


def test_without_labels_nothing_is_right(
    tiny: Callable[..., Any], sets: dict[str, ImageSet], raw: dict[str, Any], tmp_path: Path
) -> None:
    one = sets["levels"]
    unknown = {"levels": ImageSet(one.images, one.sizes, np.full(4, -1, np.int32), one.names, one.class_names)}
    numbers = analysed(unknown, raw, tmp_path)
    assert (numbers["altered_images"], numbers["altered_wrong"]) == (0, None)
    assert json.loads((tmp_path / "analysis/net/altered.json").read_text())["images"] == 0
