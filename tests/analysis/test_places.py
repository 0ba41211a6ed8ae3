"""Where in an image filters fire: against the Keras layers' own outputs, and against numbers worked out by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from cnnviz.analysis import places, watching
from cnnviz.analysis.observe import Observer
from cnnviz.analysis.seen import Seen
from cnnviz.errors import InputError
from cnnviz.images import ImageSet


def watched(model: Any, images: np.ndarray, raw: dict[str, Any], mapped: int, batch: int = 4) -> Any:
    n, size = len(images), images.shape[1]
    one = ImageSet(
        images,
        np.full((n, 2), size, np.int32),
        np.full(n, -1, np.int32),
        np.array([str(i) for i in range(n)]),
        np.array([], np.str_),
    )
    observer = Observer(model, {"input_shape": [size, size, 3], "preprocessing": raw})
    amounts = watching.Amounts(1, batch, n, mapped)
    found, _ = watching.watch(observer, {"some": one}, (size, size, 3), amounts, lambda _: None)
    return observer, found


@pytest.mark.parametrize("size", [24, 28, 31])
def test_cells_are_the_maxima_of_what_keras_computes(
    tiny: Callable[..., Any], raw: dict[str, Any], rng: np.random.Generator, size: int
) -> None:
    model = tiny(size)
    images = rng.integers(0, 256, (6, size, size, 3), np.uint8)
    _, found = watched(model, images, raw, mapped=5)
    for name in ("first", "dilated"):  # a side of `size`, finer than the cells, and one of a few positions
        outputs = np.asarray(keras.Model(model.input, model.get_layer(name).output)(images.astype("float32")))
        outputs = np.maximum(outputs, 0)
        layer = found[name]
        kept, highest = layer.sets["some"].places, outputs.max((0, 1, 2))
        np.testing.assert_allclose(np.maximum(layer.sets["some"].moments.maximum, 0), highest, rtol=1e-4)
        values, levels = kept.values(), kept.levels(highest)
        side = outputs.shape[1]
        cells = min(side, 14)
        assert values.shape == levels.shape == (5, outputs.shape[3], cells, cells)
        for y in range(cells):
            for x in range(cells):
                (top, bottom), (left, right) = ((c * side // cells, (c + 1) * side // cells) for c in (y, x))
                expected = outputs[:5, top:bottom, left:right].max((1, 2))
                np.testing.assert_allclose(values[:, :, y, x], expected, rtol=0.005, atol=1e-6)
                share = np.divide(expected, highest, out=np.zeros_like(expected), where=highest > 0)
                assert (np.abs(levels[:, :, y, x] / places.LEVELS - share**2) <= 0.5 / places.LEVELS + 0.01).all()


def test_what_is_no_number_or_not_above_zero_does_not_fire() -> None:
    unit = np.array([[-3.0, -1], [np.nan, 5], [np.inf, 1], [1e30, 4e29], [0, 0]], "f4").reshape(1, 5, 1, 2)
    kept = places.Places(1)
    kept.update(Seen(np.array([0]), unit, unit))
    levels = kept.levels(np.array([-1, np.nan, np.inf, 1e30, 0.0]))
    assert levels.reshape(5, 2).tolist() == [
        [0, 0],
        [0, 0],
        [0, 0],
        [places.LEVELS, round(places.LEVELS * 0.16)],
        [0, 0],
    ]
    assert places.share(levels[0, 3, 0, 0]) == 1
    assert places.quantised(np.array([0.09, 0.11, 5])).tolist() == [0, 1, places.LEVELS]


def test_edges_lie_halfway_between_what_neighbours_see() -> None:
    bounds, assumed = places.edges(np.array([2.0, 4, 8]), 10)  # of a map of 3: as many cells
    np.testing.assert_allclose(bounds, [0.1, 0.3, 0.6, 1.0])
    assert not assumed
    bounds, assumed = places.edges(np.full(4, 5.0), 10)  # each sees all
    np.testing.assert_allclose(bounds, [0, 0.25, 0.5, 0.75, 1])
    assert assumed
    bounds, _ = places.edges(np.arange(28) + 0.5, 28)
    np.testing.assert_allclose(bounds, np.arange(15) / 14, atol=1e-6)
    assert places.edges(np.array([3.0]), 10)[0].tolist() == [0, 1]


def test_a_cell_is_where_a_spot_in_the_image_makes_it_fire(raw: dict[str, Any]) -> None:
    """An unpadded layer of stride 3, off to one side: the spot's place is in the cell that answers."""
    layer = keras.layers.Conv2D(1, 3, strides=3, use_bias=False, kernel_initializer="ones", name="sums")
    inputs = keras.Input((30, 30, 3))
    model = keras.Model(inputs, layer(keras.layers.Cropping2D(((9, 0), (0, 3)))(inputs)))
    for y, x in ((9, 0), (20, 13), (29, 26)):
        images = np.zeros((1, 30, 30, 3), np.uint8)
        images[0, y, x] = 200
        observer, found = watched(model, images, raw, mapped=1)
        one = watching.placed(observer, found, (30, 30, 3))["sums"]
        cells = found["sums"].sets["some"].places.levels(one.highest)[0, 0]
        (row, column) = np.argwhere(cells)[0]
        assert np.count_nonzero(cells) == 1
        assert one.rows[row] <= (y + 0.5) / 30 <= one.rows[row + 1]
        assert one.columns[column] <= (x + 0.5) / 30 <= one.columns[column + 1]
        assert one.rows[0] == pytest.approx(0.3)
        assert one.columns[-1] == pytest.approx(0.9)
        assert not one.assumed


def test_a_layer_that_sees_the_whole_image_is_spread_over_it_and_says_so(raw: dict[str, Any]) -> None:
    inputs = keras.Input((16, 16, 3))
    every = keras.layers.GlobalAveragePooling2D(keepdims=True)(inputs)
    x = keras.layers.Conv2D(2, 1, name="late")(keras.layers.UpSampling2D(4)(every))
    images = np.full((1, 16, 16, 3), 9, np.uint8)
    observer, found = watched(keras.Model(inputs, x), images, raw, mapped=1)
    one = watching.placed(observer, found, (16, 16, 3))["late"]
    assert one.assumed
    np.testing.assert_allclose(one.rows, np.linspace(0, 1, 5))


def test_written_and_read_again(tmp_path: Path) -> None:
    layers = {
        name: places.Placed(np.array(top), np.linspace(0, 1, h + 1), np.linspace(0, 1, w + 1), odd)
        for name, top, h, w, odd in (("a", [1.0, np.nan], 2, 3, False), ("b", [2.0], 1, 1, True))
    }
    levels = [
        np.arange(2 * 2 * 6, dtype=np.uint8).reshape(2, 2, 2, 3),
        np.array([50, 51], np.uint8).reshape(2, 1, 1, 1),
    ]
    np.savez(tmp_path / "places.npz", **places.arrays(layers))
    read = places.read_places(tmp_path)
    assert [(name, one.shape, one.assumed) for name, one in read.items()] == [
        ("a", (2, 2, 3), False),
        ("b", (1, 1, 1), True),
    ]
    whole = places.rows(levels)
    for i in range(2):
        for name, part in zip("ab", levels, strict=True):
            np.testing.assert_array_equal(places.split(whole[str(i)], read)[name], part[i])
    with pytest.raises(InputError, match="dvc repro analyze@gone"):
        places.read_places(tmp_path / "gone")
