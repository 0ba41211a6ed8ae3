"""Images as networks of 1, 3, 4 and any other number of channels see them; expected values from Pillow."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz.errors import InputError
from cnnviz.files import npz
from cnnviz.images import feeding, sets


def image_set(images: np.ndarray) -> sets.ImageSet:
    n, h, w, _ = images.shape
    names = np.array([str(i) for i in range(n)])
    return sets.ImageSet(images, np.full((n, 2), (h, w), np.int32), np.full(n, -1, np.int32), names, np.array([], str))


@pytest.fixture
def rgb(rng: np.random.Generator) -> sets.ImageSet:
    return image_set(rng.integers(0, 256, (3, 9, 7, 3)).astype(np.uint8))


def test_three_channels_are_fed_as_they_are_scaled(rgb: sets.ImageSet) -> None:
    np.testing.assert_array_equal(feeding.fed(rgb, [2, 0], (5, 6, 3)), sets.resized(rgb, [2, 0], (5, 6)))


def test_grey_networks_see_the_luminance_of_the_scaled_image(rgb: sets.ImageSet) -> None:
    found = feeding.fed(rgb, range(3), (66, 20, 1))
    assert found.shape == (3, 66, 20, 1)
    assert found.dtype == np.float32
    for i in range(3):
        scaled = Image.fromarray(rgb.image(i)).resize((20, 66), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(found[i, ..., 0], np.asarray(scaled.convert("L"), np.float32))


def test_every_colour_has_pillows_luminance() -> None:
    every = np.stack(np.meshgrid(*[np.arange(0, 256, 5)] * 3), -1).reshape(1, -1, 3).astype(np.uint8)
    wanted = np.asarray(Image.fromarray(every).convert("L"), np.float32)
    np.testing.assert_array_equal(feeding.converted(every.astype(np.float32), 1)[..., 0], wanted)
    grey = np.arange(256, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(feeding.converted(feeding.converted(grey, 3), 1), grey)
    fraction = feeding.converted(np.array([[10.25, 20.5, 30.0]], np.float32), 1)
    np.testing.assert_allclose(fraction, 0.299 * 10.25 + 0.587 * 20.5 + 0.114 * 30, rtol=1e-4)


def test_other_numbers_of_channels(rgb: sets.ImageSet, rng: np.random.Generator) -> None:
    four = feeding.fed(rgb, [1], (9, 7, 4))
    np.testing.assert_array_equal(four[..., :3], rgb.images[1:2])
    assert (four[..., 3] == 255).all()
    bands = image_set(rng.integers(0, 256, (2, 6, 8, 12)).astype(np.uint8))
    np.testing.assert_array_equal(feeding.fed(bands, [0, 1], (6, 8, 12)), bands.images)
    with pytest.raises(InputError, match="12 channels, the network sees 3 channels"):
        feeding.fed(bands, [0], (6, 8, 3))
    with pytest.raises(InputError, match=r"image 5: the set has 0\.\.1"):
        feeding.fed(bands, [5], (6, 8, 12))


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Path]:
    def write(**made: sets.ImageSet) -> Path:
        (tmp_path / "images").mkdir()
        for name, one in made.items():
            npz.write(tmp_path / "images" / f"{name}.npz", one.arrays())
        (tmp_path / "images" / "images.json").write_text(json.dumps({key: {} for key in made}))
        return tmp_path

    return write


def test_sets_that_do_not_suit_are_left_out(
    store: Callable[..., Path], rgb: sets.ImageSet, capsys: pytest.CaptureFixture[str]
) -> None:
    artifacts = store(photos=rgb, bands=image_set(np.zeros((2, 6, 8, 12), np.uint8)))
    names = ["absent", "bands", "photos"]  # absent: the stage left it out, for want of a network
    assert list(feeding.load_sets(artifacts, names)) == ["bands", "photos"]
    notes: list[str] = []
    assert list(feeding.load_sets(artifacts, names, 1, notes)) == ["photos"]
    assert notes == ["image sets left out: bands 12 channels, the network sees 1"]
    assert "image sets left out: bands 12 channels, the network sees 1" in capsys.readouterr().err
    assert list(feeding.load_sets(artifacts, names, 12)) == ["bands"]
    with pytest.raises(InputError, match=r"none for a network of 5 channels \(bands 12 channels, photos 3 channels\)"):
        feeding.load_sets(artifacts, names, 5)
    with pytest.raises(InputError, match="none of absent is there; run `dvc repro --force images`"):
        feeding.load_sets(artifacts, ["absent"], 3)
    found = feeding.load_sets(artifacts, names, 4)
    assert feeding.conversions(found, 4) == [feeding.ALPHA]
    assert feeding.conversions(found, 1) == ["grey network: the images were converted by luminance"]
    assert feeding.conversions(found, 3) == []
