"""Objectives are values: arithmetic, text and mistakes."""

import pytest

from cnnviz.errors import InputError
from cnnviz.objectives import Objective, channel, direction, layer, logit, neuron, opposite, parse


def weights(objective: Objective) -> list[float]:
    return [weight for weight, _ in objective.terms]


def test_operators_return_new_values() -> None:
    a, b = channel("c", 1), logit(2)
    assert weights(a - b) == [1, -1]
    assert weights(2 * (a + b) - 0.5 * b) == [2, 2, -0.5]
    assert weights(-(a - b) * 3) == [-3, 3]
    assert weights(a) == [1]
    assert a + b - a == parse("channel(c, 1) + logit(2) - channel(c, 1)")
    assert a != channel("c", 2)


@pytest.mark.parametrize(
    "objective",
    [
        channel("block1-conv.2 x", 3) * 0.25,
        -neuron("c", 1) + neuron("c", 1, 2, 3),
        direction("c", [0, 0.5, -2]) - layer("d"),
        -3 * logit(4),
    ],
    ids=str,
)
def test_text_reads_back(objective: Objective) -> None:
    assert parse(str(objective)) == objective


def test_opposite_turns_the_unit_not_the_value() -> None:
    assert opposite(channel("c", 3)) == direction("c", {3: -1})
    assert opposite(direction("c", {1: 2.0, 2: -1.0})) == direction("c", {1: -2.0, 2: 1.0})
    assert opposite(logit(1)) == -logit(1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chanel(c, 1)", "unknown objective 'chanel'; nearest: channel"),
        ("channel(c)", "not an objective"),
        ("channel(c, -1)", "whole number from 0 on"),
        ("channel(c, 1) +", "not an objective"),
        ("3", "expected an objective"),
        ("channel(c, 1) * 'a'", "expected objectives and numbers"),
        ("'a' * 1000000000", "expected objectives and numbers"),
        ("__import__('os').system('true')", "no part of an objective"),
        ("neuron(c, 1, 2)", "both y and x"),
        ("direction(c, {1: 0})", "at least one of them not 0"),
    ],
)
def test_mistakes_are_one_line(text: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
