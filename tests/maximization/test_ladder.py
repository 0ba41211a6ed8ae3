"""The ladder: rescued, weak or dead, and why."""

import numpy as np

from cnnviz.maximization import ladder
from cnnviz.maximization.ascent.renderer import Rendered


def rendered(peaks: list[float], start: list[float], end: list[float]) -> Rendered:
    n = len(peaks)
    images = np.zeros((n, 4, 4, 3), "uint8")
    return Rendered(
        images, np.array(start)[:, None], np.array([8]), images[:, None], np.array(end)[:, None], np.array(peaks),
        np.zeros(n), np.zeros((n, 1, 2)),
    )  # fmt: skip


def test_each_rung_and_its_reason() -> None:
    # filter: 0 fine at once, 1 with a new seed, 2 from nature, 3 active but never rising, 4 only nature, 5 dead
    outcomes = {0: [0, 9, 9], 1: [1, 0, 9], 2: [2, 2, 0], 3: [3, 3, 3], 4: [1, 1, 1], 5: [1, 1, 1]}
    kinds = {0: (2.0, 0.0, 1.0), 1: (-1.0, 0.0, 0.0), 2: (-2.0, 0.0, 0.0), 3: (1.0, 5.0, 5.0), 9: (9.0, 0.0, 9.0)}
    asked: list[tuple[list[int], int]] = []

    def render(which: list[int], attempt: int, starts: np.ndarray | None) -> Rendered:
        asked.append((which, attempt))
        assert (starts is not None) == (attempt == ladder.FROM_NATURE)
        peaks, start, end = zip(*(kinds[outcomes[i][attempt]] for i in which), strict=True)
        return rendered(list(peaks), list(start), list(end))

    natural = np.array([1.0, 1.0, 1.0, 1.0, 3.5, 0.0])
    found = ladder.climb(render, 6, natural, lambda i: np.zeros((4, 4, 3)), lambda i: f"picture {i}")
    assert asked == [([0, 1, 2, 3, 4, 5], 0), ([1, 2, 3, 4, 5], 1), ([2, 3, 4, 5], 2)]
    assert found.status.tolist() == ["ok", "ok", "ok", "weak", "weak", "dead"]
    assert found.attempt.tolist() == [0, 1, 2, 0, 0, 0]
    assert found.reason[0] == ""
    assert "second" in found.reason[1]
    assert "picture 2" in found.reason[2]
    assert "did not rise in 3 attempts" in found.reason[3]
    assert "natural images (up to 3.5)" in found.reason[4]
    assert "none of 3 attempts" in found.reason[5]
    assert ladder.names(found.status) == {"ok": 3, "weak": 2, "dead": 1}
