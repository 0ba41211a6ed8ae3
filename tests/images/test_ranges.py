"""In which range numbers are, told by the whole set; and sets that would be black."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnviz.errors import InputError
from cnnviz.images import own, ranges, sets


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "images" / "mine").mkdir(parents=True)
    return tmp_path / "images" / "mine"


def read(place: Path, count: int | None = None, **options: Any) -> sets.ImageSet:
    return own.Own(place, count, root=place.parent, **options).read()


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16, np.uint8, bool, np.float32, np.float64])
def test_masks_of_zero_and_one_are_black_and_white(dtype: Any, place: Path, rng: np.random.Generator) -> None:
    mask = rng.integers(0, 2, (20, 28, 28)).astype(dtype)
    np.save(place / "x.npy", mask)
    found = read(place)
    np.testing.assert_array_equal(found.images[..., 1], mask.astype(int) * 255)
    assert np.dtype(dtype).kind == "b" or any("1 became 255" in one or "times 255" in one for one in found.notes)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("high", [2, 16, 32])
def test_a_set_of_other_numbers_than_grey_levels_asks_to_be_scaled(dtype: Any, high: int, place: Path) -> None:
    digits = np.arange(high + 1).repeat(64).reshape(-1, 8, 8, 1).astype(dtype)
    np.save(place / "x.npy", digits)
    for count in (1, None):
        with pytest.raises(InputError, match=rf"x\.npy: .*numbers in 0\.\.{high}; expected 0\.\.255.*255 / {high}"):
            read(place, count)
    np.save(place / "x.npy", digits * (255 / high))  # as the line says
    assert read(place).images.max() == 255


def test_standardized_numbers_ask_to_be_scaled_from_their_lowest(place: Path) -> None:
    np.save(place / "x.npy", np.array([[-2.0, 0.5, 3.0]]))
    with pytest.raises(InputError, match=r"numbers in -2\.\.3; expected .* such as \(x \+ 2\) \* \(255 / 5\)"):
        read(place)


def test_a_dark_image_among_bright_ones_is_none_of_these(place: Path) -> None:
    for dtype in (np.uint8, np.int64, np.float32):
        np.save(place / "x.npy", np.stack([np.full((8, 8), 4), np.full((8, 8), 200)]).astype(dtype))
        assert read(place, 1).images[:, 0, 0, 0].tolist() == [4]
    np.save(place / "x.npy", np.full((1, 8, 8), 1.5))
    np.save(place / "y.npy", np.full((1, 8, 8), 250.0))
    np.save(place / "z.npy", np.zeros((1, 8, 8)))
    found = read(place)
    assert found.images[:, 0, 0, 0].tolist() == [2, 250, 0]
    assert "x.npy and 2 more: floating point, taken for numbers in 0..255" in found.notes[0]


def test_pictures_that_are_nearly_black_are_said_to_be(place: Path) -> None:
    Image.fromarray(np.array([[0, 1, 16]], np.uint8)).save(place / "a.png")
    (note,) = read(place).notes
    assert note.startswith("nearly black: the largest number of all images is 16 of 255; if these")
    Image.fromarray(np.array([[0, 1, 0]], np.uint8)).save(place / "a.png")
    found = read(place)
    assert found.images[0, 0, :, 0].tolist() == [0, 255, 0]
    assert found.notes == ("pictures hold 0 and 1 only, as masks do: 1 became 255",)


def test_ordinary_whole_numbers_get_a_note_that_makes_sense(place: Path, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (5, 8, 8, 3))
    pixels[0, 0, 0] = 255
    np.save(place / "x.npy", pixels)
    found = read(place)
    np.testing.assert_array_equal(found.images, pixels)
    assert found.notes[0] == "whole numbers were taken as 0..255 (the largest is 255)"


def test_how_many_are_asked_for_does_not_change_what_is_read(place: Path) -> None:
    """The first is dark: by itself it would be taken for 8 bits, or for 0..1."""
    for i, high in enumerate((200, 900, 4000)):
        Image.fromarray(np.full((4, 4), high, np.uint16)).save(place / f"{i}.png")
    np.save(place / "9.npy", np.array([np.full((4, 4), 0.5), np.full((4, 4), 100.0)]))
    every = read(place)
    assert every.images[:, 0, 0, 0].tolist() == [12, 56, 249, 0, 100]
    for count in (1, 2, 4):
        some = read(place, count)
        np.testing.assert_array_equal(some.images, every.images[:count])
        assert some.notes[:2] == every.notes[:2]
    np.testing.assert_array_equal(read(place, most=1).images, every.images[:1])
    (place / "9.npy").unlink()
    (place / "8.png").write_bytes((place / "2.png").read_bytes()[:45])  # damaged, and not asked for
    np.testing.assert_array_equal(read(place, 3).images, every.images[:3])
    with pytest.raises(InputError, match=r"8\.png: damaged"):
        read(place)


def test_so_many_files_are_looked_at(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i, high in enumerate((100, 200, 3000, 9000)):
        Image.fromarray(np.full((4, 4), high, np.uint16)).save(place / f"{i}.png")
    assert read(place, 1).images.max() == 2  # 14 bits
    monkeypatch.setattr(ranges, "MOST_FILES", 3)
    assert read(place, 1).images.max() == 6  # 12 bits: the fourth is not looked at
    monkeypatch.setattr(ranges, "MOST_FILES", 1)
    assert read(place, 3).images[:, 0, 0, 0].tolist() == [6, 12, 187]  # those asked for in any case
    monkeypatch.setattr(ranges, "MOST_BYTES", 1)
    assert read(place, 2).images[:, 0, 0, 0].tolist() == [100, 200]


def test_float_tiffs_are_said_to_be_such(place: Path) -> None:
    for name, high in (("a.tif", 1.0), ("b.tif", 255.0)):
        Image.fromarray(np.array([[0, high]], np.float32)).save(place / name)
    found = read(place)
    assert found.images[:, 0, :, 0].tolist() == [[0, 255], [0, 255]]
    assert found.notes[0].startswith("the files differ in that")
    assert [note.split(": ")[1] for note in found.notes[1:]] == [
        "floating point, taken for numbers in 0..1, times 255",
        "floating point, taken for numbers in 0..255",
    ]
    Image.fromarray(np.array([[0, 16]], np.float32)).save(place / "b.tif")
    with pytest.raises(InputError, match=r"b\.tif: numbers in 0\.\.16; expected"):
        read(place, 1)


def test_opaque_pictures_with_alpha_are_not_transparent(place: Path) -> None:
    pixels = np.full((4, 6, 4), 255, np.uint8)
    Image.fromarray(pixels).save(place / "a.png")
    Image.fromarray(pixels).save(place / "b.webp", lossless=True)
    assert read(place).notes == ()
    pixels[0, 0, 3] = 254
    Image.fromarray(pixels).save(place / "a.png")
    assert read(place).notes == ("1 transparent images were laid over white",)
