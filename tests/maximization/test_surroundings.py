"""What of a natural image a picture starts at."""

import numpy as np
import pytest

from cnnviz.maximization.surroundings import cut

ROWS, COLUMNS = np.mgrid[0:40, 0:60]
IMAGE = np.stack([ROWS, COLUMNS, ROWS * 0], -1).astype(np.float32)  # says where each pixel comes from


@pytest.mark.parametrize(
    ("centre", "field", "rows", "columns"),
    [
        ((20, 30), (4, 4), (12, 28), (22, 38)),  # as large as the canvas, around the place
        ((20, 30), None, (12, 28), (22, 38)),
        ((1, 59), (4, 4), (0, 16), (44, 60)),  # moved inside
        ((-3, 70), (4, 4), (0, 16), (44, 60)),  # a unit that sees padding too
    ],
)
def test_it_is_as_large_as_the_canvas(
    centre: tuple[int, int], field: tuple[int, int] | None, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    got = cut(IMAGE, centre, field, (16, 16))
    assert (got[0, 0, 0], got[-1, -1, 0] + 1) == rows
    assert (got[0, 0, 1], got[-1, -1, 1] + 1) == columns


def test_all_that_the_unit_sees_is_there_and_never_more_than_the_image() -> None:
    for field, rows, columns in (((32, 48), (4, 36), (6, 54)), ((200, 200), (0, 40), (0, 60))):
        got = cut(IMAGE, (20, 30), field, (16, 16))
        assert got.shape == (16, 16, 3)
        assert got[..., 0].mean() == pytest.approx((rows[0] + rows[1] - 1) / 2, abs=0.1)
        assert got[0, 0, 1] == pytest.approx(columns[0], abs=3)
        assert got[-1, -1, 1] == pytest.approx(columns[1], abs=3)
    small = cut(IMAGE[:8, :8], (4, 4), (4, 4), (16, 16))  # a network whose canvas is larger than its images
    assert small.shape == (16, 16, 3)
    assert small[..., 1].max() == 7
