"""Which part a worker gets: counted by hand, on parts of whole numbers."""

from dataclasses import dataclass, replace

import pytest

from cnnviz.maximization.execution import Handing


@dataclass(frozen=True)
class Some:
    """Filters of a layer, each of which takes as long as any other."""

    layer: str
    filters: tuple[int, ...]
    each: float = 1.0
    state: int | None = None

    def __str__(self) -> str:
        return f"{self.layer} {', '.join(map(str, self.filters))}"

    @property
    def effort(self) -> float:
        return self.each * len(self.filters)

    def split(self, count: int) -> "list[Some]":
        return [replace(self, filters=self.filters[i : i + count]) for i in range(0, len(self.filters), count)]


def layers(each: int = 2, state: int | None = None, **counts: int) -> list[Some]:
    return [part for name, count in counts.items() for part in Some(name, tuple(range(count)), state=state).split(each)]


def test_a_worker_stays_at_its_layer_then_takes_of_the_one_with_most_left() -> None:
    queue = Handing(layers(a=4, b=10, c=6))
    assert len(queue) == 10
    assert [queue.next("one").layer for _ in range(5)] == ["b"] * 5  # type: ignore[union-attr]
    assert [queue.next("one").layer for _ in range(5)] == ["c", "c", "c", "a", "a"]  # type: ignore[union-attr]
    assert queue.next("one") is None


def test_workers_spread_over_layers_by_what_is_left_for_each() -> None:
    queue = Handing(layers(a=4, b=20, c=6))
    first = [queue.next(name, 3) for name in ("one", "two", "three")]
    assert [part.layer for part in first if part] == [
        "b",
        "b",
        "c",
    ]  # 18 of b for two are more than 6
    queue.gone("two")  # 16 of b are left for one worker and the next
    assert queue.next("four", 3).layer == "b"  # type: ignore[union-attr]


def test_what_was_not_made_comes_first_again() -> None:
    queue = Handing(layers(a=6))
    lost, second = queue.next("one"), queue.next("two")
    queue.gone("one")
    assert lost is not None
    queue.back(lost)
    assert [queue.next("two"), second] == [lost, Some("a", (2, 3))]
    assert queue.next("two") == Some("a", (4, 5))
    assert not queue


def test_all_are_handed_out_once_in_smaller_parts_towards_the_end() -> None:
    parts = layers(each=16, a=64, b=64)
    queue, found, sizes = Handing(parts), [], []
    while (part := queue.next(len(found) % 4, 4)) is not None:
        found += [(part.layer, k) for k in part.filters]
        sizes.append(len(part.filters))
    assert sorted(found) == [(name, k) for name in "ab" for k in range(64)]
    assert sizes[:4] == [16] * 4
    assert min(sizes) >= 4
    assert sizes[-1] < 16
    assert queue.effort == pytest.approx(0)


def test_a_worker_finishes_a_checkpoint_before_it_begins_another() -> None:
    queue = Handing([*layers(a=2, b=4, state=0), *layers(a=8, b=2, state=1)])
    order = [(part.state, part.layer) for part in iter(lambda: queue.next("one"), None)]
    assert order == [(1, "a")] * 4 + [(1, "b"), (0, "b"), (0, "b"), (0, "a")]
    queue = Handing([*layers(a=2, b=4, state=0), *layers(a=8, b=2, state=1)])
    assert [queue.next(name).state for name in "xyz"] == [1, 0, 1]  # type: ignore[union-attr]
