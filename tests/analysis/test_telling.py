"""What a filter tells apart: AUROC and p by hand and against SciPy, the best combination against all of them."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from cnnviz.analysis.seen import Seen
from cnnviz.analysis.words import files as words
from cnnviz.analysis.words import responses, rows, telling
from cnnviz.images.sets import ImageSet


def test_auroc_and_p_counted_by_hand() -> None:
    """Class 0 has 5 and 3, the others 4, 2 and 1: of 6 pairs it wins 5. 2 of 10 choices of ranks are as far out, or
    further, on each side."""
    values = np.array([[5.0], [3.0], [4.0], [2.0], [1.0]])
    told = telling.tell(values, np.array([0, 0, 1, 1, 1]))[0]
    assert told is not None
    assert (told.classes, told.none, told.images) == ((0,), False, 2)
    assert told.auroc == pytest.approx(5 / 6)
    assert told.p == pytest.approx(2 * 2 / 10)


def test_auroc_and_p_are_scipys(rng: np.random.Generator) -> None:
    labels = np.repeat([0, 1], [7, 30])
    for values in (rng.normal(size=(37, 9)), rng.integers(0, 6, (37, 9)).astype(float)):  # without and with ties
        values[:, 4] += 2 * (labels == 0)
        for f, told in enumerate(telling.tell(values, labels)):
            assert told is not None
            members = np.isin(labels, told.classes) != told.none
            exact = "exact" if len(set(values[:, f])) == 37 else "asymptotic"
            wanted = stats.mannwhitneyu(values[members, f], values[~members, f], method=exact)
            assert told.auroc == pytest.approx(wanted.statistic / (7 * 30))
            assert told.p == pytest.approx(wanted.pvalue)
            assert told.auroc >= 0.5 - 1e-12


def best_by_trying(values: np.ndarray, labels: np.ndarray, depth: int) -> float:
    """The highest AUROC of any combination of `depth` classes or of all but these, pair by pair."""
    found = []
    for classes in combinations(range(labels.max() + 1), depth):
        one, other = values[np.isin(labels, classes)], values[~np.isin(labels, classes)]
        wins = [(a > b) + 0.5 * (a == b) for a, b in product(one, other)]
        found += [np.mean(wins), 1 - np.mean(wins)]
    return float(max(found))


def test_ties_cannot_make_p_smaller_than_chance_can() -> None:
    """Three of 1,000 images drive a filter, all of one class of 100: by chance in C(997, 97) of C(1000, 100) cases."""
    values, labels = np.zeros((1000, 1)), np.repeat(np.arange(10), 100)
    values[:3, 0] = [1, 2, 3]
    (told,) = telling.tell(values, labels)
    assert told is not None
    assert told.classes == (0,)
    assert told.p == pytest.approx(math.comb(997, 97) / math.comb(1000, 100), rel=1e-6)


def test_no_combination_of_as_many_classes_is_better(rng: np.random.Generator) -> None:
    labels = np.repeat(np.arange(7), 4)
    values = rng.normal(size=(28, 12))
    values[labels == 1, :4], values[labels == 4, :4] = (
        np.arange(10, 18).reshape(4, 2, 1) + rng.random(4) / 2
    ).swapaxes(0, 1)
    for place, c in enumerate((0, 2, 6)):  # three classes below the rest, in turns
        values[labels == c, 4:8] = -10 - 3 * np.arange(4)[:, None] - place + rng.random(4) / 2
    told = telling.tell(values, labels)
    for f, one in enumerate(told):
        assert one is not None
        assert one.auroc == pytest.approx(best_by_trying(values[:, f], labels, len(one.classes)))
        for fewer in range(1, len(one.classes)):  # every class more has brought something
            assert one.auroc >= best_by_trying(values[:, f], labels, fewer) + telling.GAIN - 1e-9
    assert [(one.classes, one.none) for one in told[:4]] == [((1, 4), False)] * 4
    assert [(one.classes, one.none) for one in told[4:8]] == [((0, 2, 6), True)] * 4


def test_words() -> None:
    names = {0: "cat", 1: "dog", 2: "ship"}

    def said(*classes: int, none: bool = False) -> str:
        return telling.Telling(classes, none, 1.0, 0.0, 1).words(names)

    assert said(1) == "dog"
    assert said(0, 2) == "cat or ship"
    assert said(2, none=True) == "not ship"
    assert said(0, 1, none=True) == "neither cat nor dog"
    assert said(0, 1, 2, none=True) == "none of cat, dog, ship"
    assert said(3) == "class 3"


def test_no_numbers_and_constant_filters() -> None:
    values = np.array([[np.nan, 1], [2, 1], [3, 1], [1, 1]])
    none, constant = telling.tell(values, np.array([0, 0, 1, 1]))
    assert none is None
    assert constant is not None
    assert (constant.auroc, constant.p) == (0.5, 1.0)


def test_hypotheses_are_counted_over_filters_and_combinations() -> None:
    """Three classes make 3 + 3 + 1 combinations, two layers of 2 and 3 filters: 35 tests."""
    labels = np.repeat([0, 1, 2], 4)
    sets = {"s": ImageSet(np.zeros((12, 1, 1, 3), np.uint8), np.ones((12, 2), np.int32), labels, np.array(["x"] * 12),
                          np.array(["a", "b", "c"]))}  # fmt: skip
    kept = {}
    for layer, channels in (("one", 2), ("two", 3)):
        kept[layer] = {"s": responses.Responses(channels, labels)}
        kept[layer]["s"].values = np.tile(np.arange(12.0)[::-1, None], channels).astype(np.float32)
    found = rows(kept, sets)
    assert len(found) == 5
    assert {(row["layer"], row["filter"]) for row in found} == {
        ("one", 0),
        ("one", 1),
        ("two", 0),
        ("two", 1),
        ("two", 2),
    }
    first = found[0]
    assert (first["words"], first["auroc"], first["of"], first["images"], first["tested"]) == ("a", 1.0, 4, 12, 35)
    assert first["p"] == pytest.approx(2 / 495)  # of C(12, 4) choices of ranks, one on each side
    assert first["corrected"] == pytest.approx(70 / 495)


def test_a_class_without_a_name_is_called_as_all_its_images_are() -> None:
    """ImageNet's photos: a label among 1,000 classes, and its word as the image's name."""
    names = ["jeep", "jeep", "cliff", "beaker", "a.png", "b.png"]
    labels = np.array([609, 609, 972, -1, 3, 3])
    one = ImageSet(np.zeros((6, 1, 1, 3), np.uint8), np.ones((6, 2), np.int32), labels, np.array(names), np.array([]))
    named = words.classes(one)
    assert telling.Telling((609, 972), False, 1.0, 0.0, 3).words(named) == "jeep or cliff"
    assert telling.Telling((3,), True, 1.0, 0.0, 3).words(named) == "not class 3"


@pytest.mark.parametrize(
    ("labels", "known"),
    [([0, 0, 1, 1], True), ([0, 0, 1], False), ([0, 1, 2, 3], False), ([0, 0, 1, 2], True), ([-1, -1], False)],
)
def test_which_labels_say_anything(labels: list[int], known: bool) -> None:
    assert responses.tellable(np.array(labels)) == known


def test_responses_are_those_of_labelled_images() -> None:
    kept = responses.Responses(2, np.array([1, -1, 0, 1]))
    maps = np.arange(16, dtype=np.float32).reshape(2, 2, 2, 2)
    kept.update(Seen(np.array([0, 1]), maps, maps))
    kept.update(Seen(np.array([2, 3]), maps + 100, maps))
    assert kept.labels.tolist() == [1, 0, 1]
    assert kept.values.tolist() == [[3, 7], [103, 107], [111, 115]]
    many = responses.Responses(1, np.tile([0, 1], 5000))
    assert many.values.shape == (1000, 1)
    assert np.bincount(many.labels).min() > 400
