"""Feature maps and their statistics equal what Keras and NumPy compute."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from cnnviz import activations, models


@pytest.fixture
def maps(tiny: Callable[..., Any], raw: dict[str, Any]) -> tuple[Any, activations.FeatureMaps]:
    network = tiny()
    spec = {**raw, "scale": [0.01] * 3, "offset": [-1.0, 0.0, 1.0], "reverse_channels": True}
    return network, activations.FeatureMaps(network, {"input_shape": [24, 24, 3], "preprocessing": spec})


def test_maps_equal_the_plain_keras_sub_model(maps: Any, rng: np.random.Generator) -> None:
    network, computed = maps
    images = rng.uniform(0, 255, (11, 24, 24, 3)).astype("float32")
    every = {name: list(range(conv.filters)) for name, conv in computed.convs.items()}
    got = computed.maps(lambda i: images[list(i)], range(11), every)
    plain = images[..., ::-1] * np.float32(0.01) + np.array([-1, 0, 1], "float32")
    inner = network.get_layer("inner")
    pooled = keras.Model(network.input, network.get_layer("pool").output)(plain)
    expected = {
        "first": keras.Model(network.input, network.get_layer("first").output)(plain),
        "expand": keras.Model(inner.input, inner.get_layer("expand").output)(pooled),
        "depthwise": inner(pooled),
        "separable": keras.Model(network.input, network.get_layer("separable").output)(plain),
        "dilated": network(plain),
    }
    for name, values in expected.items():
        values = values.numpy()
        np.testing.assert_allclose(got[name], values, rtol=1e-5, atol=1e-5 * np.abs(values).max(), err_msg=name)


def test_statistics_by_numpy(maps: Any, rng: np.random.Generator) -> None:
    network, computed = maps
    images = rng.uniform(0, 255, (11, 24, 24, 3)).astype("float32")  # more than one batch
    seen: list[int] = []
    found = computed.statistics(lambda i: images[list(i)], 11, seen.append)
    assert sum(seen) == 11
    plain = models.preprocess(images, computed.preprocessing)
    pooled = keras.Model(network.input, network.get_layer("pool").output)(plain)
    inner = network.get_layer("inner")
    units = {
        "first": keras.Model(network.input, network.get_layer("first").output)(plain).numpy(),
        "expand": keras.Model(inner.input, inner.get_layer("expand_relu").output)(pooled).numpy(),
    }
    for name, unit in units.items():
        entry = found[name].as_dict()
        np.testing.assert_allclose(entry["firing_rate"], (unit > 0).mean((0, 1, 2)), rtol=1e-6, atol=1e-4)
        np.testing.assert_allclose(entry["mean"], unit.mean((0, 1, 2), dtype="float64"), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(entry["maximum"], unit.max((0, 1, 2)), rtol=1e-5)
        assert entry["never_active"] == (unit.max((0, 1, 2)) <= 0).tolist()
    assert found["expand"].measured_at == "expand_relu"


def test_a_silenced_filter_is_never_active(maps: Any, rng: np.random.Generator) -> None:
    network, computed = maps
    first = network.get_layer("first")
    kernel, bias = first.get_weights()
    bias[2] = -1e6
    first.set_weights([kernel, bias])
    images = rng.uniform(0, 255, (2, 24, 24, 3)).astype("float32")
    entry = computed.statistics(lambda i: images[list(i)], 2, lambda n: None)["first"].as_dict()
    assert entry["never_active"] == [False, False, True, False, False, False]
    assert entry["firing_rate"][2] == 0


def test_most_active_channels_by_hand() -> None:
    def measured(*means: float) -> activations.Statistics:
        total = np.array(means) * 10
        return activations.Statistics("x", total, total, total, positions=10)

    assert activations.most_active([measured(1, 5, 3), measured(1, 0, 4)], 2) == [2, 1]


def test_picture_has_one_scale_and_a_row_per_image() -> None:
    images = np.full((2, 16, 16, 3), 200, "uint8")
    maps = np.zeros((2, 8, 8, 3), "float32")
    maps[0, ..., 0] = 1.0
    maps[1, ..., 2] = 0.5
    shown = activations.picture(images, [4, 7], maps, [1, 2, 3])
    tile = activations.TILE
    assert shown.shape[0] > 2 * tile
    assert shown.shape[1] > 4 * tile
    values = set(np.unique(shown[shown.shape[0] - tile :, :, 0]))
    assert {0, 128} <= values  # half of the layer's scale, not of the tile's own
