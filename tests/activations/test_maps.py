"""Feature maps and their statistics equal what Keras and NumPy compute."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from cnnviz.activations import maps as activations
from cnnviz.errors import InputError
from cnnviz.networks import preprocessing


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
    plain = preprocessing.preprocess(images, computed.preprocessing)
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


def test_peak_and_feature_of_each_image_equal_the_keras_layers(maps: Any, rng: np.random.Generator) -> None:
    network, computed = maps
    images = rng.uniform(0, 255, (11, 24, 24, 3)).astype("float32")
    found = computed.statistics(lambda i: images[list(i)], 11, lambda n: None)
    plain = preprocessing.preprocess(images, computed.preprocessing)
    inner = network.get_layer("inner")
    pooled = keras.Model(network.input, network.get_layer("pool").output)(plain)
    first = keras.Model(network.input, network.get_layer("first").output)(plain).numpy()
    before = keras.Model(inner.input, inner.get_layer("expand_bn").output)(pooled).numpy()
    depthwise = inner(pooled).numpy()
    expected = {  # the unit's value before and after its nonlinearity
        "first": (first, first),
        "expand": (before, np.clip(before, 0, 6)),
        "depthwise": (depthwise, depthwise),
    }
    assert before.max((1, 2)).min() < 0 < before.max(), "no unit that stays below 0: the test would not see a ReLU"
    for name, (peak, unit) in expected.items():
        assert found[name].peak.dtype == found[name].feature.dtype == np.float32
        np.testing.assert_allclose(found[name].peak, peak.max((1, 2)), rtol=1e-4, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(found[name].feature, unit.mean((1, 2)), rtol=1e-4, atol=1e-5, err_msg=name)
        above = np.maximum(peak, 0).mean((1, 2))
        np.testing.assert_allclose(found[name].drive, above, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("activation", ["tanh", "relu6", "gelu", keras.layers.ReLU(2.0, negative_slope=0.1)], ids=str)
@pytest.mark.parametrize("kind", ["Conv2D", "DepthwiseConv2D", "SeparableConv2D"])
def test_peak_lies_before_the_layers_own_activation(
    kind: str, activation: Any, rng: np.random.Generator, raw: dict[str, Any]
) -> None:
    keras.utils.set_random_seed(1)
    arguments = {} if kind == "DepthwiseConv2D" else {"filters": 3}
    layer = getattr(keras.layers, kind)(kernel_size=3, activation=activation, name="own", **arguments)
    network = keras.Sequential([keras.Input((8, 8, 3)), layer])
    images = rng.normal(0, 30, (5, 8, 8, 3)).astype("float32")
    computed = activations.FeatureMaps(network, {"input_shape": [8, 8, 3], "preprocessing": raw})
    entry = computed.statistics(lambda i: images[list(i)], 5, lambda n: None)["own"]
    after = network(images).numpy()
    own, layer.activation = layer.activation, keras.activations.linear
    before = layer(images).numpy()
    layer.activation = own
    np.testing.assert_allclose(entry.peak, before.max((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(entry.feature, after.mean((1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(entry.drive, np.maximum(before, 0).mean((1, 2)), rtol=1e-4)
    np.testing.assert_array_equal(network(images), after)  # the layer has its activation back


def test_one_layer_of_a_network_at_a_size_that_its_head_refuses(
    tiny: Callable[..., Any], raw: dict[str, Any], rng: np.random.Generator
) -> None:
    images = rng.uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    described = {"input_shape": [16, 16, 3], "preprocessing": raw}

    def measured(network: Any, layer: str | None) -> dict[str, activations.Statistics]:
        computed = activations.FeatureMaps(network, described, layer)
        return computed.statistics(lambda i: images[list(i)], 2, lambda n: None)

    headless, headed = tiny(None), tiny(24, head=True)
    found = measured(headed, "expand")
    assert list(found) == ["expand"]
    np.testing.assert_array_equal(found["expand"].peak, measured(headless, None)["expand"].peak)
    with pytest.raises(InputError, match="does not accept"):
        measured(headed, None)
    with pytest.raises(InputError, match="no conv layer 'expnd'; nearest: expand"):
        measured(headless, "expnd")


def test_per_image_arrays_come_back_from_their_file(tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.normal(size=(8, 3, 2)).astype("float32")
    zero = np.zeros(2)
    found = {
        "block.1 conv": activations.Statistics("a", zero, zero, zero, 1, *values[:4]),
        "file": activations.Statistics("b", zero, zero, zero, 1, *values[4:]),
    }
    np.savez(tmp_path / "per_image.npz", allow_pickle=False, **activations.per_image(found))
    with np.load(tmp_path / "per_image.npz", allow_pickle=False) as data:
        kinds = ("peak", "feature", "drive", "place")
        assert data.files == [f"{name}/{kind}" for name in ("block.1 conv", "file") for kind in kinds]
        for i, name in enumerate(data.files):
            np.testing.assert_array_equal(data[name], values[i])


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


def test_exactly_one_convolution_and_one_that_is_transposed(raw: dict[str, Any], rng: np.random.Generator) -> None:
    one = keras.layers.Conv2DTranspose(3, 3, strides=2, activation="tanh", name="one")
    model = keras.Sequential([keras.Input((6, 8, 3)), one])
    images = rng.uniform(0, 2, (3, 6, 8, 3)).astype("float32")
    computed = activations.FeatureMaps(model, {"input_shape": [6, 8, 3], "preprocessing": raw})
    found = computed.statistics(lambda i: images[list(i)], 3, lambda done: None)["one"]
    output = model(images).numpy()
    np.testing.assert_allclose(computed.maps(lambda i: images[list(i)], [1], {"one": [2]})["one"], output[1:2, ..., 2:])
    np.testing.assert_allclose(found.maximum, output.max((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(np.tanh(found.peak), output.max((1, 2)), rtol=1e-4)


def test_filters_that_are_nan_are_said_and_the_others_measured(raw: dict[str, Any], rng: np.random.Generator) -> None:
    model = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Conv2D(3, 3, name="one")])
    kernel = model.get_layer("one").kernel
    kernel.assign(np.where(np.arange(3) == 1, np.nan, kernel.numpy()))
    images = rng.uniform(0, 2, (3, 6, 6, 3)).astype("float32")
    computed = activations.FeatureMaps(model, {"input_shape": [6, 6, 3], "preprocessing": raw})
    found = computed.statistics(lambda i: images[list(i)], 3, lambda done: None)["one"]
    entry = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    output = model(images).numpy()
    for key in ("firing_rate", "mean", "maximum"):
        assert [value is None for value in entry[key]] == [False, True, False]
    np.testing.assert_allclose([entry["maximum"][k] for k in (0, 2)], output.max((0, 1, 2))[[0, 2]], rtol=1e-5)
    assert activations.most_active([found], 2) == sorted((0, 2), key=lambda k: -output[..., k].mean())
    computed.maps(lambda i: images[list(i)], [0], {"one": [0, 1, 2]})
