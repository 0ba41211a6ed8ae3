"""Networks of any kind: values that Keras itself computes, images that drive what they are for."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from cnnviz.errors import InputError
from cnnviz.files import npz
from cnnviz.maximization import Judged, Rendering, Surroundings, Wishes, canvas, chunks, files, ladder
from cnnviz.maximization.ascent import channel_maps, renderer
from cnnviz.maximization.ascent.evaluation import Evaluation
from cnnviz.maximization.ascent.rendered import GREY, Rendered
from cnnviz.maximization.ascent.settings import Settings
from cnnviz.networks import folding, graph
from cnnviz.objectives import channel, logit

pytestmark = pytest.mark.pipeline  # networks of many kinds: a minute, too much for the unit tests

UNIT = {"scale": [1 / 255], "offset": [0.0], "reverse_channels": False}
QUICK = Settings(steps=8, snapshots=(1,), precision="float32")


def conv(filters: int, size: Any = 3, **options: Any) -> layers.Conv2D:
    return layers.Conv2D(filters, size, **{"activation": "relu", **options})


def pilot() -> keras.Model:
    """Height is not width; unpadded, of a fixed size; one steering angle."""
    keras.utils.set_random_seed(1)
    stack = [conv(8, 5, strides=2, name="first"), conv(6, 3, strides=(1, 2), name="second"), layers.Flatten()]
    return keras.Sequential([keras.Input((33, 70, 3)), *stack, layers.Dense(1, name="angle")])


def grey() -> keras.Model:
    keras.utils.set_random_seed(1)
    stack = [conv(6, 5, name="only"), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(10, "softmax")]
    return keras.Sequential([keras.Input((28, 28, 1)), *stack])


def five() -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((24, 32, 5))
    x = layers.PReLU()(conv(4, padding="same", activation=None, name="a")(inputs))
    x = conv(6, groups=2, padding="same", name="b")(x)
    x = layers.Conv2DTranspose(4, 3, strides=2, name="up")(x)
    return keras.Model(inputs, layers.DepthwiseConv2D(3, activation="relu", name="deep")(x))


def rendered(network: keras.Model, what: list[Any], settings: Settings, depth: int) -> Rendered:
    return renderer.Renderer(network, UNIT, what[0], settings, "d", depth).render(what)


@pytest.mark.parametrize(
    ("build", "what", "size"),
    [
        (pilot, channel("second", 1), (33, 70)),
        (pilot, logit(0), (33, 70)),
        (grey, channel("only", 3), (32, 32)),
        (grey, logit(7), (28, 28)),
        (five, channel("up", 3), (24, 32)),
    ],
    ids=lambda one: getattr(one, "__name__", str(one)),
)
def test_an_image_of_any_network_drives_what_it_is_for(build: Any, what: Any, size: tuple[int, int]) -> None:
    network = build()
    depth = network.input_shape[-1]
    settings = dataclasses.replace(QUICK, size=size, objective="pre_activation")
    made = rendered(network, [what], settings, depth)
    assert made.images.shape == (1, *size, depth)
    assert made.snapshot_scores[0, -1] > made.snapshot_scores[0, 0]
    if size == network.input_shape[1:3]:  # Keras's own value for the image, up to its rounding to 8 bits
        name = what.layers[0] if what.layers else network.layers[-1].name
        own = network.get_layer(name)
        inputs = keras.Model(network.inputs[0], own.input)(made.images.astype("float32") / 255)
        activation, own.activation = own.activation, keras.activations.linear
        value = own(inputs).numpy()[0]
        own.activation = activation
        expected = value[..., what.terms[0][1].channels[0][0]].mean() if what.layers else value[what.terms[0][1].index]
        np.testing.assert_allclose(made.snapshot_scores[0, -1], expected, rtol=0.02, atol=1e-3)


def test_the_same_image_alone_and_in_company_on_a_wide_canvas() -> None:
    network, wanted = pilot(), [channel("second", k) for k in (0, 4, 2)]
    settings = dataclasses.replace(QUICK, size=(33, 70))
    made = renderer.Renderer(network, UNIT, wanted[0], settings, "d")
    together, alone = made.render(wanted), made.render(wanted[1:2])
    np.testing.assert_array_equal(together.part(1, 2).images, alone.images)
    np.testing.assert_array_equal(together.part(1, 2).scores, alone.scores)


def test_images_that_only_fill_a_batch_up_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    network, wanted = pilot(), [channel("second", k) for k in (0, 4)]
    settings = dataclasses.replace(QUICK, size=(33, 69), steps=3)
    made = renderer.Renderer(network, UNIT, wanted[0], settings, "d")
    assert made.fill == 16  # 33 x 69 and its maps have nothing in common with a vector register
    monkeypatch.setattr(renderer, "ALONE", 0)
    shop = chunks.Workshop(network, UNIT, "d", 3)
    assert shop.size(wanted[0], settings, 10_000) == 1
    each = shop.renderer(wanted[0], settings)
    assert each.fill == 0  # each by itself
    both = each.render(wanted)
    np.testing.assert_array_equal(both.part(1, 2).images, each.render(wanted[1:]).images)
    assert both.images.shape == (2, 33, 69, 3)


@pytest.mark.parametrize("options", [{}, {"strides": 2}, {"strides": (2, 3), "padding": "same"},
                                     {"strides": 3, "output_padding": (2, 1)}], ids=str)  # fmt: skip
def test_one_map_of_a_transposed_convolution_is_that_of_the_keras_layer(
    options: dict[str, Any], rng: np.random.Generator
) -> None:
    inputs = keras.Input((7, 9, 5))
    layer = layers.Conv2DTranspose(6, (4, 3), bias_initializer="normal", name="up", **options)
    norm = layers.BatchNormalization()
    model = keras.Model(inputs, layers.ReLU()(norm(layer(inputs))))
    norm.set_weights([rng.uniform(0.5, 1.5, 6) for _ in range(4)])
    call = graph.trace(model, (7, 9, 5)).convs["up"]
    assert channel_maps.transposed(call)
    images = rng.normal(size=(3, 7, 9, 5)).astype("float32")
    kernels, offsets = folding.filter_kernels(call, [5, 0, 3])
    maps = channel_maps.channel_maps(call, tf.constant(images), tf.constant(kernels), tf.constant(offsets))
    expected = norm(layer(images)).numpy()
    for i, k in enumerate((5, 0, 3)):
        np.testing.assert_allclose(maps[i], expected[i, ..., k], rtol=1e-4, atol=1e-5)


def value(network: keras.Model, what: Any, images: np.ndarray, output: str | None = None) -> np.ndarray:
    described = {"head": {"output": output}}
    found = Evaluation(network, UNIT, images.shape[1:], what, described=described)
    data = found.data([what] * len(images))
    return found.value(tf.constant(images / np.float32(255)), data, "pre_activation", tf.constant(0.0))[0].numpy()


def headed(*ends: Any) -> keras.Model:
    keras.utils.set_random_seed(4)
    inputs = keras.Input((12, 10, 3))
    x = layers.GlobalAveragePooling2D()(conv(5, name="conv")(inputs))
    return keras.Model(inputs, [end(x) for end in ends] if len(ends) > 1 else ends[0](x))


def test_logits_are_those_of_the_head_that_is_named(rng: np.random.Generator) -> None:
    images = rng.uniform(0, 255, (2, 12, 10, 3)).astype("float32")
    two = headed(layers.Dense(4, "softmax", name="kind"), layers.Dense(3, "sigmoid", name="marks"))
    kinds, marks = (one.numpy() for one in two(images / 255))
    difference = value(two, logit(2), images) - value(two, logit(0), images)
    np.testing.assert_allclose(difference, np.log(kinds[:, 2] / kinds[:, 0]), rtol=1e-3, atol=1e-4)
    found = value(two, logit(1), images, "marks")
    np.testing.assert_allclose(1 / (1 + np.exp(-found)), marks[:, 1], rtol=1e-4)
    with pytest.raises(InputError, match="class 3 is out of range"):
        value(two, logit(3), images, "marks")


def test_one_sigmoid_is_two_classes(rng: np.random.Generator) -> None:
    images = rng.uniform(0, 255, (2, 12, 10, 3)).astype("float32")
    one = headed(layers.Dense(1, "sigmoid"))
    yes, no = value(one, logit(1), images), value(one, logit(0), images)
    np.testing.assert_allclose(no, -yes, rtol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(no - yes)), one(images / 255).numpy()[:, 0], rtol=1e-4)


def test_logit_says_what_a_network_without_class_scores_has() -> None:
    inputs = keras.Input((16, 16, 3))
    pictures = keras.Model(inputs, conv(3, padding="same", name="paint", activation="sigmoid")(inputs))
    with pytest.raises(InputError, match=r"logit: the network has no class scores: .*'paint'.*expected channel"):
        Evaluation(pictures, UNIT, (16, 16, 3), logit(0))


def test_operations_shared_layers_and_networks_inside_are_looked_at_like_any_other(rng: np.random.Generator) -> None:
    inputs = keras.Input((20, 26, 3))
    inner_in = keras.Input((None, None, 4))
    inner = keras.Model(inner_in, conv(4, padding="same", name="inside")(inner_in), name="inner")
    x = inner(conv(4, padding="same", name="outside")(inputs / 0.5 - 1.0))
    x = x + inner(x)
    network = keras.Model(inputs, x * 2.0)
    images = rng.uniform(0, 255, (2, 20, 26, 3)).astype("float32")
    traced = graph.trace(network, (20, 26, 3))
    for name, call in traced.convs.items():
        own = keras.Model(traced.input, call.output)(images / 255).numpy()
        found = Evaluation(network, UNIT, (20, 26, 3), channel(name, 2))
        data = found.data([channel(name, 2)] * 2)
        got, _ = found.value(tf.constant(images / 255), data, "post_activation", tf.constant(0.0))
        np.testing.assert_allclose(got, own[..., 2].mean((1, 2)), rtol=1e-4, atol=1e-6)
        *_, features = found.inspect(tf.constant(images / 255), data, "post_activation")
        np.testing.assert_allclose(features, own.mean((1, 2)), rtol=1e-4, atol=1e-6)
    assert len(traced.convs) == 3


def broken(value: float) -> keras.Model:
    """The kernel of filter 1 of the first layer, and the statistics of filter 2, hold a value that is no number."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((24, 24, 3))
    x = conv(5, activation=None, name="first")(inputs)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    network = keras.Model(inputs, conv(3, name="second")(x))
    kernel, bias = network.get_layer("first").get_weights()
    kernel[0, 0, 0, 1] = value
    network.get_layer("first").set_weights([kernel, bias])
    gamma, beta, mean, variance = network.get_layer("norm").get_weights()
    mean[2] = value
    network.get_layer("norm").set_weights([gamma, beta + 1, mean, variance])
    return network


def judged(network: keras.Model, layer: str, filters: list[int]) -> Judged:
    shop = chunks.Workshop(network, UNIT, "d", 3)
    work = Rendering("", shop.render, None, lambda done: None)
    settings = dataclasses.replace(QUICK, size=(24, 24), objective="pre_activation", snapshots=(1, 4))
    return work.judge(layer, filters, settings, Wishes(stability_steps=4), Surroundings())


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_filters_that_are_no_numbers_are_said_to_be_and_the_others_rendered(
    number: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, alone = judged(broken(number), "first", [0, 1, 2, 3]), judged(broken(0.0), "first", [0, 3])
    assert whole.status.tolist() == ["ok", "dead", "dead", "ok"]
    for row in (1, 2):
        assert "NaN or infinite" in whole.reason[row]
        assert (whole.rendered.images[row] == GREY).all()
        assert np.isnan(whole.rendered.robust[row])
    np.testing.assert_array_equal(whole.rendered.images[[0, 3]], alone.rendered.images)
    np.testing.assert_array_equal(whole.measures["robust_score"][[0, 3]], alone.measures["robust_score"])
    assert np.isfinite(whole.measures["seed_stability"][[0, 3]]).all()

    asked: list[int] = []
    monkeypatch.setattr(ladder, "_verdict", _counting(ladder._verdict, asked))
    behind = judged(broken(number), "second", [0, 2])  # sees nothing but what is no number
    assert behind.status.tolist() == ["dead", "dead"]
    assert (behind.rendered.images == GREY).all()
    assert asked == [1, 1]  # no further attempts

    writer = files.LayerWriter(tmp_path, "first", [0, 1, 2, 3])
    writer.add(whole)
    files.write_numbers(tmp_path, {"first": writer.finish()}, {}, {})
    assert "nan" not in (tmp_path / "history.csv").read_text()
    json.loads((tmp_path / "metrics.json").read_text(), parse_constant=pytest.fail)


def _counting(verdict: Callable[..., Any], asked: list[int]) -> Callable[..., Any]:
    def counted(one: Any, attempt: int, tries: int, *rest: Any) -> Any:
        asked.append(tries)
        return verdict(one, attempt, tries, *rest)

    return counted


def test_pictures_of_five_channels_are_the_named_ones(tmp_path: Path) -> None:
    made = rendered(five(), [channel("b", 3)], dataclasses.replace(QUICK, size=(24, 32)), 5)
    no = {name: np.zeros(1, "float32") for name in ("robust_score", "against_nature", "nature_percentile")}
    no |= {name: np.zeros(1, "float32") for name in ("seed_stability", "spectrum_distance")}
    ok = Judged(made, np.array(["ok"]), np.array([""]), no | {"selectivity_rank": np.ones(1, "int32")})
    writer = files.LayerWriter(tmp_path, "b", [3], rgb=[4, 2, 0])
    writer.add(ok)
    writer.finish()
    stored = npz.read(tmp_path / "b.npz")
    np.testing.assert_array_equal(stored["images"], made.images)
    np.testing.assert_array_equal(stored["snapshots"], made.snapshots[..., [4, 2, 0]])
    picture = keras.utils.img_to_array(keras.utils.load_img(tmp_path / "b" / "3.png"))
    np.testing.assert_array_equal(picture, made.images[0][..., [4, 2, 0]])


def test_settings_of_a_square_canvas_name_one_number() -> None:
    assert QUICK.written()["size"] == 128
    assert dataclasses.replace(QUICK, size=(66, 200)).written()["size"] == (66, 200)
    assert canvas.pair(96) == canvas.pair([96, 96]) == (96, 96)
