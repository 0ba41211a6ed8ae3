"""Kernels, feature maps, examples and explanations of networks of one's own, against Keras and NumPy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import cnnviz
from cnnviz.errors import InputError
from cnnviz.notebook import FeatureMaps, activity
from tests import gradcam_reference as reference

pytestmark = pytest.mark.pipeline  # traces and renders: longer than the unit tests may take


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (12, 24, 24, 3), dtype=np.uint8)


def inner(network: Any, layer: str) -> Any:
    """The output of a layer of the nested network, for inputs of the whole."""
    nested = network.get_layer("inner")
    start = keras.Model(network.input, network.get_layer("pool").output)
    return lambda x: keras.Model(nested.input, nested.get_layer(layer).output)(start(x)).numpy()


def test_kernels_are_those_of_keras(tiny: Callable[..., Any]) -> None:
    network = tiny()
    first = cnnviz.kernels(network, "first")
    kernel, bias = network.get_layer("first").get_weights()
    np.testing.assert_array_equal(first.kernel, kernel)
    np.testing.assert_array_equal(first.bias, bias)
    assert repr(first) == "<6 kernels of first, 3 x 3, reading 3 channels each>"
    some = first[[4, 1]]
    assert some.filters == (4, 1)
    np.testing.assert_array_equal(some.kernel, kernel[..., [4, 1]])
    np.testing.assert_array_equal(first.of(5).bias, bias[5:])
    assert not cnnviz.kernels(network, "expand").bias.any()


def test_depthwise_and_separable_kernels(tiny: Callable[..., Any], rng: np.random.Generator) -> None:
    network = tiny()
    depthwise = cnnviz.kernels(network, "depthwise")
    kernel, _ = network.get_layer("inner").get_layer("depthwise").get_weights()
    assert depthwise.kernel.shape == (3, 3, 1, 16)
    for k in range(16):  # two filters for each channel
        np.testing.assert_array_equal(depthwise.of(k).kernel[:, :, 0, 0], kernel[:, :, k // 2, k % 2])
    separable = cnnviz.kernels(network, "separable")
    maps = rng.normal(size=(1, 8, 8, 16)).astype("float32")
    by_joined = tf.nn.conv2d(maps, separable.kernel, 1, "VALID") + separable.bias
    np.testing.assert_allclose(by_joined, network.get_layer("separable")(maps), atol=1e-4)


def test_kernels_of_the_first_layer_are_drawn_in_colour_with_their_numbers(tiny: Callable[..., Any]) -> None:
    network = tiny()
    kernel = np.zeros((3, 3, 3, 6), "float32")
    kernel[..., 0, 2] = 1  # filter 2: the first channel
    network.get_layer("first").set_weights([kernel, np.zeros(6)])
    for preprocessing, red in ((None, (255, 0, 0)), ("unit", (255, 0, 0)), ("caffe", (0, 0, 255))):
        picture = cnnviz.kernels(network, "first", preprocessing=preprocessing).of(2).picture()
        assert red in {tuple(pixel) for pixel in np.asarray(picture).reshape(-1, 3).tolist()}
    deeper = cnnviz.kernels(network, "dilated")
    assert "of each" not in deeper._note()
    assert deeper[3:5].picture().size[1] > deeper[4:5].picture().size[1]


def test_feature_maps_are_what_keras_computes(tiny: Callable[..., Any], images: np.ndarray) -> None:
    network = tiny()
    scaled = images / np.float32(127.5) - 1
    maps = cnnviz.feature_maps(network, images, preprocessing="tf")
    assert list(maps) == ["first", "expand", "depthwise", "separable", "dilated"]
    wanted = keras.Model(network.input, network.get_layer("first").output)(scaled)
    np.testing.assert_allclose(maps["first"].maps, wanted, atol=1e-5)
    np.testing.assert_allclose(maps["expand"].maps, inner(network, "expand")(scaled), atol=1e-4)
    np.testing.assert_allclose(maps["dilated"].maps, network(scaled), atol=1e-4)
    np.testing.assert_array_equal(maps["first"].images, images)
    unit = inner(network, "expand_relu")(scaled)  # mean is that of the unit
    np.testing.assert_allclose(maps["expand"].mean, unit.mean((0, 1, 2)), rtol=1e-4)
    assert repr(maps) == "<feature maps of 5 layers on 12 images>"
    with pytest.raises(InputError, match="no conv layer 'frst'; nearest: first"):
        maps["frst"]
    assert maps.get("frst") is None
    assert "frst" not in maps


def test_feature_maps_of_one_layer_and_of_some_channels(tiny: Callable[..., Any], images: np.ndarray) -> None:
    network = tiny()
    one = cnnviz.feature_maps(network, images, "dilated", preprocessing="unit")
    whole = cnnviz.feature_maps(network, images, preprocessing="unit")["dilated"]
    np.testing.assert_allclose(one.maps, whole.maps, atol=1e-5)
    assert repr(one) == "<12 feature maps of dilated on 12 images, 4 x 4>"
    some = one[[7, 2]]
    assert some.filters == (7, 2)
    np.testing.assert_array_equal(some.maps, one.maps[..., [7, 2]])
    pool = cnnviz.feature_maps(network, images[0], "pool", preprocessing="unit")  # any layer that has maps
    assert pool.maps.shape == (1, 12, 12, 6)
    assert "the 8 most active of 12 channels; the first 4 of 12 images" in one._note()
    assert one.picture().size[0] > one[:2].picture().size[0]


@pytest.mark.parametrize("depth", [1, 5])
def test_every_function_takes_networks_of_any_number_of_channels(depth: int, rng: np.random.Generator) -> None:
    inputs = keras.Input((12, 12, depth))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    x = keras.layers.Dense(3, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x))
    network = keras.Model(inputs, x)
    images = rng.integers(0, 256, (3, 12, 12, depth), dtype=np.uint8)
    for made in (
        cnnviz.kernels(network, "conv"),
        cnnviz.feature_maps(network, images, preprocessing="unit"),
        cnnviz.examples(network, images, "conv", [0, 3], preprocessing="unit"),
        cnnviz.explain(network, images[0], preprocessing=(-1, 1)),
    ):
        assert "<img" in made._repr_html_()
        made.picture()


def test_examples_are_found_by_brute_force(tiny: Callable[..., Any], images: np.ndarray) -> None:
    network = tiny()
    output = inner(network, "expand_bn")(images / np.float32(255))
    found = cnnviz.examples(network, images, "expand", [6, 1], preprocessing="unit", count=5)
    assert (found.filters, found.values.shape) == ((6, 1), (2, 5))
    for row, k in enumerate(found.filters):
        peaks = output[..., k].max((1, 2))
        best = np.argsort(-peaks)[:5]
        assert found.images[row].tolist() == best.tolist()
        np.testing.assert_allclose(found.values[row], peaks[best], rtol=1e-4, atol=1e-5)
        for image, (y, x) in zip(best, found.positions[row], strict=True):
            assert divmod(int(output[image, ..., k].argmax()), 12) == (y, x)
    (y, x), box = found.positions[0, 0], found.boxes[0, 0]
    assert box.tolist() == [2 * y - 3, 2 * x - 3, 2 * y + 5, 2 * x + 5]  # 3 x 3, pooling by 2, 3 x 3: 8 pixels
    inside = images[found.images[0, 0], max(box[0], 0) : box[2], max(box[1], 0) : box[3]]
    np.testing.assert_array_equal(found.patches[0][0], inside)  # cut off where the image ends
    assert found.outside[0, 0] == pytest.approx(1 - inside.shape[0] * inside.shape[1] / 64)
    assert f"{found.outside[0, 0]:.0%} outside the image" in found._repr_html_()


def test_examples_of_fewer_images_and_of_some_filters(tiny: Callable[..., Any], images: np.ndarray) -> None:
    found = cnnviz.examples(tiny(), images[:2], "first", [3, 0, 5], preprocessing="unit")
    assert repr(found) == "<2 examples of each of 3 filters of first>"
    one = found.of(5)
    np.testing.assert_array_equal(one.values, found.values[2:])
    assert len(one.patches) == 1
    assert found._repr_html_().count("<img") == 6


def test_explanation_is_gradcam_by_hand(rng: np.random.Generator) -> None:
    network, layer = reference.network(hidden=True)
    image = rng.integers(0, 256, (16, 20, 3), dtype=np.uint8)
    made = cnnviz.explain(network, image, layer=layer, preprocessing="unit", class_names=["a", "b", "c", "d"])
    both = keras.Model(network.input, [network.get_layer(layer).output, network.layers[-1].input])
    kernel, bias = network.layers[-1].get_weights()
    x = tf.constant(image[None] / np.float32(255))
    with tf.GradientTape(persistent=True) as tape:
        maps, features = both(x)
        logits = features @ kernel + bias
        class_, second = np.argsort(-logits[0])[:2]
        score, difference = logits[0, class_], logits[0, class_] - logits[0, second]
    slopes = tape.gradient(score, maps).numpy()[0]
    np.testing.assert_allclose(made.probabilities, network(x)[0], rtol=1e-4)
    assert (made.class_, made.against) == (class_, second)
    wanted = np.maximum((maps[0] * slopes.mean((0, 1))).numpy().sum(-1), 0)
    np.testing.assert_allclose(made.map, wanted, rtol=1e-3, atol=1e-4 * wanted.max())
    shares = (maps * tape.gradient(difference, maps)).numpy().sum((0, 1, 2))
    np.testing.assert_allclose(made.contributions, shares, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(made.places.sum((0, 1)), made.contributions, rtol=1e-3, atol=1e-4)
    assert repr(made).startswith(f"<{'abcd'[class_]} (")
    assert made.over_image.shape == (16, 20)


def test_explanation_of_another_class_and_of_some_filters(rng: np.random.Generator) -> None:
    network, layer = reference.network(hidden=False)
    image = rng.integers(0, 256, (16, 20, 3), dtype=np.uint8)
    given: dict[str, Any] = {"layer": layer, "preprocessing": "unit", "class_names": ["a", "b", "c", "d"]}
    first = cnnviz.explain(network, image, **given)
    other = next(c for c in range(4) if c not in (first.class_, first.against))
    made = cnnviz.explain(network, image, "abcd"[other], **given)
    assert (made.class_, made.against) == (other, first.class_)
    weights = made.gradients[0].mean((0, 1))
    one = made.of(5)
    np.testing.assert_allclose(one.map, np.maximum(made.activations[..., 5] * weights[5], 0), rtol=1e-4, atol=1e-9)
    assert len(made) == 8
    assert len(made[2:4].contributions) == 2


def answering(*ends: Any) -> Any:
    keras.utils.set_random_seed(6)
    inputs = keras.Input((24, 24, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(6, 5, activation="relu", name="conv")(inputs))
    outputs = [end(x) for end in ends]
    return keras.Model(inputs, outputs if len(ends) > 1 else outputs[0], name="answering")


def test_why_a_value_is_what_it_is(images: np.ndarray) -> None:
    network = answering(keras.layers.Dense(1, name="angle"), keras.layers.Dense(2, activation="softmax", name="side"))
    made = cnnviz.explain(network, images[0], preprocessing="unit", output="angle")
    value = float(network(images[:1] / np.float32(255))[0][0, 0])
    assert (made.kind, made.class_names, made.against) == ("regression", ("angle",), None)
    assert made.logits[0] == pytest.approx(value, rel=1e-4)
    assert made.contributions.sum() == pytest.approx(value, rel=1e-4)  # the bias is 0
    np.testing.assert_allclose(made.places.sum((0, 1)), made.contributions, rtol=1e-4)
    assert repr(made) == f"<angle {value:.4g} by 6 filters of conv>"
    assert made._note().startswith(f"value: angle {value:.4g}")
    assert cnnviz.explain(network, images[0], preprocessing="unit").class_names == ("class 0", "class 1")
    with pytest.raises(InputError, match="explain: output: 'angel' is no output of the network; nearest: angle"):
        cnnviz.explain(network, images[0], preprocessing="unit", output="angel")


def test_two_classes_of_one_sigmoid_and_labels_by_themselves(images: np.ndarray) -> None:
    network = answering(keras.layers.Dense(1, activation="sigmoid"))
    made = cnnviz.explain(network, images[0], "dog", preprocessing="unit", class_names=["cat", "dog"])
    assert made.probabilities[1] == pytest.approx(float(network(images[:1] / np.float32(255))[0, 0]), rel=1e-4)
    assert (made.class_, made.against) == (1, 0)
    labels = answering(keras.layers.Dense(3, activation="sigmoid"))
    alone = cnnviz.explain(labels, images[0], preprocessing="unit", class_names=["sea", "sky", "sand"])
    assert (alone.kind, alone.against) == ("labels", None)
    np.testing.assert_allclose(alone.probabilities, labels(images[:1] / np.float32(255))[0], rtol=1e-4)
    assert alone._note().startswith("labels, each by itself: ")


def test_weights_that_are_no_numbers_are_named(images: np.ndarray) -> None:
    network = answering(keras.layers.Dense(2, activation="softmax"))
    kernel, bias = network.get_layer("conv").get_weights()
    kernel[0, 0, 0, 1] = np.nan
    network.get_layer("conv").set_weights([kernel, bias])
    made = cnnviz.explain(network, images[0], preprocessing="unit")  # ReLU makes 0 of it
    assert made._note().endswith("; weights of 'conv' hold NaN or infinity")
    network.get_layer("conv").activation = keras.activations.linear
    with pytest.raises(InputError, match="its answer for this image is not a number: weights of 'conv' hold NaN"):
        cnnviz.explain(network, images[0], preprocessing="unit")


def test_what_is_no_classifier_is_said_in_one_line(tiny: Callable[..., Any], images: np.ndarray) -> None:
    with pytest.raises(InputError, match="tiny gives no classes and no values: 'dilated' is 4 × 4 × 12: features"):
        cnnviz.explain(tiny(), images[0], preprocessing="unit")
    dense = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(2)], name="flat")
    for function in (cnnviz.explain, cnnviz.feature_maps):
        with pytest.raises(InputError, match="model: flat has no conv layer"):
            function(dense, np.zeros((4, 4, 3)), preprocessing="unit")


def test_everything_is_saved(tiny: Callable[..., Any], images: np.ndarray, tmp_path: Path) -> None:
    network = tiny(head=True)
    given: dict[str, Any] = {"preprocessing": "unit"}
    maps = cnnviz.feature_maps(network, images[:2], **given)
    for name, made, pngs, arrays in (
        ("first_kernels", cnnviz.kernels(network, "first"), 1, {"kernel", "bias", "filters"}),
        ("feature_maps", maps, 5, {"first/maps", "dilated/mean"}),
        ("dilated_maps", maps["dilated"], 1, {"maps", "mean", "images", "filters"}),
        ("first_examples", cnnviz.examples(network, images, "first", [0, 2], **given), 18, {"values", "boxes"}),
        ("dilated_class_2", cnnviz.explain(network, images[0], 2, **given), 8, {"map", "contributions", "classes"}),
    ):
        paths = made.save(tmp_path)
        assert paths[-1] == tmp_path / f"{name}.npz"
        assert len(paths) == pngs + 1
        with np.load(paths[-1]) as stored:
            assert arrays <= set(stored.files)
        before = [path.read_bytes() for path in paths]
        assert [path.read_bytes() for path in made.save(tmp_path)] == before


def test_of_many_channels_the_most_active_are_drawn_of_few_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    mean = np.arange(12.0)
    maps = np.zeros((1, 4, 4, 12), np.float32)
    many = FeatureMaps("conv", tuple(range(100, 112)), maps, np.zeros((1, 4, 4, 3), np.float32), mean)
    drawn: list[list[int]] = []
    monkeypatch.setattr(activity.activations, "picture", lambda seen, which, maps, numbers: drawn.append(numbers))
    many._drawn()
    many.of(100, 111, 105)._drawn()
    assert drawn == [[111, 110, 109, 108, 107, 106, 105, 104], [100, 111, 105]]


def test_pictures_of_names_that_no_file_can_have_are_all_saved(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    twice = cnnviz.maximize(tiny(), "first", [0, 1], preprocessing="raw", steps=1, size=16)[[0, 0, 1]]
    paths = twice.save(tmp_path)
    assert len(set(paths)) == len(paths) == 4
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", "/proc/none", tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match="save: "):
            twice.save(place)
