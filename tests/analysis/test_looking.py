"""What of a patch a filter looks at, on networks whose gradients are known."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy import ndimage, signal

from cnnviz.analysis import examples, observe
from cnnviz.analysis import watching as watch
from cnnviz.analysis.causes import looking, masks
from cnnviz.analysis.files import Pixels
from cnnviz.files import npz
from cnnviz.images.sets import ImageSet
from cnnviz.networks import receptive_field

SIZE = 24


def observer(network: keras.Model, raw: dict[str, Any], channels: int = 3) -> observe.Observer:
    shape = [*network.input_shape[1:3], channels]
    scaled = {**raw, "scale": [1 / 255] * channels, "offset": [0.0] * channels}
    return observe.Observer(network, {"input_shape": shape, "preprocessing": scaled})


def stack(*layers: keras.layers.Layer, channels: int = 3) -> keras.Model:
    return keras.Sequential([keras.Input((SIZE, SIZE, channels)), *layers])


def spots(
    watching: observe.Observer, layer: str, images: np.ndarray, wanted: Sequence[tuple[int, int, int, int]]
) -> list[looking.Spot]:
    """wanted: (filter, image, y, x)."""
    (batch,) = list(watching.batches(lambda some: images[some].astype(np.float32), len(images), len(images)))
    pre = batch[layer].pre
    positions = np.array([place[2:] for place in wanted])
    boxes = receptive_field.boxes(watching.convs[layer].output, positions).tolist()
    return [
        looking.Spot(k, i, (y, x), tuple(box), float(pre[i, k, y, x]))
        for (k, i, y, x), box in zip(wanted, boxes, strict=True)
    ]


def seen(watching: observe.Observer, layer: str, images: np.ndarray, wanted: Any) -> list[np.ndarray | None]:
    return looking.opacities(watching, layer, spots(watching, layer, images, wanted), lambda i: images[i])


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(1, 255, (3, SIZE, SIZE, 3), np.uint8)


def test_a_kernel_of_one_weight_sees_one_pixel(images: np.ndarray, raw: dict[str, Any]) -> None:
    conv = keras.layers.Conv2D(2, 5, activation="relu", name="conv")
    network = stack(conv)
    kernel = np.zeros((5, 5, 3, 2), np.float32)
    kernel[1, 3, :, 1] = -2  # its response is below 0, where a ReLU has no slope
    kernel[4, 0, 0, 0] = 1
    conv.set_weights([kernel, np.zeros(2)])
    one, other, border = seen(observer(network, raw), "conv", images, [(1, 0, 7, 9), (0, 2, 3, 3), (1, 1, 0, 0)])
    for found, place in ((one, (1, 3)), (other, (4, 0)), (border, (1, 3))):
        assert found is not None
        assert found.shape == (5, 5)
        assert found[place] == 255
        # Gaussian of 5/12 pixels: exp(-(12/5)² / 2) = 5.6% one pixel away, twice that where it is mirrored at the rim,
        # of 0.7 and a bit of the highest (98% between the two highest of 16)
        assert np.sort(found, None)[-2] < 45


def test_without_nonlinearity_the_slope_is_the_convolved_kernel(images: np.ndarray, raw: dict[str, Any]) -> None:
    rng = np.random.default_rng(4)
    first, then = rng.normal(0, 1, (3, 3, 3, 2)), rng.normal(0, 1, (5, 3, 2, 1))
    network = stack(keras.layers.Conv2D(2, 3, use_bias=False), keras.layers.Conv2D(1, (5, 3), use_bias=False, name="b"))
    for layer, kernel in zip(network.layers, (first, then), strict=True):
        layer.set_weights([kernel])
    whole = np.stack(
        [sum(signal.convolve2d(first[:, :, c, m], then[:, :, m, 0]) for m in range(2)) for c in range(3)], -1
    )
    depends = ndimage.gaussian_filter(np.abs(whole).sum(-1), (7 / 12, 5 / 12))
    expected = np.clip(depends / np.quantile(depends, 0.98), 0, 1) * 255
    (found,) = seen(observer(network, raw), "b", images, [(0, 1, 6, 11)])
    assert found is not None
    np.testing.assert_allclose(found, expected, atol=1)


@pytest.mark.parametrize("layer", ["first", "expand", "depthwise", "separable", "dilated"])
def test_a_part_of_the_image_gives_what_the_whole_gives(
    layer: str, raw: dict[str, Any], tiny: Callable[..., Any], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With strides, padding, a batch normalization and forks of channels; in the middle and at the borders."""
    large = rng.integers(1, 255, (2, 96, 96, 3), np.uint8)
    watching = observer(tiny(96), raw)
    side = watching.convs[layer].output.shape[1]
    wanted = [(1, i, y, x) for i in (0, 1) for y, x in ((0, 0), (side // 2, side // 3), (side - 1, side // 2))]
    places = spots(watching, layer, large, wanted)
    one = looking._Layer(watching, layer)
    assert min(one.steps) > 0
    boxes = np.array([place.box for place in places])
    assert max(looking.parts(boxes, one.size, one.steps)[1]) <= 48  # a part, for certain
    by_parts = one.opacities(places, lambda i: large[i], one.steps, False)
    whole = one.opacities(places, lambda i: large[i], (0, 0), False)
    for found, expected in zip(by_parts, whole, strict=True):
        assert found is not None
        assert expected is not None
        np.testing.assert_allclose(found.astype(int), expected, atol=1)
    monkeypatch.setattr(looking, "MEMORY", 1)  # one patch after the other
    alone = one.opacities(places, lambda i: large[i], one.steps, True)  # where the processor has bfloat16
    assert np.abs(np.array(alone, int) - np.array(by_parts)).mean() < 4  # of 255


def test_where_a_part_gives_something_else_the_whole_image_is_taken(raw: dict[str, Any], images: np.ndarray) -> None:
    """Scaled down by 4 and up again a map is as fine as the image, but a part that begins at pixel 7 is another one."""
    keras.utils.set_random_seed(2)
    network = stack(
        keras.layers.Conv2D(3, 3, padding="same"),
        keras.layers.MaxPooling2D(4),
        keras.layers.UpSampling2D(4),
        keras.layers.Conv2D(2, 9, name="after"),
    )
    watching = observer(network, raw)
    one = looking._Layer(watching, "after")
    wanted = [(0, 0, 9, 10), (1, 2, 12, 8)]
    places = spots(watching, "after", images, wanted)
    assert one.steps == (1, 1)
    with pytest.raises(ArithmeticError):
        one.opacities(places, lambda i: images[i], one.steps, False)
    expected = one.opacities(places, lambda i: images[i], (0, 0), False)
    np.testing.assert_array_equal(np.array(seen(watching, "after", images, wanted)), np.array(expected))
    lower = [True, False]
    looking.opacities(watching, "after", places, lambda i: images[i], lower)
    assert lower == [False]  # later layers are not tried in bfloat16


def test_a_size_of_its_own_is_no_hindrance(raw: dict[str, Any], images: np.ndarray) -> None:
    layers = keras.layers
    network = stack(layers.Reshape((SIZE * SIZE, 3)), layers.Reshape((SIZE, SIZE, 3)), layers.Conv2D(1, 3, name="last"))
    (found,) = seen(observer(network, raw), "last", images, [(0, 0, 4, 4)])
    assert found is not None


def test_grey_images(raw: dict[str, Any], rng: np.random.Generator) -> None:
    keras.utils.set_random_seed(2)
    grey = rng.integers(1, 255, (1, SIZE, SIZE, 1), np.uint8)
    network = stack(keras.layers.Conv2D(1, 3, name="conv"), channels=1)
    watching = observer(network, {**raw, "reverse_channels": False}, 1)
    (found,) = seen(watching, "conv", grey, [(0, 0, 4, 4)])
    assert found is not None
    assert found.shape == (3, 3)


def test_what_cannot_be_known_is_none(raw: dict[str, Any], images: np.ndarray) -> None:
    silent = keras.layers.Conv2D(2, 3, activation="relu", bias_initializer=keras.initializers.Constant(-100))
    network = stack(silent, keras.layers.Conv2D(1, 3, name="behind"))
    assert seen(observer(network, raw), "behind", images, [(0, 0, 4, 4)]) == [None]
    rounded = stack(keras.layers.Lambda(keras.ops.round), keras.layers.Conv2D(1, 3, name="behind"))
    assert seen(observer(rounded, raw), "behind", images, [(0, 0, 4, 4)]) == [None]
    broken = keras.layers.Conv2D(1, 3, name="broken")
    network = stack(broken)
    broken.set_weights([np.full((3, 3, 3, 1), np.nan), np.zeros(1)])
    assert seen(observer(network, raw), "broken", images, [(0, 0, 4, 4)]) == [None]
    assert masks.opacity(np.zeros((0, 3, 3)), (-3, 0, 0, 3), (SIZE, SIZE), (3, 3)) is None  # padding alone


def test_parts_hold_their_boxes_in_whole_steps() -> None:
    boxes = np.array([[5, -3, 12, 9], [20, 20, 27, 32]])
    starts, canvas = looking.parts(boxes, (24, 32), (4, 8))
    assert canvas == (12, 16)  # rows 4..12 and 20..24: 8, three eighths; columns 0..16 and 16..32: four
    assert starts.tolist() == [[4, 0], [12, 16]]
    assert looking.parts(boxes, (24, 32), (0, 8))[1] == (24, 16)
    assert looking.parts(boxes[:1], (48, 32), (8, 1))[1] == (24, 12)  # rows 0..16: 18 of 48; columns 0..9: 12 of 32


@pytest.mark.parametrize("side", [224, 96, 299])
def test_parts_are_of_few_sizes(side: int) -> None:
    spans = range(1, side + 1)
    sizes = [looking.parts(np.array([[0, 0, span, 1]]), (side, side), (1, 1))[1][0] for span in spans]
    assert len(set(sizes)) == looking.SIDES
    assert all(span <= size <= span + side / looking.SIDES + 1 for span, size in zip(spans, sizes, strict=True))


def test_masked_by_hand() -> None:
    image = np.full((6, 6, 3), 228, np.uint8)
    box = (-1, 2, 3, 6)
    half = np.full((4, 4), 51, np.uint8)  # a fifth
    half[1, 0] = 255  # of the image: row 0, column 2
    shown = masks.masked(image, box, half)
    expected = np.full((6, 6, 3), examples.GREY)
    expected[:3, 2:] = 148  # 128 + 100 / 5
    expected[0, 2] = 228
    np.testing.assert_array_equal(shown, expected)


def test_large_boxes_are_kept_small() -> None:
    slope = np.zeros((300, 200, 1))
    slope[:150] = 1
    found = masks.opacity(slope, (0, 0, 300, 200), (300, 200), masks.grid(np.array([[0, 0, 300, 200]])))
    assert found is not None
    assert found.shape == (48, 48)
    assert found[:12].min() == 255
    assert found[-12:].max() == 0
    shown = masks.masked(np.zeros((300, 200, 3), np.uint8), (0, 0, 300, 200), found)
    assert shown[:75].max() == 0
    assert shown[-75:].min() == examples.GREY


def test_stored_masks_are_found_by_image_and_box(tmp_path: Path) -> None:
    boxes = np.array([[[0, 0, 2, 2], [3, 3, 5, 5]]] * 8)
    top = {"top_set": np.array([[1, 0]] * 8), "top_image": np.array([[2, 0]] * 8), "top_box": boxes}
    for folder in ("examples", "masks"):
        (tmp_path / folder).mkdir()
    npz.write(tmp_path / "examples" / "conv.npz", {"sets": np.array(["a", "b"]), **top})
    opacity = np.zeros((1, 2, 2, 2), np.uint8)
    opacity[0, 0], opacity[0, 1, 0, 0] = 255, 255
    arrays = {"filters": np.array([7]), "opacity": opacity, "known": np.array([[True, True]])}
    npz.write(tmp_path / "masks" / "conv.npz", arrays)
    starts = {"a": 0, "b": 3}  # numbers of the first image of each set
    found = masks.known_masks(tmp_path, "conv", starts)
    assert list(found) == [7]
    assert set(found[7]) == {(5, 0, 0, 2, 2), (0, 3, 3, 5, 5)}  # image 2 of the second set, 0 of the first
    np.testing.assert_array_equal(found[7][0, 3, 3, 5, 5], opacity[0, 1])
    npz.write(tmp_path / "masks" / "conv.npz", {**arrays, "known": np.array([[True, False]])})
    assert set(masks.known_masks(tmp_path, "conv", starts)[7]) == {(5, 0, 0, 2, 2)}
    assert not masks.read_masks(tmp_path, "other")
    assert masks.known_masks(tmp_path, "other", starts) == {}


def test_masks_are_those_of_the_top_examples_and_the_same_bytes_twice(
    tmp_path: Path, images: np.ndarray, raw: dict[str, Any]
) -> None:
    conv = keras.layers.Conv2D(3, 5, padding="same", name="conv")
    network = stack(conv)
    kernel = np.zeros((5, 5, 3, 3), np.float32)
    for k in range(3):
        kernel[k, 4 - k, :, k] = 1
    conv.set_weights([kernel, np.zeros(3)])
    watching = observer(network, raw)
    labels, names = np.full(3, -1, np.int32), np.array(["x"] * 3)
    sets = {"s": ImageSet(images, np.full((3, 2), SIZE, np.int32), labels, names, np.array([]))}
    found, _ = watch.watch(watching, sets, (SIZE, SIZE, 3), watch.Amounts(3, 4, 6, 0), lambda n: None)
    located = watch.located(watching, found, {"conv": [0]})
    pixels = Pixels(sets, (SIZE, SIZE, 3))
    for folder in ("once", "twice"):
        looking.write_masks(watching, located, {"conv": [0, 1, 2]}, 2, pixels, tmp_path / folder)
    one, other = ((tmp_path / folder / "masks" / "conv.npz").read_bytes() for folder in ("once", "twice"))
    assert one == other
    stored = masks.read_masks(tmp_path / "once", "conv")
    assert list(stored.seen) == [0, 2]  # evenly spread
    for k in (0, 2):
        assert stored.known[k].tolist() == [True] * 3
        for (top, left, *_), seen in zip(located["conv"].top[k].tolist(), stored.seen[k], strict=True):
            if min(top + k, left + 4 - k) > 0:  # its weight is not at the rim, which is continued outwards
                assert np.unravel_index(seen.argmax(), seen.shape) == (k, 4 - k)
    looking.write_masks(watching, located, {"conv": [0]}, 0, pixels, tmp_path / "none")
    assert not (tmp_path / "none").exists()
