"""Two-alternative tasks, worked out by hand."""

from itertools import product

import numpy as np
import pytest

from cnnviz.judging import tasks

X, Y, Z = np.eye(3)


def test_likeness_by_hand() -> None:
    asking = np.array([[X, 2 * Y], [X + Y, 0 * X]])
    like = tasks.likeness(asking, [np.array([X, Y]), np.array([3 * Z, -5 * Z, X])])
    half = np.sqrt(0.5)
    np.testing.assert_allclose(like[0], [[0.5, 1 / 3], [0.5, 0]])
    np.testing.assert_allclose(like[1], [[half, half / 3], [0, 0]], atol=1e-15)


def test_pairs_by_hand() -> None:
    """Three filters, two patches each: both tasks of 0 and 1 are solved, of 0 and 2 one and a tie, of 1 and 2 none."""
    like = np.zeros((3, 2, 3))
    like[0, :, 0], like[1, :, 1] = 1, 1
    like[0, 0] = [1, 0, 0.5]
    like[0, 1] = [1, 0, 1.5]
    like[2, 0] = [0.25, 3, 0.5]  # 1 + 0.5 > 0.5 + 0.25
    like[2, 1] = [0, 2, 0.5]  # 1 + 0.5 = 1.5 + 0
    like[1, :, 2] = 0.5  # 1 + 0.5 < 0.5 + 3, 1 + 0.5 < 0.5 + 2
    found = tasks.pairs(like)
    assert found[0, 1] == 1
    assert found[0, 2] == 0.75
    assert found[1, 2] == 0
    assert np.isnan(found[np.tril_indices(3)]).all()
    assert tasks.accuracy([found]) == pytest.approx(1.75 / 3)


def test_explanations_exchanged_are_as_wrong_as_they_were_right(rng: np.random.Generator) -> None:
    like = rng.normal(size=(2, 9, 2))
    assert tasks.pairs(like)[0, 1] == pytest.approx(1 - tasks.pairs(like[..., ::-1])[0, 1])


def test_control_takes_explanations_of_neither_filter(rng: np.random.Generator) -> None:
    """What tells only a filter's own patches from others tells nothing as another one's explanation."""
    like = np.broadcast_to(np.eye(6)[:, None, :], (6, 4, 6))
    assert tasks.accuracy([tasks.pairs(like)]) == 1
    assert np.nanmin(tasks.control(like, rng)) == np.nanmax(tasks.control(like, rng)) == 0.5
    assert np.isnan(tasks.control(like[:3, :, :3], rng)).all()
    drawn = [tasks.accuracy([tasks.control(rng.normal(size=(8, 9, 8)), rng)]) for _ in range(40)]
    assert abs(np.mean(drawn) - 0.5) < 0.02


def test_accuracy_weighs_layers_by_their_filters() -> None:
    three, two, none = (np.full((n, n), np.nan) for n in (3, 2, 4))
    three[np.triu_indices(3, 1)] = 0.5
    two[0, 1] = 1
    assert tasks.accuracy([three, two, none]) == pytest.approx((3 * 0.5 + 2 * 1) / 5)
    assert np.isnan(tasks.accuracy([none]))


def test_interval_is_that_of_all_draws_of_filters() -> None:
    """Four filters can be drawn in 256 ways, which are gone through here."""
    solved = np.full((4, 4), np.nan)
    solved[np.triu_indices(4, 1)] = [0.1, 0.4, 0.9, 0.5, 0.7, 1.0]
    found = []
    for draw in product(range(4), repeat=4):
        values = [solved[min(a, b), max(a, b)] for i, a in enumerate(draw) for b in draw[:i] if a != b]
        found += [np.mean(values)] if values else []
    expected = np.percentile(found, [2.5, 97.5])
    low, high = tasks.interval([solved], np.random.default_rng(0), draws=20_000)
    np.testing.assert_allclose([low, high], expected, atol=0.02)
    assert tasks.interval([solved], np.random.default_rng(5)) == tasks.interval([solved], np.random.default_rng(5))


def test_interval_of_what_is_the_same_everywhere_has_no_width() -> None:
    solved = np.full((5, 5), np.nan)
    solved[np.triu_indices(5, 1)] = 0.75
    assert tasks.interval([solved, solved[:3, :3]], np.random.default_rng(0)) == pytest.approx((0.75, 0.75))
    assert np.isnan(tasks.interval([solved[:2, :2]], np.random.default_rng(0))).all()
