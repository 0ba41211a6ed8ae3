"""Grad-CAM against tf-keras-vis, contributions and occlusion against numbers worked out from the network's weights."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
from scipy import ndimage, special, stats

from cnnviz.analysis.predictions import gradcam
from cnnviz.errors import InputError
from cnnviz.images import reading
from cnnviz.networks import ModelSection, graph, head, loading, preprocessing
from cnnviz.sources import catalog, packages
from tests import gradcam_reference as reference

with np.load(reference.STORED, allow_pickle=False) as stored:
    STORED = dict(stored)


def explainer(
    network: Any, layer: str, spec: Any, shape: Any = (16, 20, 3), names: Any = ("a", "b")
) -> gradcam.Explainer:
    traced = graph.trace(network, shape)
    names = names if network.output_shape[-1] == len(names) else ()
    return gradcam.Explainer(traced, head.find(traced, names), spec, layer)


def agrees(made: gradcam.Explanation, name: str, i: int) -> None:
    for c in range(len(reference.CLASSES)):
        theirs, enlarged = STORED[f"{name}/map"][c, i], STORED[f"{name}/enlarged"][c, i].astype("float32")
        np.testing.assert_allclose(made.maps[c], theirs, rtol=1e-4, atol=1e-5 * theirs.max())
        np.testing.assert_allclose(made.over_image[c], enlarged, rtol=2e-3, atol=2e-3 * enlarged.max())
        assert theirs.std() > 0
        assert np.corrcoef(made.over_image[c].ravel(), enlarged.ravel())[0, 1] > 0.9999


@pytest.mark.parametrize("hidden", [False, True])
def test_gradcam_is_that_of_tf_keras_vis(hidden: bool, raw: dict[str, Any]) -> None:
    network, layer = reference.network(hidden)
    made = explainer(network, layer, raw)
    for i, image in enumerate(reference.pictures()):
        agrees(made.explain(image, reference.CLASSES), "hidden" if hidden else "pooled", i)


@pytest.mark.pipeline
def test_gradcam_of_the_real_network_is_that_of_tf_keras_vis() -> None:
    loaded = loading.get(reference.REAL, ModelSection(known=reference.REAL))
    pictures = _cifar10()
    made = explainer(loaded.network, "conv2d_3", loaded.preprocessing, (32, 32, 3), loaded.class_names)
    for i in range(reference.REAL_IMAGES):
        agrees(made.explain(pictures[i], reference.CLASSES), "real", i)


def _cifar10() -> np.ndarray:
    package = catalog.IMAGES_PACKAGE
    read = partial(packages.read_members, package)
    return reading.read_package("cifar10", reference.REAL_IMAGES, packages.member_names(package), read).images


def test_gradcam_by_hand() -> None:
    maps = np.array([[[1.0, 2], [3, 0]], [[0, 5], [2, 2]]])  # (y, x, channel)
    gradients = np.stack([np.full((2, 2), 0.5), [[-4.0, 0], [0, 0]]], axis=-1)  # means 0.5 and -1
    np.testing.assert_allclose(gradcam.gradcam(maps, gradients), [[0, 1.5], [0, 0]])
    np.testing.assert_allclose(gradcam.contributions(maps, gradients), [0.5 * 6, -4 * 2])


def test_contributions_are_exact_for_a_linear_head_after_global_pooling(raw: dict[str, Any]) -> None:
    network, layer = reference.network(False)
    image = reference.pictures()[0]
    made = explainer(network, layer, raw).explain(image, (2, 0))
    late = keras.Model(network.input, network.get_layer("late").output)(image[None]).numpy()[0]
    kernel, bias = network.layers[-1].get_weights()
    by_hand = late.mean((0, 1)) * (kernel[:, 2] - kernel[:, 0])
    np.testing.assert_allclose(made.contributions, by_hand, rtol=1e-4, atol=1e-6)
    gap = made.logits[2] - made.logits[0]
    np.testing.assert_allclose(made.contributions.sum() + bias[2] - bias[0], gap, rtol=1e-4)
    np.testing.assert_allclose(special.softmax(made.logits), network(image[None]).numpy()[0], rtol=1e-4)


def test_occlusion_costs_what_the_window_holds(raw: dict[str, Any], rng: np.random.Generator) -> None:
    # logit 0 is the mean of red, logit 1 twice the mean of green
    inputs = keras.Input((16, 16, 3))
    conv = keras.layers.Conv2D(3, 1, use_bias=False, name="same")
    dense = keras.layers.Dense(2, use_bias=False)
    network = keras.Model(inputs, dense(keras.layers.GlobalAveragePooling2D()(conv(inputs))))
    conv.set_weights([np.eye(3, dtype="float32")[None, None]])
    dense.set_weights([np.array([[1, 0], [0, 2], [0, 0]], "float32")])
    image = rng.uniform(0, 255, (16, 16, 3)).astype("float32")
    made = explainer(network, "same", raw, (16, 16, 3)).explain(image, (0, 1))
    for n, (top, left, bottom, right) in enumerate(made.boxes):
        inside, share = image[top:bottom, left:right].mean((0, 1)), 4 * 4 / 256
        lost = share * (inside - image.mean((0, 1)))
        np.testing.assert_allclose(made.drops[:, n], [lost[0], 2 * lost[1]], atol=1e-3)
    # this network's Grad-CAM of class 0 is red itself: what occlusion finds in every window
    assert made.checks[0].correlation == pytest.approx(1, abs=1e-3)
    assert made.checks[0].peak_drop == pytest.approx(made.drops[0].max())
    assert made.checks[0].mean_drop == pytest.approx(made.drops[0].mean())


def test_windows_are_a_quarter_high_and_wide_and_reach_every_edge() -> None:
    boxes = gradcam.windows((32, 64))
    assert boxes.shape == (49, 4)
    assert boxes[0].tolist() == [0, 0, 8, 16]
    assert boxes[1].tolist() == [0, 8, 8, 24]
    assert boxes[-1].tolist() == [24, 48, 32, 64]


def test_occluded_is_the_mean_colour_inside_and_nothing_outside(rng: np.random.Generator) -> None:
    image = rng.uniform(0, 255, (6, 6, 3)).astype("float32")
    (one,) = gradcam.occluded(image, np.array([[1, 2, 3, 6]]))
    np.testing.assert_allclose(one[1:3, 2:6], np.broadcast_to(image.mean((0, 1)), (2, 4, 3)), rtol=1e-6)
    inside = np.zeros((6, 6), bool)
    inside[1:3, 2:6] = True
    assert (one[~inside] == image[~inside]).all()


def test_check_against_scipy(rng: np.random.Generator) -> None:
    cam, boxes = rng.uniform(size=(8, 8)), gradcam.windows((8, 8))
    drops = rng.normal(size=49)
    means = [cam[t:b, x:r].mean() for t, x, b, r in boxes]
    found = gradcam.check(cam, boxes, drops)
    assert found.correlation == pytest.approx(stats.pearsonr(means, drops)[0])
    assert found.peak_drop == drops[int(np.argmax(means))]
    assert gradcam.check(np.full((8, 8), 0.3), boxes, drops).correlation is None


def test_stretch_is_scipy_zoom(rng: np.random.Generator) -> None:
    values = rng.normal(size=(5, 4))
    np.testing.assert_allclose(
        gradcam.stretch(values, (15, 16)), ndimage.zoom(values, (3, 4), order=1), rtol=1e-5, atol=1e-6
    )


def test_default_layer_has_a_map_worth_looking_at(tiny: Callable[..., Any]) -> None:
    traced = graph.trace(tiny(24, head=True), (24, 24, 3))  # maps of 24, 12, 6, 4, 4
    assert gradcam.default_layer(traced, list(traced.convs), head.find(traced)) == "dilated"
    small = graph.trace(tiny(16, head=True), (16, 16, 3))  # maps of 16, 8, 4, 2, 2
    found = head.find(small)
    assert gradcam.default_layer(small, list(small.convs), found) == "depthwise"
    assert gradcam.default_layer(small, ["separable"], found) == "separable"


def test_default_layer_is_on_the_way_to_the_answer_and_of_small_maps_the_largest(raw: dict[str, Any]) -> None:
    layers = keras.layers
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, strides=4, name="wide")(inputs)  # 3 x 3
    y = layers.Conv2D(4, 3, name="narrow")(x)  # 1 x 1
    z = layers.Conv2D(4, 1, name="other")(x)
    ends = [
        layers.Dense(2, activation="softmax", name="kind")(layers.Flatten()(y)),
        layers.Dense(1)(layers.Flatten()(z)),
    ]
    network = keras.Model(inputs, ends)
    traced = graph.trace(network, (12, 12, 3))
    found = head.find(traced)
    assert gradcam.default_layer(traced, list(traced.convs), found) == "wide"
    assert gradcam.default_layer(traced, ["narrow"], found) == "narrow"
    assert gradcam.default_layer(traced, ["other"], found) is None
    with pytest.raises(InputError, match="layer 'other': no score of 'kind' depends on it"):
        gradcam.Explainer(traced, found, raw, "other")


def test_a_value_by_itself_is_explained_by_its_own_gradient(raw: dict[str, Any], rng: np.random.Generator) -> None:
    """Behind a global average, the value is the sum of what its filters contribute, and its bias."""
    keras.utils.set_random_seed(2)
    inputs = keras.Input((12, 12, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(5, 3, activation="relu", name="conv")(inputs))
    network = keras.Model(inputs, keras.layers.Dense(1, bias_initializer="ones", name="angle")(pooled))
    image = rng.uniform(0, 1, (12, 12, 3)).astype("float32")
    made = explainer(network, "conv", raw, (12, 12, 3)).explain(image, (0, None))
    value = float(network(image[None])[0, 0])
    assert made.logits.tolist() == pytest.approx([value], rel=1e-5)
    assert made.contributions.sum() + 1 == pytest.approx(value, rel=1e-4)
    weights = network.get_layer("angle").kernel.numpy()[:, 0] / 100
    for cam, sign in zip(made.maps, (1, -1), strict=True):
        np.testing.assert_allclose(cam, np.maximum(made.activations @ weights * sign, 0), atol=1e-6)
    hidden = gradcam.occluded(image, made.boxes[:3])
    np.testing.assert_allclose(made.drops[0, :3], value - network(hidden).numpy()[:, 0], atol=1e-5)
    np.testing.assert_array_equal(made.drops[1], -made.drops[0])


def test_unknown_layer(tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="no conv layer 'dilatd'; nearest: dilated"):
        explainer(tiny(24, head=True), "dilatd", raw, (24, 24, 3))


def test_preprocessing_is_applied(tiny: Callable[..., Any], raw: dict[str, Any], rng: np.random.Generator) -> None:
    network, image = tiny(24, head=True), rng.uniform(0, 255, (24, 24, 3)).astype("float32")
    unit = {**raw, "scale": [1 / 255] * 3, "reverse_channels": True}
    made = explainer(network, "dilated", unit, (24, 24, 3)).explain(image, (0, 1))
    wanted = network(preprocessing.preprocess(image[None], unit)).numpy()[0]
    np.testing.assert_allclose(special.softmax(made.logits), wanted, rtol=1e-3)
