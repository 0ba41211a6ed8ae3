"""How images are put into batches on a card, and in which precision: by what the card is, never by luck."""

import pytest

from cnnviz.device import CPU, GIB, Device
from cnnviz.errors import InputError
from cnnviz.maximization.ascent import policy, settings
from cnnviz.maximization.ascent.policy import Policy, batches, policy_for
from cnnviz.objectives import channel, logit


def card(capability: tuple[int, int] | None, gib: float = 16) -> Device:
    return Device("gpu", "a card", capability, int(gib * GIB), "9.19.0")


@pytest.mark.parametrize(
    ("name", "capability", "expected"),
    [
        ("B200", (10, 0), "bfloat16"),
        ("H100, H200", (9, 0), "bfloat16"),
        ("L4", (8, 9), "bfloat16"),
        ("A100", (8, 0), "bfloat16"),
        ("T4", (7, 5), "float16"),
        ("V100", (7, 0), "float16"),
        ("P100", (6, 0), "float32"),
        ("of another maker", None, "float32"),
    ],
)
def test_auto_takes_what_the_card_has_units_for(name: str, capability: tuple[int, int] | None, expected: str) -> None:
    assert policy.precision_of(card(capability)) == expected


def test_every_rule_says_where_it_comes_from() -> None:
    assert all(len(rule.source) > 20 for rule in policy.RULES)
    assert list(policy.RULES) == sorted(policy.RULES, reverse=True)


@pytest.mark.parametrize("precision", ["float16", "tf32"])
def test_what_only_cards_compute_in_is_refused_on_a_cpu(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=f"maximize.precision: {precision} is for graphics cards.*float32 or bfloat16"):
        settings.resolve_precision(precision)
    monkeypatch.setattr(settings.device, "here", lambda: card((9, 0)))
    assert settings.resolve_precision(precision) == precision
    assert settings.resolve_precision("auto") == "bfloat16"


MIB = 2**20


@pytest.mark.parametrize(
    ("gib", "mib", "group", "count", "expected"),
    [
        (139.7, 50, 1, 512, 128),  # no more than were measured
        (16, 50, 1, 512, 128),  # half of 16 GiB: 163
        (8, 50, 1, 512, 64),  # half of 8 GiB: 81
        (8, 800, 1, 512, 4),
        (2, 5000, 1, 512, 1),  # at least one
        (16, 50, 1, 64, 64),  # a layer has no more
        (16, 50, 1, 24, 32),
        (16, 50, 4, 512, 128),  # 32 objectives, four images of each
        (16, 50, 3, 512, 96),
        (16, 50, 3, 2, 6),
        (0, 50, 1, 512, 32),  # half of 4 GiB, which are assumed of a card that does not say: 40
    ],
)
def test_a_batch_is_as_large_as_half_of_the_card(gib: float, mib: int, group: int, count: int, expected: int) -> None:
    assert policy_for(card((9, 0), gib), "bfloat16", mib * MIB, group, count).batch == expected


def test_drivers_that_count_a_little_less_choose_the_same() -> None:
    sizes = {policy_for(card((9, 0), gib), "bfloat16", 40 * MIB).batch for gib in (79.1, 79.2, 79.4)}
    assert len(sizes) == 1


def test_places_are_kept_where_they_may_matter_and_xla_compiles_where_it_can() -> None:
    assert policy_for(card((9, 0)), "bfloat16", MIB) == Policy(128, False, True)
    assert policy_for(card((7, 5)), "float16", MIB) == Policy(128, False, True)
    assert policy_for(card((9, 0)), "tf32", MIB) == Policy(128, True, True)
    assert policy_for(card((9, 0)), "float32", MIB) == Policy(128, True, True)
    assert policy_for(card((5, 2)), "float32", MIB) == Policy(128, True, False)
    assert policy_for(card(None), "float32", MIB) == Policy(128, True, False)


def test_on_a_cpu_nothing_is_fixed_nor_noted() -> None:
    assert policy_for(CPU, "bfloat16", MIB) == policy.CPU
    assert not policy.CPU.fixed
    assert policy.CPU.note == {}
    assert Policy(64, True, True).note == {"batch": 64, "places": "fixed"}


def test_rows_by_hand() -> None:
    homes = [5, 0, 9, 1, 4]
    assert Policy(4).rows(homes, 1) == [[0, 1, 2, 3], [4, None, None, None]]
    assert Policy(4).rows(homes, 2) == [[0, 1], [2, 3], [4, None]]
    # 5 % 4, 0, 9 % 4 (taken), 1 (taken twice), 4 % 4 (taken)
    assert Policy(4, placed=True).rows(homes, 1) == [[1, 0, None, None], [4, 2, None, None], [None, 3, None, None]]
    assert Policy(4, placed=True).rows(homes, 2) == [[1, 0], [4, 2], [None, 3]]


@pytest.mark.parametrize("placed", [False, True])
def test_every_objective_comes_once_and_nothing_else_counts(placed: bool) -> None:
    wanted = [channel("conv", k) for k in (7, 3, 11, 15, 0, 8)]
    found = batches(wanted, Policy(8, placed), 2, 0)
    assert all(len(batch) == 4 for batch in found)
    assert sorted(i for batch in found for i, fills in batch if not fills) == list(range(6))
    at = {i: place for batch in found for place, (i, fills) in enumerate(batch) if not fills}
    assert [at[i] for i in range(6)] == ([3, 3, 3, 3, 0, 0] if placed else [0, 1, 2, 3, 0, 1])
    assert batches([logit(6)], Policy(4, placed=True), 1, 0) == [[(0, True), (0, True), (0, False), (0, True)]]


def test_batches_of_a_cpu() -> None:
    wanted = [channel("conv", k) for k in range(5)]
    assert batches(wanted, policy.CPU, 1, 1) == [[(i, False) for i in range(5)]]
    assert batches(wanted, policy.CPU, 1, 4) == [[*((i, False) for i in range(5)), *[(4, True)] * 3]]
    assert batches(wanted, policy.CPU, 1, 0) == [[(i, False)] for i in range(5)]
