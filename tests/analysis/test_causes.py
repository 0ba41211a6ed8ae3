"""Silencing filters of networks whose numbers are worked out by hand."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from cnnviz.analysis import files, layers, observe, watching
from cnnviz.analysis.causes import Decider, check, checking, path, plan
from cnnviz.analysis.causes import tail as causes_tail
from cnnviz.analysis.causes.tail import Tail
from cnnviz.images.sets import ImageSet
from cnnviz.networks import graph, head

SIZE = 4
# Filters of a 1x1 convolution on an image of one colour (r, g, b): u = (r, g, r + b); logits: rows of HEAD
KERNEL = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 1]], np.float32)  # in, out
HEAD = np.array([[2, -1], [0, 3], [1, 0]], np.float32)  # filter, class


def by_hand(fork: bool = False) -> keras.Model:
    """Mean over the image, then the classes; fork: the image's own colours are added to the units."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(3, 1, use_bias=False, activation="relu", name="conv")(inputs)
    x = keras.layers.Add()([x, inputs]) if fork else x
    x = keras.layers.GlobalAveragePooling2D()(x)
    network = keras.Model(inputs, keras.layers.Dense(2, activation="softmax", use_bias=False)(x))
    network.layers[1].set_weights([KERNEL[None, None]])
    network.layers[-1].set_weights([HEAD])
    return network


def colour(*rgb: float) -> np.ndarray:
    return np.tile(np.array(rgb, np.float32), (SIZE, SIZE, 1))


def decider(network: keras.Model, raw: dict[str, Any], means: Any = (1, 1, 1), names: Any = ("a", "b")) -> Decider:
    traced = graph.trace(network, (SIZE, SIZE, 3))
    return Decider(traced, head.find(traced, names), raw, "conv", np.array(means, float))


@pytest.mark.parametrize("fork", [False, True])
def test_a_logit_falls_by_what_the_filter_gave(fork: bool, raw: dict[str, Any]) -> None:
    """The colour (4, 1, 2) makes u = (4, 1, 6): logits (14, -1), with its own colour added (24, -2).

    Without filter 0 the lead falls by 4 * 3 = 12, without filter 1 it rises by 3, without filter 2 it falls by 6; set
    to their mean of 1 by 9, 0 and 5. Without 0 and 2 it falls by 18, which leaves (0, 3) or (10, -1).
    """
    made = decider(by_hand(fork), raw).decide(colour(4, 1, 2), (0, 1), [0, 1, 2])
    assert made.before == pytest.approx(26 if fork else 15)
    np.testing.assert_allclose(made.drops, [12, -3, 6], rtol=1e-6)
    np.testing.assert_allclose(made.at_mean, [9, 0, 5], rtol=1e-6, atol=1e-5)
    assert made.together == pytest.approx(15)
    assert made.random is None  # there are no other filters
    few = decider(by_hand(fork), raw).decide(colour(4, 1, 2), (0, 1), [0, 2])
    assert few.together == pytest.approx(18)
    assert few.then == (0 if fork else 1)
    alone = decider(by_hand(fork), raw).decide(colour(4, 1, 2), (0, None), [0])
    np.testing.assert_allclose(alone.drops, [8], rtol=1e-6)


def test_control_groups_are_of_filters_that_are_active(raw: dict[str, Any]) -> None:
    """No green: filter 1 is silent, and filter 2 is the only other one: each group costs its 6."""
    made = decider(by_hand(), raw).decide(colour(4, 0, 2), (0, 1), [0])
    assert made.random == pytest.approx(6)


def test_a_tail_needs_what_lies_beside_it(tiny: Callable[..., Any]) -> None:
    traced = graph.trace(by_hand(fork=True), (SIZE, SIZE, 3))
    tail = Tail(traced.convs["conv"].output, {"answer": traced.outputs[0], "image": traced.input})
    assert tail.names == ["answer"]
    assert [tensor is traced.input for tensor in tail.beside] == [True]
    whole = tiny(24, head=True)
    traced = graph.trace(whole, (24, 24, 3))
    tail = Tail(traced.convs["expand"].unit.output, {"answer": traced.outputs[0]})
    assert tail.beside == []
    image = np.random.default_rng(1).uniform(0, 1, (1, 24, 24, 3)).astype(np.float32)
    maps = np.asarray(keras.Model(traced.input, traced.convs["expand"].unit.output)(image))
    loudest = int(maps.sum((0, 1, 2)).argmax())
    unchanged = tail.changed(maps, [], [{}, {loudest: 0.0}, {}])["answer"]
    np.testing.assert_allclose(unchanged[[0, 2]], np.repeat(whole(image), 2, 0), rtol=1e-5)
    assert np.abs(unchanged[1] - unchanged[0]).max() > 1e-5


@pytest.mark.parametrize("together", [1, 3, 100])
def test_any_number_of_changes_gives_what_each_alone_gives(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1 to 10 changes, some go through the network with a few others that fill the batch; beside a fork."""
    traced = graph.trace(by_hand(fork=True), (SIZE, SIZE, 3))
    unit = traced.convs["conv"].output
    answer = Tail(unit, {"answer": traced.outputs[0]})
    image = colour(4, 1, 2)[None]
    maps = np.asarray(keras.Model(traced.input, unit)(image))
    monkeypatch.setattr(causes_tail, "MEMORY", together * maps.nbytes)
    changes = [{k % 3: 0.5 * k} for k in range(10)]
    alone = np.concatenate([answer.changed(maps, [image], [one])["answer"] for one in changes])
    assert len(np.unique(alone, axis=0)) > 5
    for count in range(1, 11):
        found = answer.changed(maps, [image], changes[:count])["answer"]
        np.testing.assert_allclose(found, alone[:count], rtol=1e-6)


def test_a_layer_that_is_called_twice_is_silenced_where_it_was_called() -> None:
    """One convolution on the image and on its upper half: only what the first call gave is lost."""
    inputs = keras.Input((SIZE, SIZE, 3))
    conv = keras.layers.Conv2D(3, 1, use_bias=False, name="conv")
    both = [conv(inputs), conv(keras.layers.Cropping2D(((0, 2), (0, 0)))(inputs))]
    pooled = [keras.layers.GlobalAveragePooling2D()(x) for x in both]
    network = keras.Model(inputs, keras.layers.Concatenate()(pooled))
    conv.set_weights([KERNEL[None, None]])
    traced = graph.trace(network, (SIZE, SIZE, 3))
    first = next(conv for conv in traced.convs.values() if conv.output.shape[1] == SIZE)
    tail = Tail(first.output, {"answer": traced.outputs[0]})
    image = colour(4, 1, 2)[None]
    front = keras.Model(traced.input, [first.output, *tail.beside])(image)
    made = tail.changed(np.asarray(front[0]), front[1:], [{}, {2: 0.0}])["answer"]
    np.testing.assert_allclose(made, [[4, 1, 6, 4, 1, 6], [4, 1, 0, 4, 1, 6]], rtol=1e-6)


@pytest.mark.parametrize("layer", ["first", "expand", "depthwise", "separable", "dilated"])
def test_what_an_input_gives_is_what_is_lost_without_it(layer: str, tiny: Callable[..., Any]) -> None:
    """Batch normalization, groups, dilation and an activation of the layer itself included."""
    traced = graph.trace(tiny(24), (24, 24, 3))
    conv = traced.convs[layer]
    inputs = np.random.default_rng(2).normal(size=(1, *conv.input.shape[1:])).astype(np.float32)
    drops, response = checking.given(conv, keras.ops.convert_to_tensor(inputs), (1, 2), 5)
    assert drops.shape == (inputs.shape[-1],)

    def pre(x: np.ndarray) -> float:
        with graph.activated_by(conv.layer, keras.activations.linear):
            made = conv.layer(x)
        return float((conv.norm.layer(made, training=False) if conv.norm else made)[0, 1, 2, 5])

    assert response == pytest.approx(pre(inputs), rel=1e-5)
    for channel in range(inputs.shape[-1]):
        without = inputs.copy()
        without[..., channel] = 0
        assert drops[channel] == pytest.approx(pre(inputs) - pre(without), rel=1e-3, abs=1e-4)


def chain() -> keras.Model:
    """conv (as above), then `later`: filter 0 reads u0, filter 1 reads 10 - u1, then the mean and the classes."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(3, 1, use_bias=False, activation="relu", name="conv")(inputs)
    x = keras.layers.Conv2D(2, 1, activation="relu", name="later")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    network = keras.Model(inputs, keras.layers.Dense(2, activation="softmax", use_bias=False)(x))
    network.get_layer("conv").set_weights([KERNEL[None, None]])
    kernel = np.array([[1, 0], [0, -1], [0, 0]], np.float32)[None, None]
    network.get_layer("later").set_weights([kernel, np.array([0, 10], np.float32)])
    network.layers[-1].set_weights([np.eye(2, dtype=np.float32)])
    return network


@pytest.fixture(scope="module", params=[checking.MEMORY, 1])
def checked(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """The file of layer `conv` of the chain: three images of one colour, whose classes are 0, 1, 1.

    Both layers in one pass over the images, and each in one of its own.
    """
    artifacts = tmp_path_factory.mktemp("causes")
    network, colours = chain(), [(9, 2, 0), (1, 3, 0), (2, 5, 0)]
    pixels = np.stack([colour(*one) for one in colours]).astype(np.uint8)
    labels = np.array([0, 1, 1], np.int32)
    sets = {"s": ImageSet(pixels, np.full((3, 2), SIZE, np.int32), labels, np.array(["x"] * 3), np.array(["a", "b"]))}
    raw = {"name": "raw", "scale": [1.0] * 3, "offset": [0.0] * 3, "reverse_channels": False}
    described = {"name": "net", "input_shape": [SIZE, SIZE, 3], "preprocessing": raw, "class_names": ["a", "b"]}
    described["conv_layers"] = [{"name": "conv", "sources": []}, {"name": "later", "sources": ["conv"]}]
    observer = observe.Observer(network, described)
    found, _ = watching.watch(observer, sets, (SIZE, SIZE, 3), watching.Amounts(3, 4, 6), lambda n: None)
    examples = watching.located(observer, found, {"conv": [0], "later": [0]})
    (artifacts / "maximize").mkdir()
    picture = np.full((2, 16, 16, 3), 100, np.uint8)
    for name in ("conv", "later"):
        np.savez(
            artifacts / "maximize" / f"{name}.npz", filters=[0, 1], images=picture, status=np.array(["ok", "dead"])
        )
    means = {name: layers.means(layer) for name, layer in found.items()}
    assert means["conv"].tolist() == [4, pytest.approx(10 / 3), 4]
    places = [(i, int(label)) for i, label in enumerate(labels)]
    pixels_ = files.Pixels(sets, (SIZE, SIZE, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checking, "MEMORY", request.param)
        check(observer, network, described, examples, means, places, pixels_, artifacts / "maximize", artifacts)
    with np.load(artifacts / "causes" / "conv.npz") as one, np.load(artifacts / "causes" / "later.npz") as other:
        return {**one, **{f"of_later/{key}": other[key] for key in other.files}}


def test_what_falls_without_a_filter(checked: dict[str, np.ndarray]) -> None:
    """u0 = 9, 1, 2 and u1 = 2, 3, 5 in the three images, of which a filter's two strongest count.

    Filter 0: 9 and 2; filter 0 of `later` falls from 5.5 to 0, filter 1 stays at 10 - (2 + 5) / 2. Filter 1: 5 and 3;
    filter 0 stays at (2 + 1) / 2, filter 1 rises from 10 - 4 to 10.
    """
    assert checked["filters"].tolist() == [0, 1]
    np.testing.assert_allclose(checked["later/later"][0], [[5.5, 6.5], [0, 6.5]], rtol=1e-5)
    np.testing.assert_allclose(checked["later/later"][1], [[1.5, 6], [1.5, 10]], rtol=1e-5)
    np.testing.assert_allclose(checked["scores"], checked["later/later"], rtol=1e-5)  # the head passes them on


def test_accuracy_without_a_filter(checked: dict[str, np.ndarray]) -> None:
    """Scores (9, 8), (1, 7), (2, 5): all right. Without filter 0 the first is wrong (0, 8); at its mean of 4 as well.

    Without filter 1 (9, 10) is wrong; at its mean (9, 6.67), (1, 6.67), (2, 6.67) are right. True scores: 9, 7, 5.
    """
    assert int(checked["labelled"]) == 3
    assert checked["right"].tolist() == [[3, 2, 2], [3, 2, 3]]
    np.testing.assert_allclose(checked["true"][0], [7, 4, 16 / 3], rtol=1e-5)
    np.testing.assert_allclose(checked["true"][1], [7, 29 / 3, (9 + 2 * (10 - 10 / 3)) / 3], rtol=1e-5)


def test_what_inputs_give(checked: dict[str, np.ndarray]) -> None:
    """Filter 0 of `later` is u0 alone, 9 at most; filter 1 is 10 less u1, 8 at most."""
    np.testing.assert_allclose(checked["of_later/inputs"], [[9, 0, 0], [0, -2, 0]], rtol=1e-5)
    np.testing.assert_allclose(checked["of_later/response"], [9, 8], rtol=1e-5)


def test_too_few_images_leave_the_path_unknown(checked: dict[str, np.ndarray]) -> None:
    assert checked["earlier"].tolist() == []
    assert checked["path"].shape == (2, 0)
    assert checked["of_later/earlier"].tolist() == ["conv"]
    assert np.isnan(checked["of_later/path"]).all()


def test_path_is_1_for_a_top_patch_and_0_for_a_random_one(rng: np.random.Generator) -> None:
    channels = np.arange(40.0)
    top = channels + rng.normal(0, 4, (9, 40))
    random = rng.normal(0, 1, (30, 40))
    assert path.score(channels + rng.normal(0, 4, 40), top, random) == pytest.approx(1, abs=0.1)
    assert np.mean([path.score(rng.normal(0, 1, 40), top, random) for _ in range(50)]) == pytest.approx(0, abs=0.1)
    assert path.score(-channels, top, random) < -0.9


def test_path_by_hand() -> None:
    """Top patches alike but for one swap each, random ones in reversed order: distances of ranks of five channels.

    Spearman is 1 - 6 sum d^2 / (n (n^2 - 1)), n = 5: 0.9 for one swap of neighbours, -1 for the reverse.
    """
    order = np.arange(1.0, 6)
    assert path.alike(order[None], order[None, [1, 0, 2, 3, 4]]) == pytest.approx(0.9)
    assert path.alike(order[None], order[None, ::-1]) == pytest.approx(-1)
    top, random = np.tile(order, (5, 1)), np.tile(order[::-1], (5, 1))
    assert path.score(order[[1, 0, 2, 3, 4]], top, random) == pytest.approx((0.9 + 1) / 2)
    assert path.score(order, top, random) == pytest.approx(1)
    assert path.score(order[::-1], top, random) == pytest.approx(0)


@pytest.mark.parametrize(
    ("top", "random", "channels"), [(4, 9, 9), (9, 4, 9), (9, 9, 4)], ids=["few top", "few random", "few channels"]
)
def test_path_that_cannot_be_known(top: int, random: int, channels: int, rng: np.random.Generator) -> None:
    rows = [np.arange(channels) + rng.normal(0, 0.1, (n, channels)) for n in (top, random)]
    assert np.isnan(path.score(rows[0][0], *rows))


def test_top_patches_no_more_alike_than_others_leave_it_unknown(rng: np.random.Generator) -> None:
    alike = rng.normal(size=(30, 20))
    assert np.isnan(path.score(alike[0], alike[:9], alike[9:]))
    assert np.isnan(path.score(np.zeros(20), np.arange(20) + rng.normal(size=(9, 20)), alike))  # drives nothing


def test_part_of_a_map_under_a_box() -> None:
    assert plan.region((-2, 0, 3, 8), (8, 8), (4, 4)) == (0, 0, 2, 4)
    assert plan.region((5, 5, 6, 6), (8, 8), (4, 4)) == (2, 2, 3, 3)
    assert plan.region((0, 0, 99, 99), (8, 8), (1, 3)) == (0, 0, 1, 3)
    assert plan.region((8, 8, 12, 12), (8, 8), (4, 4)) == (3, 3, 4, 4)
