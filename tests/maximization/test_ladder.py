"""The ladder: rescued, weak or dead, and why."""

import numpy as np
import pytest

from cnnviz.maximization import ladder
from cnnviz.maximization.ascent.rendered import Rendered


def rendered(peaks: list[float], start: list[float], end: list[float], robust: list[float] | None = None) -> Rendered:
    n = len(peaks)
    images = np.zeros((n, 4, 4, 3), "uint8")
    return Rendered(
        images, np.array(start)[:, None], np.array([8]), images[:, None], np.array(end)[:, None], np.array(peaks),
        np.array(robust or [1.0] * n), np.zeros((n, 1, 2)),
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


# Mean pre-activation, negative ones as 0, of three natural images: the median of each filter is 0, 4, 10
DRIVES = np.array([[0, 2, 30], [0, 4, 10], [9, 40, 1]], "float32")


@pytest.mark.parametrize(
    ("robust", "status", "reasons"),
    [
        ([0.5, 4.0, 10.5], ["ok", "ok", "ok"], ["", "", ""]),
        ([-108.0, 3.9, 0.3], ["weak"] * 3, ["above 0 on average (robust score -108)", "3.9", "0.3"]),
        ([0.0, 4.1, 9.9], ["weak", "ok", "weak"], ["(robust score 0)", "", "(robust score 9.9) than the median"]),
    ],
)
def test_a_picture_has_to_outdo_the_median_natural_image(
    robust: list[float], status: list[str], reasons: list[str]
) -> None:
    pictures = rendered([5.0] * 3, [0.0] * 3, [99.0] * 3, robust)
    found = ladder.climb(lambda *_: pictures, 3, np.array([9.0, 40.0, 30.0]), lambda i: None, natural_drives=DRIVES)
    assert found.status.tolist() == status
    for reason, part in zip(found.reason, reasons, strict=True):
        assert part in reason if part else reason == ""


def test_the_reason_names_what_it_was_held_against() -> None:
    lost = "moved and blurred a little, its picture drives it less (robust score 3.9) than the "
    assert ladder.doubt(3.9, DRIVES[:, 1]) == f"{lost}median one of 3 natural images does (4)"
    assert ladder.doubt(3.9, np.array([np.nan, 4.0])) == f"{lost}one natural image does (4)"
    assert ladder.doubt(3.9, np.array([np.nan])) == ladder.doubt(3.9, np.zeros(0)) == ladder.doubt(3.9) == ""
    assert "no longer lifts it above 0" in ladder.doubt(-0.1)


def test_without_natural_images_only_the_sign_counts() -> None:
    pictures = rendered([5.0] * 2, [0.0] * 2, [99.0] * 2, [0.01, -0.01])
    found = ladder.climb(lambda *_: pictures, 2, None, lambda i: None)
    assert found.status.tolist() == ["ok", "weak"]


def test_a_rescued_filter_keeps_the_story_of_its_rescue() -> None:
    attempts = [rendered([-1.0], [0.0], [0.0], [-5.0]), rendered([1.0], [0.0], [9.0], [-2.0])]
    found = ladder.climb(lambda which, number, starts: attempts[number], 1, np.zeros(1), lambda i: None)
    assert found.status.tolist() == ["weak"]
    assert found.reason[0].startswith("silent from the first seed, found with a second; moved and blurred a little")
