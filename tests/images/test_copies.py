"""Copies of a photo are found, whatever was done to the file; other photos are not."""

import io

import numpy as np
import pytest
from PIL import Image

from cnnviz.images import copies


def photo(seed: int, side: int = 96) -> np.ndarray:
    """Soft blobs of colour, as unlike for two seeds as two photographs."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype("uint8")
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def again(image: np.ndarray, size: tuple[int, int], quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).resize(size).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def test_copies_are_known_by_the_first_of_them() -> None:
    one, other = photo(1), photo(2)
    darker = (one * 0.6 + 20).astype("uint8")
    found = copies.photos([one, other, one, again(one, (224, 224), 60), again(other, (32, 20), 95), darker])
    assert found.tolist() == [0, 1, 0, 0, 1, 0]
    assert copies.photos([]).tolist() == []


def test_what_differs_is_another_photo() -> None:
    one = photo(3)
    shifted = np.roll(one, 24, axis=1)
    assert copies.photos([one, one[:, ::-1], shifted, one[24:72, 24:72], 255 - one]).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("channels", [1, 5])
def test_any_number_of_channels(channels: int) -> None:
    bands = [np.stack([photo(seed)[..., 0]] * channels, -1) for seed in (4, 5, 4)]
    assert copies.photos(bands).tolist() == [0, 1, 0]


def test_plain_colours_are_alike_where_the_colour_is() -> None:
    plain = [np.full((9, 7, 3), value, np.uint8) for value in (0, 200, 0, 90)]
    assert copies.photos([photo(6), *plain]).tolist() == [0, 1, 2, 1, 4]


def test_copies_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "ROWS", 4)
    monkeypatch.setattr(copies, "COLUMNS", 8)
    seeds = [*range(30), 0, 29, 13, 30, 13]
    assert copies.photos([photo(seed) for seed in seeds]).tolist() == [*range(30), 0, 29, 13, 33, 13]
