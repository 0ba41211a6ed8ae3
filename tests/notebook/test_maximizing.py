"""cnnviz as a library, on networks of one's own."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import cnnviz
from cnnviz.errors import InputError
from cnnviz.objectives import channel, logit

pytestmark = pytest.mark.pipeline  # traces and renders: longer than the unit tests may take

SHORT: dict[str, Any] = {"steps": 20, "size": 32, "snapshots": (1,)}


def test_three_lines_on_a_nested_network(tiny: Callable[..., Any], rng: np.random.Generator) -> None:
    natural = rng.integers(0, 255, (5, 24, 24, 3))
    network, options = tiny(), {"preprocessing": "raw", "stability_steps": 8, **SHORT}
    result = cnnviz.maximize(network, "expand", [0, 5], natural=natural, **options)
    assert result.images.shape == (2, 32, 32, 3)
    assert result.curves.shape == (2, 20)
    assert result.curves[:, -1].mean() > result.curves[:, 0].mean()
    pooled = keras.Model(network.input, network.get_layer("pool").output)(natural.astype("float32"))
    inner = network.get_layer("inner")
    before = keras.Model(inner.input, inner.get_layer("expand_bn").output)(pooled).numpy()[..., [0, 5]]
    typical = np.median(np.maximum(before, 0).mean((1, 2)), axis=0)
    robust = result.scores["robust_score"]
    assert robust[0] < typical[0], "a first picture that noise outdoes"
    assert robust[1] > typical[1]
    assert result.status.tolist() == ["weak", "ok"]
    assert all(np.isfinite(values).all() for values in result.scores.values())


@pytest.mark.parametrize("depth", [1, 5])
def test_sequential_networks_of_any_number_of_channels_and_a_dead_filter(depth: int) -> None:
    layer = keras.layers.Conv2D(2, 3, activation="relu", name="conv")
    network = keras.Sequential([keras.Input((16, 16, depth)), layer])
    kernel = np.zeros((3, 3, depth, 2), "float32")
    kernel[:, 1, :, 0] = 1
    layer.set_weights([kernel, np.array([0, -1], "float32")])
    result = cnnviz.maximize(network, "conv", [0, 1], preprocessing=(0, 1), **SHORT)
    assert result.images.shape == (2, 32, 32, depth)
    assert result.status.tolist() == ["ok", "dead"]
    assert "not held against natural images" in result._repr_html_()
    assert result.images[0].mean() > 140  # all its weights are positive: white drives it most
    assert np.isnan(result.scores["against_nature"]).all()


def test_what_only_fine_noise_drives_is_weak_through_both_doors() -> None:
    layer = keras.layers.Conv2D(2, 2, activation="relu", name="conv")
    network = keras.Sequential([keras.Input((16, 16, 3)), layer])
    kernel = np.zeros((2, 2, 3, 2), "float32")
    kernel[..., 0] = np.array([[1, -1], [-1, 1]])[..., None]  # a checkerboard, of which a blur leaves nothing
    layer.set_weights([kernel, np.array([-0.05, 0], "float32")])
    options: dict[str, Any] = {**SHORT, "preprocessing": "unit"}
    both = [cnnviz.maximize(network, "conv", [0], **options), cnnviz.maximize(network, channel("conv", 0), **options)]
    for result in both:
        assert result.curves[0, -1] > result.curves[0, 0]
        assert result.status.tolist() == ["weak"]
        assert "no longer lifts it above 0 on average (robust score -0.0" in result.reason[0]
    opposite = cnnviz.maximize(network, channel("conv", 1) - channel("conv", 0), **options)
    assert "above 0" not in opposite.reason[0]  # of a difference, 0 means nothing


def test_the_users_default_dtype_changes_nothing(tiny: Callable[..., Any]) -> None:
    network = tiny()
    pictures = [cnnviz.maximize(network, "first", [0], preprocessing="raw", **SHORT).images]
    keras.config.set_floatx("float16")
    try:
        pictures.append(cnnviz.maximize(network, "first", [0], preprocessing="raw", **SHORT).images)
        assert keras.config.floatx() == "float16"
    finally:
        keras.config.set_floatx("float32")
    np.testing.assert_array_equal(*pictures)


class Blend(keras.layers.Layer):
    """A layer of one's own: two channels, the sum and the difference of red and blue."""

    def call(self, inputs: Any) -> Any:
        red, blue = inputs[..., :1], inputs[..., 2:]
        return keras.ops.concatenate([red + blue, red - blue], -1)


def test_a_layer_of_ones_own() -> None:
    inputs = keras.Input((16, 16, 3))
    network = keras.Model(inputs, Blend(name="blend")(inputs))
    natural = np.zeros((2, 16, 16, 3))
    natural[1, ..., 0] = 51
    result = cnnviz.maximize(network, "blend", [0, 1], preprocessing="unit", natural=natural, **SHORT)
    sums, differences = result.images.astype(float).mean((1, 2))
    assert min(sums[0], sums[2]) > 150  # red + blue: both rise
    assert differences[0] > 150 > 100 > differences[2]  # red - blue: red rises, blue falls
    assert result.scores["against_nature"][0] == pytest.approx(result.scores["robust_score"][0] / 0.2, rel=1e-5)


def test_objectives_and_a_start_image(tiny: Callable[..., Any], rng: np.random.Generator) -> None:
    network = tiny(head=True)
    start = rng.integers(0, 255, (24, 24, 3))
    asked = [channel("first", 2) - 0.5 * channel("first", 3), channel("first", 1) - channel("first", 0), logit(2)]
    given: dict[str, Any] = {**SHORT, "size": 24}
    result = cnnviz.maximize(network, asked, preprocessing="unit", start=start, learning_rate=1e-6, **given)
    assert result.objectives == [str(one) for one in asked]
    assert result.images.shape == (3, 24, 24, 3)
    inner = np.clip(start, 6, 249)  # the sigmoid keeps 2% away from black and white
    assert np.abs(result.images.astype(int) - inner).max() <= 1  # so small a rate hardly moves it
    single = cnnviz.maximize(network, logit(2), preprocessing="unit", **given)
    assert single.status.tolist() == ["ok"]
    alone = network.predict(single.images / 255.0, verbose=0)[0]
    assert alone.argmax() == 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"what": "expnd"}, "no conv layer 'expnd'; nearest: expand"),
        ({"preprocessing": "cafe"}, "unknown 'cafe'; nearest: caffe"),
        ({"step": 3}, "unknown option 'step'; nearest: steps"),
        ({"filters": [8]}, r"filters: 8 is out of range; expand has 0\.\.7"),
    ],
)
def test_mistakes_name_the_choices(change: dict[str, Any], expected: str, tiny: Callable[..., Any]) -> None:
    given = {"what": "expand", "filters": [0], "preprocessing": "raw", **SHORT, **change}
    with pytest.raises(InputError, match=expected):
        cnnviz.maximize(tiny(), **given)
