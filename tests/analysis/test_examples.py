"""The streamed examples are those that sorting everything finds; patches show what the boxes say."""

import numpy as np
import pytest
from PIL import Image

from cnnviz.analysis import examples, files
from cnnviz.analysis.seen import Seen
from cnnviz.images import ImageSet


@pytest.mark.parametrize("size", [1, 3, 20])
@pytest.mark.parametrize("sign", [1, -1])
def test_streamed_equals_sorted(size: int, sign: int, rng: np.random.Generator) -> None:
    pre = rng.integers(-9, 9, size=(20, 4, 3, 5)).astype("float32")  # many equal values
    found = examples.Extremes(4, 6, sign)
    for part in (range(12), range(12, 20)):  # two image sets
        for start in range(part.start, part.stop, size):
            batch = pre[start : min(start + size, part.stop)]
            found.update(Seen(np.arange(len(batch)) + start - part.start, batch, np.maximum(batch, 0)))
        found.start += len(part)
    for k in range(4):
        rows = []
        for i, image in enumerate(pre[:, k]):
            best = max((sign * v, -y * 5 - x) for (y, x), v in np.ndenumerate(image))
            rows.append((-best[0], i, divmod(-best[1], 5)))
        expected = sorted(rows)[:6]
        assert found.images[k].tolist() == [i for _, i, _ in expected]
        assert found.values[k].tolist() == [-sign * v for v, _, _ in expected]
        assert [tuple(p) for p in found.positions[k].tolist()] == [p for _, _, p in expected]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("size", [1, 3, 20])
def test_a_photo_takes_one_place_however_many_copies_there_are(size: int, sign: int, rng: np.random.Generator) -> None:
    photos = np.array([0, 1, 0, 3, 3, 3, 1, 7, 0, 9, 10, 11])
    pre = rng.integers(-9, 9, size=(12, 5, 2, 2)).astype("float32")
    for count in (4, 9):  # of seven photos
        found = examples.Extremes(5, count, sign, photos)
        for part in (range(7), range(7, 12)):  # copies within a set and in two
            for start in range(part.start, part.stop, size):
                batch = pre[start : min(start + size, part.stop)]
                found.update(Seen(np.arange(len(batch)) + start - part.start, batch, batch))
            found.start += len(part)
        for k in range(5):
            best = {}  # of each photo: its best copy
            for i, image in enumerate(sign * pre[:, k]):
                best.setdefault(photos[i], []).append((-image.max(), i))
            expected = sorted(min(copies) for copies in best.values())[:count]
            assert found.images[k].tolist() == [i for _, i in expected]
            assert found.values[k].tolist() == [-sign * v for v, _ in expected]


def test_what_is_no_number_has_no_copies_either() -> None:
    found = examples.Extremes(2, 3, 1, np.array([0, 0, 2, 2, 4]))
    pre = np.array([[np.nan, 1], [np.nan, 2], [np.nan, 3], [np.nan, 4], [np.nan, 5]], "float32")[..., None, None]
    found.update(Seen(np.arange(5), pre, pre))
    assert found.images.tolist() == [[0, 2, 4], [4, 3, 1]]


def test_fewer_images_than_asked() -> None:
    found = examples.Extremes(1, 9, 1)
    found.update(Seen(np.arange(2), np.array([[[[1.0]]], [[[3.0]]]], "float32"), np.zeros((2, 1, 1, 1))))
    assert found.images.tolist() == [[1, 0]]


def test_windows_are_grey_beyond_the_image() -> None:
    image = np.arange(1, 49, dtype=np.uint8).reshape(4, 4, 3)
    found = examples.window(image, (-1, 2, 2, 5))
    assert found.shape == (3, 3, 3)
    np.testing.assert_array_equal(found[1:, :2], image[:2, 2:])
    assert (found[0] == 128).all()
    assert (found[:, 2] == 128).all()
    np.testing.assert_array_equal(examples.crop(image, (-1, 2, 2, 5)), image[:2, 2:])
    np.testing.assert_array_equal(examples.window(image, (-9, -9, 9, 9)), image)  # sees more than the image


@pytest.mark.parametrize("box", [(-1, 2, 2, 5), (0, 0, 4, 4), (-9, -9, 9, 9), (3, -2, 5, 1), (4, 0, 6, 2)])
def test_what_is_looked_at_is_cut_off_where_the_image_ends(box: tuple[int, int, int, int]) -> None:
    image = np.arange(1, 49, dtype=np.uint8).reshape(4, 4, 3)
    pixels = [(y, x) for y in range(box[0], box[2]) for x in range(box[1], box[3])]
    there = [image[y, x] for y, x in pixels if 0 <= y < 4 and 0 <= x < 4]
    assert examples.outside(box, 4, 4) == pytest.approx(1 - len(there) / len(pixels))
    found = examples.cut(image, box)
    if there:
        np.testing.assert_array_equal(found.reshape(-1, 3), there)
    else:  # the unit sees padding alone
        assert found.tolist() == [[[128] * 3]]


def test_the_inset_is_what_a_tile_leaves_white() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    for box in ((-5, 0, 10, 10), (0, 12, 10, 26), (2, 2, 8, 8), (25, 0, 30, 5)):
        tile = examples.tile(examples.cut(image, box), 100)
        above, left = (round(100 * share) for share in examples.inset(box, 20, 20))
        inside = tile[above : 100 - above, left : 100 - left]
        assert (inside != 255).all()
        assert (tile == 255).all(2).sum() == 100 * 100 - inside.shape[0] * inside.shape[1]


def test_tiles_keep_small_patches_sharp() -> None:
    patch = np.array([[[0] * 3, [255] * 3], [[255] * 3, [0] * 3]], np.uint8)
    np.testing.assert_array_equal(examples.tile(patch, 6), patch.repeat(3, 0).repeat(3, 1))
    assert (examples.tile(patch.repeat(6, 0).repeat(6, 1), 6)[1, 1] == 0).all()


def test_tiles_keep_proportions() -> None:
    wide = np.zeros((2, 8, 3), np.uint8)
    wide[:, 4:] = 200
    tile = examples.tile(wide, 16)
    assert tile.shape == (16, 16, 3)
    assert (tile[:6] == 255).all()
    assert (tile[10:] == 255).all()
    assert (tile[6:10, :8] == 0).all()
    assert (tile[6:10, 8:] == 200).all()
    assert examples.tile(np.zeros((66, 200, 3), np.uint8), 48)[16:32].max() == 0


@pytest.mark.parametrize("channels", [1, 3, 4, 12])
def test_pixels_are_seen_in_the_networks_channels_and_drawn_as_rgb(channels: int, rng: np.random.Generator) -> None:
    stored = rng.integers(0, 256, (2, 6, 9, 12 if channels == 12 else 3)).astype(np.uint8)
    names = np.array(["a", "b"])
    one = ImageSet(stored, np.full((2, 2), (6, 9), np.int32), np.full(2, -1, np.int32), names, np.array([], str))
    pixels = files.Pixels({"one": one}, (6, 9, channels), [3, 2, 1] if channels == 12 else None)
    seen = pixels.seen(1)
    assert seen.shape == (6, 9, channels)
    if channels == 1:
        wanted = np.asarray(Image.fromarray(stored[1]).convert("L"))
        np.testing.assert_array_equal(seen[..., 0], wanted)
        np.testing.assert_array_equal(pixels[1], np.repeat(wanted[..., None], 3, axis=2))
    elif channels == 12:
        np.testing.assert_array_equal(seen, stored[1])
        np.testing.assert_array_equal(pixels[1], stored[1][..., [3, 2, 1]])
    else:
        np.testing.assert_array_equal(pixels[1], stored[1])
