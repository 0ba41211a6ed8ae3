"""What natural images do in a layer: read back from files, measured on arrays, scaled to the canvas."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from cnnviz.activations import nature
from cnnviz.errors import InputError
from cnnviz.images.sets import ImageSet


def image_set(*shapes: tuple[int, int], value: int = 100) -> ImageSet:
    """One image per (height, width), image i of the one colour `value` + i; the padding around it is 0."""
    height, width = (max(side) for side in zip(*shapes, strict=True))
    pixels = np.zeros((len(shapes), height, width, 3), np.uint8)
    for i, (h, w) in enumerate(shapes):
        pixels[i, :h, :w] = value + i
    unknown = np.full(len(shapes), -1, np.int32)
    return ImageSet(pixels, np.array(shapes, np.int32), unknown, np.array(["a"] * len(shapes)), np.array(["b"]))


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    folder = tmp_path / "net"
    for name, shift, count in (("photos", 0, 2), ("icons", 10, 1)):
        (folder / name).mkdir(parents=True)
        peaks = np.array([[1, 8, 3], [4, 5, 3]], "float32")[:count] + shift
        arrays = {"conv.1/peak": peaks, "conv.1/feature": peaks / 2, "conv/peak": peaks * 0, "conv/feature": peaks * 0}
        arrays |= {"conv.1/drive": peaks / 4, "conv/drive": peaks * 0}
        places = np.arange(6, dtype="int16").reshape(3, 2) + np.zeros((count, 1, 1), "int16") + shift
        arrays |= {"conv.1/place": places, "conv/place": places * 0}
        np.savez(folder / name / "per_image.npz", allow_pickle=False, **arrays)
    return folder


def test_sets_are_read_in_the_order_asked_for(stored: Path) -> None:
    found = nature.read(stored, "conv.1", ["photos", "icons"])
    assert found.peaks.tolist() == [[1, 8, 3], [4, 5, 3], [11, 18, 13]]
    assert found.features.tolist() == [[0.5, 4, 1.5], [2, 2.5, 1.5], [5.5, 9, 6.5]]
    assert found.drives.tolist() == [[0.25, 2, 0.75], [1, 1.25, 0.75], [2.75, 4.5, 3.25]]
    assert found.places[[0, 2], 1].tolist() == [[2, 3], [12, 13]]
    assert found.images == (("photos", 0), ("photos", 1), ("icons", 0))
    turned = nature.read(stored, "conv.1", ["icons", "photos"])
    assert turned.peaks.tolist() == [[11, 18, 13], [1, 8, 3], [4, 5, 3]]
    assert turned.images == (("icons", 0), ("photos", 0), ("photos", 1))


def test_best_is_the_image_of_the_highest_peak_the_first_of_equals(stored: Path) -> None:
    found = nature.read(stored, "conv.1", ["photos"])
    assert [found.best(k) for k in range(3)] == [1, 0, 0]
    assert [found.strongest(k, 3) for k in range(3)] == [[1, 0], [0, 1], [0, 1]]
    assert nature.Nature(*[np.zeros((0, 3), "float32")] * 4, ()).best(1) is None


def test_errors_say_what_to_run_or_which_layers_there_are(stored: Path) -> None:
    with pytest.raises(InputError, match=r"no layer 'conv\.2'; nearest: conv\.1, conv"):
        nature.read(stored, "conv.2", ["photos"])
    with pytest.raises(InputError, match="not found; run `dvc repro --force feature_maps@net`"):
        nature.read(stored, "conv", ["photos", "none"])
    with pytest.raises(InputError, match="no image set"):
        nature.read(stored, "conv", [])
    file = stored / "icons" / "per_image.npz"
    for content in (file.read_bytes()[:200], b"", b"text"):
        file.write_bytes(content)
        with pytest.raises(InputError, match="damaged"):
            nature.read(stored, "conv", ["icons"])


def test_arrays_are_measured_as_keras_computes_them(
    tiny: Callable[..., Any], raw: dict[str, Any], rng: np.random.Generator
) -> None:
    network = tiny(24)
    spec = {**raw, "scale": [0.01] * 3, "offset": [-1.0, 0.0, 1.0], "reverse_channels": True}
    images = rng.integers(0, 256, (10, 24, 24, 3)).astype("uint8")  # more than one batch
    found = nature.measure(network, spec, "expand", images)
    inner = network.get_layer("inner")
    plain = images[..., ::-1].astype("float32") * np.float32(0.01) + np.array([-1, 0, 1], "float32")
    pooled = keras.Model(network.input, network.get_layer("pool").output)(plain)
    before = keras.Model(inner.input, inner.get_layer("expand_bn").output)(pooled).numpy()
    np.testing.assert_allclose(found.peaks, before.max((1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.features, np.clip(before, 0, 6).mean((1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.drives, np.maximum(before, 0).mean((1, 2)), rtol=1e-4, atol=1e-5)
    assert found.images == tuple(("", i) for i in range(10))
    again = nature.measure(network, spec, "expand", images.astype("float64"))
    np.testing.assert_array_equal(again.peaks, found.peaks)


@pytest.mark.parametrize("channels", [1, 5])
def test_any_number_of_channels(channels: int, rng: np.random.Generator) -> None:
    keras.utils.set_random_seed(2)
    layer = keras.layers.Conv2D(4, 3, strides=2, name="c")
    network = keras.Sequential([keras.Input((None, None, channels)), layer, keras.layers.ReLU()])
    spec = {"scale": [1 / 255] * channels, "offset": [-0.5] * channels, "reverse_channels": False}
    images = rng.uniform(0, 255, (3, 9, 12, channels)).astype("float32")
    found = nature.measure(network, spec, "c", images)
    expected = layer(images / np.float32(255) - np.float32(0.5)).numpy()
    np.testing.assert_allclose(found.peaks, expected.max((1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.features, np.maximum(expected, 0).mean((1, 2)), rtol=1e-4, atol=1e-5)
    flat = expected.reshape(3, -1, 4).argmax(1)  # each position sees 3 pixels, 2 from the next
    np.testing.assert_array_equal(found.places, 1 + 2 * np.stack(np.divmod(flat, expected.shape[2]), -1))
    by_function = nature.measure(network, lambda x: x / 255 - 0.5, "c", images)
    np.testing.assert_allclose(by_function.peaks, found.peaks, rtol=1e-4, atol=1e-5)


def test_no_images_is_an_empty_measure_and_a_wrong_layer_an_error(
    tiny: Callable[..., Any], raw: dict[str, Any]
) -> None:
    found = nature.measure(tiny(), raw, "expand", np.zeros((0, 24, 24, 3), "uint8"))
    assert found.peaks.shape == found.features.shape == found.drives.shape == (0, 8)
    assert found.best(0) is None
    with pytest.raises(InputError, match="no conv layer 'expnd'; nearest: expand"):
        nature.measure(tiny(), raw, "expnd", np.zeros((1, 24, 24, 3), "uint8"))
    with pytest.raises(InputError, match=r"expected \(m, height, width, channels\)"):
        nature.measure(tiny(), raw, "expand", np.zeros((24, 24, 3), "uint8"))


def test_pictures_are_those_that_need_no_enlarging() -> None:
    sets = {"a": image_set((40, 20), (16, 16), value=100), "b": image_set((15, 90), (17, 16), value=200)}
    found = nature.pictures(sets, 16)
    assert found.shape == (3, 16, 16, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.min((1, 2, 3)) * 255, [100, 101, 201], atol=1e-4)  # (15, 90) is left out
    np.testing.assert_allclose(found.max((1, 2, 3)) * 255, [100, 101, 201], atol=1e-4)


def test_pictures_are_all_of_them_where_every_one_is_too_small() -> None:
    sets = {"a": image_set((8, 8), value=100), "b": image_set((15, 90), (9, 9), value=200)}
    found = nature.pictures(sets, 16)
    np.testing.assert_allclose(found.mean((1, 2, 3)) * 255, [100, 200, 201], atol=1e-4)
    assert nature.pictures({}, 16).shape == (0, 16, 16, 3)


def test_pictures_of_a_large_set_are_256_from_its_first_to_its_last() -> None:
    """766 = 3 * 255 + 1 images that are large enough: every third."""
    pixels = np.zeros((767, 4, 4, 3), np.uint8)
    pixels[1:] = (np.arange(766) % 251).astype(np.uint8)[:, None, None, None]
    sizes = np.array([(2, 4)] + [(4, 4)] * 766, np.int32)  # the first one is too small
    names = np.array(["a"] * 767)
    large = ImageSet(pixels, sizes, np.full(767, -1, np.int32), names, np.array(["b"]))
    found = nature.pictures({"small": image_set((4, 4)), "large": large}, 4)
    assert len(found) == 1 + 256
    np.testing.assert_allclose(found[1:, 0, 0, 0] * 255, np.arange(0, 766, 3) % 251, atol=1e-4)


def test_pictures_are_those_that_the_network_sees(rng: np.random.Generator) -> None:
    large = image_set((20, 30), (12, 40))
    found = nature.pictures({"large": large}, (15, 25), 1)
    assert found.shape == (1, 15, 25, 1)
    scaled = Image.fromarray(large.image(0)).resize((25, 15), Image.Resampling.BILINEAR).convert("L")
    np.testing.assert_array_equal(found[0, ..., 0], np.asarray(scaled, np.float32) / np.float32(255))
    assert nature.pictures({}, (4, 6), 12).shape == (0, 4, 6, 12)
