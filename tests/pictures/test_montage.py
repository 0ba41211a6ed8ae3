"""Grids and colours, checked against arrays written out by hand."""

import io

import numpy as np
import pytest
from PIL import Image

from cnnviz.pictures import montage


def test_montage_places_tiles_row_by_row_with_padding_around() -> None:
    tiles = np.array([[[1, 2]], [[3, 4]], [[5, 6]]], np.uint8)  # three tiles of 1 x 2
    got = montage.montage(tiles, columns=2, padding=1, background=9)
    expected = [
        [9, 9, 9, 9, 9, 9, 9],
        [9, 1, 2, 9, 3, 4, 9],
        [9, 9, 9, 9, 9, 9, 9],
        [9, 5, 6, 9, 9, 9, 9],
        [9, 9, 9, 9, 9, 9, 9],
    ]
    np.testing.assert_array_equal(got[..., 0], expected)
    assert got.shape == (5, 7, 3)
    assert (got == got[..., :1]).all()  # grey


def test_montage_keeps_colour_and_is_square_by_default() -> None:
    tiles = np.zeros((4, 2, 2, 3), np.uint8)
    tiles[3, 0, 0] = (10, 20, 30)
    got = montage.montage(tiles, padding=0)
    assert got.shape == (4, 4, 3)
    assert got[2, 2].tolist() == [10, 20, 30]


@pytest.mark.parametrize("shape", [(0, 2, 2), (2, 2), (3, 2, 2, 4), (2, 0, 2)])
def test_montage_refuses_empty_and_odd_shapes_and_names_them(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected at least one tile.*" + ", ".join(map(str, shape))):
        montage.montage(np.zeros(shape, np.uint8))


def test_montage_refuses_floats_and_no_columns() -> None:
    with pytest.raises(ValueError, match="float64"):
        montage.montage(np.zeros((1, 2, 2)))
    with pytest.raises(ValueError, match="columns >= 1"):
        montage.montage(np.zeros((1, 2, 2), np.uint8), columns=0)


def test_to_uint8_scales_rounds_and_clips() -> None:
    assert montage.to_uint8([-1, 0, 0.5, 1, 2], 0, 1).tolist() == [0, 0, 128, 255, 255]
    assert montage.to_uint8([[1, 3], [1, 3]], [[1], [0]], [[3], [6]]).tolist() == [[0, 255], [42, 128]]
    assert montage.to_uint8([5, 5], 5, 5).tolist() == [0, 0]
    assert montage.to_uint8([float("nan"), 5, float("inf")], 0, 10).tolist() == [0, 128, 255]


def test_diverging_is_white_at_zero_red_above_and_blue_below() -> None:
    blue, white, red, beyond = montage.diverging([-2, 0, 2, 9], 2)
    assert white.tolist() == [255, 255, 255]
    assert red[0] > red[1]
    assert red[0] > red[2]
    assert blue[2] > blue[1] > blue[0]
    assert beyond.tolist() == red.tolist()
    half = montage.diverging(1, 2).astype(int)
    assert (np.abs(2 * half - red - 255) <= 1).all()  # half way between white and red
    assert montage.diverging([0.0, 0.0], 0).min() == 255


def test_enlarge_repeats_pixels() -> None:
    got = montage.enlarge(np.array([[[1, 2], [3, 4]]]), 2)[0]
    assert got.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    with pytest.raises(ValueError, match="factor"):
        montage.enlarge(np.zeros((1, 2, 2)), 0)


def test_fit_enlarges_by_a_whole_factor_and_averages_down() -> None:
    small = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    assert montage.fit(small, 10).shape == (1, 6, 9)
    large = np.array([[[0, 4], [8, 12]]], np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    assert montage.fit(large, 2)[0].tolist() == [[0, 4], [8, 12]]
    assert montage.fit(np.zeros((2, 8, 4, 3), np.uint8), 4).shape == (2, 4, 2, 3)


def test_label_grid_leaves_the_tiles_as_they_are_beside_the_labels() -> None:
    tiles = np.random.default_rng(0).integers(0, 255, (6, 20, 30, 3)).astype(np.uint8)
    got = montage.label_grid(tiles, ["a", "row b"], ["x", "y", "z"], padding=2)
    body = montage.montage(tiles, 3, padding=2)
    np.testing.assert_array_equal(got[-body.shape[0] :, -body.shape[1] :], body)
    left = got[:, : got.shape[1] - body.shape[1]]
    assert left.shape[1] > montage.text_size("row b")[0]
    assert left.min() < 200  # something is written there
    assert got[: got.shape[0] - body.shape[0], left.shape[1] :].min() < 200


def test_label_grid_turns_long_column_labels() -> None:
    tiles = np.full((2, 12, 12), 255, np.uint8)
    long = montage.label_grid(tiles, ["a"], ["a long label", "b"])
    assert long.shape[0] - 16 > montage.text_size("a long label")[0]
    assert long.shape[1] < 60
    assert long.min() < 200


@pytest.mark.parametrize(("rows", "columns"), [(["a", "b"], []), (["a"], ["x"]), ([], [])])
def test_label_grid_refuses_labels_that_do_not_match(rows: list[str], columns: list[str]) -> None:
    with pytest.raises(ValueError, match=r"do not match tiles of shape \(3, 4, 4, 3\)"):
        montage.label_grid(np.zeros((3, 4, 4), np.uint8), rows, columns)


def test_caption_writes_above_and_leaves_out_what_does_not_fit() -> None:
    tiles = np.full((2, 8, 20), 7, np.uint8)
    got = montage.caption(tiles, ["12", "far too long for it"])
    assert (got[:, -8:] == 7).all()
    assert got[0, :-8].min() < 200
    assert (got[1, :-8] == 255).all()
    with pytest.raises(ValueError, match="one text per tile"):
        montage.caption(tiles, ["1"])


def test_png_bytes_keep_every_pixel_and_are_the_same_every_time() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    png = montage.png_bytes(picture)
    assert png == montage.png_bytes(picture)
    with Image.open(io.BytesIO(png)) as image:
        np.testing.assert_array_equal(np.asarray(image), picture)
        assert not image.info
    for wrong in (np.zeros((2, 2)), np.zeros((0, 2), np.uint8), np.zeros((2, 2, 4), np.uint8)):
        with pytest.raises(ValueError, match="expected uint8"):
            montage.png_bytes(wrong)
