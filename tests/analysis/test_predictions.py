"""Which label is which class, what comes first, what is explained, and which right image is nearest: by hand."""

import numpy as np
import pytest

from cnnviz.analysis.predictions import labels
from cnnviz.analysis.predictions import outputs as predictions
from cnnviz.analysis.predictions.outputs import Predictions
from cnnviz.errors import InputError
from cnnviz.images.sets import ImageSet


def image_set(labels: list[int], class_names: list[str]) -> ImageSet:
    n = len(labels)
    names = np.array([str(i) for i in range(n)])
    pixels = np.zeros((n, 2, 2, 3), np.uint8)
    return ImageSet(pixels, np.full((n, 2), 2, np.int32), np.array(labels, np.int32), names, np.array(class_names))


def predicted(logits: list[list[float]], true: list[int], features: list[list[float]] | None = None) -> Predictions:
    scores = np.array(logits, np.float32)
    odds = np.exp(scores)
    made = np.array(features if features else np.ones((len(true), 1)), np.float32)
    return Predictions(scores, odds / odds.sum(1, keepdims=True), np.array(true, np.int32), made)


FOUND = {
    "a": predicted(
        [[3, 0, 0], [0, 1, 0.5], [0, 0, 2], [0, 5, 4]],
        [0, 1, 0, 2],  # right, right, wrong, wrong
        [[1, 0], [0, 2], [5, 5], [1, 1]],
    ),
    "b": predicted([[0, 0, 1], [9, 0, 0]], [-1, 0], [[1, 2], [3, 1]]),  # no label, right
}


def test_classes_by_name_with_and_without_wordnet_ids() -> None:
    model = ["n02085620-Chihuahua", "German_shepherd", "pug", "cat", "cat"]
    one = image_set([0, 1, 2, 3, -1], ["german shepherd", "chihuahua", "Pug", "cat"])
    assert labels.true_classes(one, model, None, "w").tolist() == [1, 0, 2, -1, -1]  # two cats: not told apart
    assert labels.ambiguous(one, model) == ["cat"]


def test_labels_beside_the_only_class_are_its_opposite() -> None:
    one = image_set([0, 1, 2, -1], ["circle", "Cross", "noise"])
    assert labels.true_classes(one, ["not cross", "cross"], None, "w").tolist() == [0, 1, 0, -1]
    assert labels.opposites(one, ["not cross", "cross"]) == ["circle", "noise"]
    strange = image_set([0, 1], ["cat", "dog"])  # none of them is the class: nothing is known of it
    assert labels.true_classes(strange, ["not cross", "cross"], None, "w").tolist() == [-1, -1]
    assert labels.opposites(strange, ["not cross", "cross"]) == []
    assert labels.true_classes(one, ["circle", "cross"], None, "w").tolist() == [0, 1, -1, -1]


def test_labels_without_names_fit_nothing_by_themselves() -> None:
    one = image_set([0, 1, 7], [])
    assert labels.true_classes(one, ["a", "b"], None, "w").tolist() == [-1, -1, -1]
    assert labels.true_classes(one, ["a", "b"], "same", "w").tolist() == [0, 1, -1]
    assert labels.true_classes(one, ["a", "b"], {7: "b", 0: 1}, "w").tolist() == [1, -1, 1]


def test_labels_by_the_set_s_own_names() -> None:
    one = image_set([0, 1], ["dog", "cow"])
    assert labels.true_classes(one, ["hound", "bull"], {"cow": "bull"}, "w").tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        ({0: "hond"}, r"w\.0: no class 'hond'; nearest: hound"),
        ({0: 2}, r"w\.0: class 2 is out of range; the model has 0\.\.1"),
        ({"cat": 0}, "w: no class 'cat'; valid: dog, cow"),
    ],
)
def test_labels_that_name_nothing(fit: dict[int | str, int | str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        labels.true_classes(image_set([0, 1], ["dog", "cow"]), ["hound", "bull"], fit, "w")


def test_numbers_that_stand_for_names_match_no_folder() -> None:
    one = image_set([0, 1, 2], ["2", "1", "7"])  # folders of digits, a network of another four classes
    numbers = ["0", "1", "2", "3"]
    assert labels.true_classes(one, numbers, None, "w", known=False).tolist() == [-1, -1, -1]
    assert labels.true_classes(one, numbers, "same", "w", known=False).tolist() == [2, 1, -1]  # not their places
    assert labels.true_classes(one, numbers, {"7": 3}, "w", known=False).tolist() == [-1, -1, 3]
    assert labels.true_classes(one, numbers, {7: 3, 2: 0}, "w", known=False).tolist() == [0, -1, 3]
    with pytest.raises(InputError, match=r"w: no label 0; valid: 2, 1, 7"):
        labels.true_classes(one, numbers, {0: 1}, "w")
    assert labels.true_classes(one, numbers, None, "w").tolist() == [2, 1, -1]  # they are its class_names
    with pytest.raises(InputError, match=r"w\.7: no class '3'; it has no names"):
        labels.true_classes(one, numbers, {"7": "3"}, "w", known=False)


def test_predicted_confidence_and_runner_up() -> None:
    one = FOUND["a"]
    assert one.predicted.tolist() == [0, 1, 2, 1]
    assert one.runner_up.tolist() == [1, 2, 0, 2]
    assert one.confidence[0] == pytest.approx(np.exp(3) / (np.exp(3) + 2))
    assert [one.contrast(i) for i in range(4)] == [(1, "runner-up"), (2, "runner-up"), (0, "true"), (2, "true")]
    assert FOUND["b"].contrast(0) == (0, "runner-up")


def test_mistakes_first_the_most_confident_on_top() -> None:
    # wrong: a2 with 0.79, a3 with 0.73; right: a1 0.51, a0 0.91, b1 1.00; no label: b0
    assert predictions.order(FOUND) == [("a", 2), ("a", 3), ("a", 1), ("a", 0), ("b", 1), ("b", 0)]


def test_scores_that_are_no_numbers_are_neither_right_nor_wrong_and_come_last() -> None:
    found = {"a": predicted([[np.nan, 0], [0, 1], [1, 0]], [0, 0, -1])}
    assert (found["a"].right | found["a"].wrong).tolist() == [False, True, False]
    assert predictions.order(found) == [("a", 1), ("a", 2), ("a", 0)]
    assert predictions.chosen(found, 5, 5, {"a": [0, 2]}, "w") == [("a", 1), ("a", 2)]
    assert predictions.headline(found) == {"labelled_images": 1, "accuracy": 0.0}


def test_a_label_that_stands_by_itself_is_held_against_none_unless_it_is_wrong() -> None:
    one = predictions.Predictions(*vars(predicted([[1, 2], [3, 0]], [0, 0])).values())
    alone = predictions.Predictions(one.logits, one.probabilities, one.true, one.features, alone=True)
    assert [alone.contrast(i) for i in range(2)] == [(0, "true"), None]


def values(*sets: list[list[float]]) -> dict[str, predictions.Values]:
    outputs = {name: predictions.Outputs() for name in "ab"[: len(sets)]}
    for one, rows in zip(outputs.values(), sets, strict=True):
        one.update(np.array(rows, np.float32), np.ones((len(rows), 1), np.float32))
    return predictions.Values.of(outputs)


def test_values_have_no_right_or_wrong_and_the_highest_come_first() -> None:
    found = values([[1], [5], [2]], [[9], [np.nan]])
    assert predictions.order(found) == [("b", 0), ("a", 1), ("a", 2), ("a", 0), ("b", 1)]
    assert predictions.chosen(found, 5, 1, {"a": [2]}, "w") == [("b", 0), ("a", 0), ("a", 2)]
    assert predictions.headline(found) == {"labelled_images": 0, "accuracy": None}
    assert found["a"].contrast(0) is None
    assert predictions.nearest(found, ("a", 0), np.ones(1)) is None


def test_of_several_values_the_one_that_departs_most_is_explained() -> None:
    found = values([[0, 10, 7], [0, 11, 7], [4, 9, 7], [0, 10, 7]])["a"]
    assert found.predicted[[0, 1, 2]].tolist() == [0, 1, 0]  # means 1, 10, 7; deviations 1.7, 0.7, 0
    np.testing.assert_allclose(found.departures[2], [np.sqrt(3), -np.sqrt(2), 0], rtol=1e-6)


def test_what_is_explained() -> None:
    assert predictions.chosen(FOUND, 1, 1, {}, "w") == [("a", 2), ("a", 1)]
    unlabelled = {"c": predicted([[3, 0], [1, 0], [2, 0], [4, 0]], [-1] * 4)}
    assert predictions.chosen(unlabelled, 5, 1, {}, "w") == [("c", 1), ("c", 3)]  # least and most confident
    assert predictions.chosen(FOUND, 5, 0, {"b": [0], "a": [3]}, "w") == [("a", 2), ("a", 3), ("b", 0)]
    with pytest.raises(InputError, match=r"w\.b: image 2 is out of range; there are 0\.\.1"):
        predictions.chosen(FOUND, 0, 0, {"b": [2]}, "w")


def test_nearest_right_image_by_angle_and_never_itself() -> None:
    # right images point to (1, 0), (0, 2) and (3, 1): for (2, 0.5), at 14 degrees, the last is nearest (18.4)
    near = predictions.nearest(FOUND, ("a", 2), np.array([2, 0.5]))
    assert near is not None
    assert (near.set, near.image) == ("b", 1)
    assert near.similarity == pytest.approx(6.5 / (np.sqrt(4.25) * np.sqrt(10)))
    other = predictions.nearest(FOUND, ("b", 1), np.array([3, 1]))
    assert other is not None
    assert (other.set, other.image) == ("a", 0)
    assert predictions.nearest({"b": predicted([[0, 1]], [-1])}, ("b", 0), np.ones(1)) is None


def test_headline() -> None:
    assert predictions.headline(FOUND) == {"labelled_images": 5, "accuracy": 0.6}
    assert predictions.headline({}) == {"labelled_images": 0, "accuracy": None}


def test_outputs_keep_all_logits_and_features_of_the_first_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "FEATURES_KEPT", 3)
    outputs = predictions.Outputs()
    for start in (0, 2, 4):
        rows = np.arange(start, start + 2, dtype=np.float32)[:, None]
        outputs.update(rows, 10 * rows)
    assert outputs.logits[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert outputs.features[:, 0].tolist() == [0, 10, 20]


def test_the_mean_of_the_windows_over_a_pixel() -> None:
    windows, drops = np.int32([[0, 0, 2, 2], [1, 1, 3, 3], [0, 2, 1, 4]]), np.float32([1, 3, -2])
    spread = predictions.covered(windows, drops, (4, 4))
    assert spread.tolist() == [[1, 1, -2, -2], [1, 2, 3, 0], [0, 3, 3, 0], [0, 0, 0, 0]]
