"""What a network's answer is, and the scores before its last activation, for the ways in which networks end."""

from typing import Any

import keras
import numpy as np
import pytest
from scipy import special

from cnnviz.errors import InputError
from cnnviz.networks import graph, head

LAYERS = keras.layers


def ending(*last: Any, size: int = 6) -> Any:
    keras.utils.set_random_seed(4)
    inputs = keras.Input((size, size, 3))
    x = LAYERS.GlobalAveragePooling2D(name="pooled")(LAYERS.Conv2D(5, 3, name="conv")(inputs))
    for layer in last:
        x = layer(x)
    return keras.Model(inputs, x)


def traced(network: Any) -> graph.Graph:
    if all(isinstance(one, LAYERS.Layer) for one in network.operations):
        return graph.trace(network, network.input_shape[1:])
    return graph.Graph(network.inputs[0], outputs=network.outputs, output_names=network.output_names)


def scores_and_probabilities(
    network: Any, images: np.ndarray, names: tuple[str, ...] = ()
) -> tuple[head.Head, np.ndarray, np.ndarray]:
    flat = traced(network)
    found = head.find(flat, names)
    scores = keras.Model(flat.input, found.scores)(images).numpy()
    return found, scores, found.probabilities(scores)


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(3, 6, 6, 3)).astype("float32")


class Own(LAYERS.Dense):
    """A class of one's own: what it computes is not known."""


CLASSES: dict[str, list[Any]] = {
    "dense": [LAYERS.Dense(4, activation="softmax")],
    "dense, softmax": [LAYERS.Dense(4), LAYERS.Softmax()],
    "dense, activation": [LAYERS.Dense(4), LAYERS.Activation("softmax")],
    "dense, dropout, softmax": [LAYERS.Dense(4), LAYERS.Dropout(0.5), LAYERS.Softmax(), LAYERS.Identity()],
    "operation": [LAYERS.Dense(4), keras.ops.softmax],
    "temperature": [LAYERS.Dense(4), lambda z: keras.ops.softmax(z / 2.5)],
    "nested": [
        keras.Sequential([keras.Input((5,)), LAYERS.Dense(4), LAYERS.Softmax()], name="end"),
        LAYERS.Reshape((4,)),
    ],
    "convolution": [LAYERS.Reshape((1, 1, 5)), LAYERS.Conv2D(4, 1, activation="softmax"), LAYERS.Flatten()],
    "places": [LAYERS.Reshape((1, 1, 5)), LAYERS.Conv2D(4, 1), LAYERS.GlobalAveragePooling2D(), LAYERS.Softmax()],
    "map of one place": [LAYERS.Reshape((1, 1, 5)), LAYERS.Conv2D(4, 1), LAYERS.Softmax()],
    "own class": [Own(4, activation="softmax")],
    "mean of softmaxes": [
        LAYERS.RepeatVector(4),
        LAYERS.Reshape((2, 2, 5)),
        LAYERS.Conv2D(4, 1, activation="softmax"),
        LAYERS.GlobalAveragePooling2D(),
    ],
    "vote": [lambda x: LAYERS.Average()([LAYERS.Dense(4, activation="softmax")(x) for _ in range(2)])],
}


@pytest.mark.parametrize("kind", CLASSES)
def test_a_softmax_is_the_probability_of_classes(kind: str, images: np.ndarray) -> None:
    network = ending(*CLASSES[kind])
    found, scores, probabilities = scores_and_probabilities(network, images)
    assert found.kind == "classes"
    assert found.names == ("class 0", "class 1", "class 2", "class 3")
    assert not found.known
    np.testing.assert_allclose(probabilities, network(images).numpy().reshape(3, 4), rtol=2e-5)
    np.testing.assert_allclose(special.softmax(scores, axis=1), probabilities, rtol=2e-5)
    assert found.features.shape[0] is None
    assert len(found.features.shape) == 2


@pytest.mark.parametrize("kind", ["dense", "dense, dropout, softmax", "temperature", "operation"])
def test_features_are_what_the_last_dense_layer_sees(kind: str, images: np.ndarray) -> None:
    network = ending(*CLASSES[kind])
    flat = traced(network)
    features = keras.Model(flat.input, head.find(flat).features)(images)
    pooled = keras.Model(network.inputs[0], network.layers[2].output)(images)
    np.testing.assert_array_equal(features, pooled)


def test_log_softmax(images: np.ndarray) -> None:
    network = ending(LAYERS.Dense(4), LAYERS.Activation("log_softmax"))
    found, _, probabilities = scores_and_probabilities(network, images)
    assert found.kind == "classes"
    np.testing.assert_allclose(probabilities, np.exp(network(images)), rtol=1e-5)


@pytest.mark.parametrize(
    "last",
    [
        [LAYERS.Dense(1, activation="sigmoid")],
        [LAYERS.Dense(1), LAYERS.Activation("sigmoid")],
        [LAYERS.Dense(1), keras.ops.sigmoid],
        [LAYERS.Reshape((1, 1, 5)), LAYERS.Conv2D(1, 1, activation="sigmoid"), LAYERS.Flatten()],
        [lambda x: LAYERS.Average()([LAYERS.Dense(1, activation="sigmoid")(x) for _ in range(2)])],
    ],
)
def test_one_sigmoid_is_two_classes(last: list[Any], images: np.ndarray) -> None:
    network = ending(*last)
    found, scores, probabilities = scores_and_probabilities(network, images, ("cat", "dog"))
    assert (found.kind, found.names, found.known) == ("binary", ("cat", "dog"), True)
    np.testing.assert_allclose(probabilities[:, 1], network(images)[:, 0], rtol=1e-5)
    np.testing.assert_allclose(scores[:, 1] - scores[:, 0], special.logit(network(images)[:, 0]), rtol=1e-4, atol=1e-6)
    assert head.find(traced(network), ["dog"]).names == ("not dog", "dog")
    assert head.find(traced(network)).names == ("class 0", "class 1")
    with pytest.raises(InputError, match=r"m: class_names: 3 given \(a, b, c\), but the output .* has 1; expected 2"):
        head.find(traced(network), ["a", "b", "c"], where="m")


def test_one_linear_output_is_two_classes_only_where_two_names_are_given(images: np.ndarray) -> None:
    network = ending(LAYERS.Dense(1, name="z"))
    found, _, probabilities = scores_and_probabilities(network, images, ("cat", "dog"))
    assert found.kind == "binary"
    np.testing.assert_allclose(probabilities[:, 1], special.expit(network(images)[:, 0]), rtol=1e-5)
    assert head.find(traced(network)).kind == "regression"
    assert head.find(traced(network), ["angle"]).names == ("angle",)


@pytest.mark.parametrize("activation", ["sigmoid", "hard_sigmoid"])
def test_several_sigmoids_are_labels(activation: str, images: np.ndarray) -> None:
    network = ending(LAYERS.Dense(4, use_bias=False), LAYERS.Activation(activation))
    found, _, probabilities = scores_and_probabilities(network, images)
    assert found.kind == "labels"
    np.testing.assert_allclose(probabilities, network(images), rtol=1e-5)


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
def test_values_are_no_classes(activation: str, images: np.ndarray) -> None:
    network = ending(LAYERS.Dense(30, activation=activation, name="landmarks"))
    found, scores, values = scores_and_probabilities(network, images)
    assert (found.kind, found.names[3]) == ("regression", "landmarks[3]")
    np.testing.assert_allclose(scores, network(images), rtol=1e-6)
    np.testing.assert_array_equal(values, scores)
    with pytest.raises(InputError, match=r"class_names: 2 given .* has 30; expected 30, or none"):
        head.find(traced(network), ["a", "b"])


def test_scaled_outputs_are_values(images: np.ndarray) -> None:
    network = ending(LAYERS.Dense(1, activation="sigmoid"), LAYERS.Rescaling(100.0))
    found, scores, _ = scores_and_probabilities(network, images)
    assert found.kind == "regression"
    np.testing.assert_array_equal(scores, network(images))


def test_logits_are_before_a_relu_at_the_end(images: np.ndarray) -> None:
    network = ending(LAYERS.Dense(4, activation="relu"))
    found, scores, probabilities = scores_and_probabilities(network, images, tuple("abcd"))
    assert found.kind == "classes"
    assert (scores < 0).any()
    np.testing.assert_allclose(np.maximum(scores, 0), network(images), atol=1e-6)
    np.testing.assert_allclose(probabilities, special.softmax(network(images).numpy(), axis=1), rtol=1e-5)
    assert int(found.features.shape[-1]) == 5


def test_class_scores_from_pooled_maps_have_no_dense_layer(images: np.ndarray) -> None:
    network = ending(LAYERS.Activation("softmax"))
    found, scores, probabilities = scores_and_probabilities(network, images)
    assert found.dense is None
    np.testing.assert_allclose(probabilities, special.softmax(scores, axis=1), rtol=1e-5)


@pytest.mark.parametrize(
    ("last", "why"),
    [
        ([], "features; give class_names"),
        ([LAYERS.Dense(1, activation="softmax")], "always 1"),
        ([LAYERS.Dense(3), LAYERS.Reshape((3, 1))], "neither classes, values nor a picture"),
        ([LAYERS.Dense(8), LAYERS.UnitNormalization()], "an embedding"),
    ],
)
def test_others_have_no_answer(last: list[Any], why: str) -> None:
    found = head.find(traced(ending(*last)))
    assert (found.kind, found.answers) == ("none", False)
    assert why in found.why


def test_pooled_scores_are_classes_where_there_are_names(images: np.ndarray) -> None:
    found, _, probabilities = scores_and_probabilities(ending(), images, tuple("abcde"))
    assert found.kind == "classes"
    np.testing.assert_allclose(probabilities, special.softmax(ending()(images).numpy(), axis=1), rtol=1e-5)


def maps(*last: Any) -> Any:
    inputs = keras.Input((12, 12, 3))
    # named: the layers of the parameters were named when the tests were collected, at whatever the counters stood
    x = LAYERS.MaxPooling2D(name="halved")(LAYERS.Conv2D(5, 3, padding="same", name="first")(inputs))
    for layer in last:
        x = layer(x)
    return keras.Model(inputs, x)


@pytest.mark.parametrize(
    ("last", "kind", "ends_in"),
    [
        ([LAYERS.UpSampling2D(), LAYERS.Conv2D(3, 3, padding="same", activation="sigmoid")], "pictures", "sigmoid"),
        ([LAYERS.Conv2DTranspose(1, 2, strides=2, activation="tanh")], "pictures", "tanh"),
        ([LAYERS.Conv2DTranspose(7, 2, strides=2)], "pictures", "linear"),
        ([LAYERS.MaxPooling2D(), LAYERS.Conv2D(6, 1, activation="softmax")], "pictures", "softmax"),
        ([LAYERS.Conv2D(4, 1), LAYERS.Reshape((36, 4)), LAYERS.Softmax()], "pictures", "softmax"),
        ([LAYERS.Flatten(), LAYERS.Dense(432, activation="sigmoid")], "pictures", "sigmoid"),
        ([LAYERS.Flatten(), LAYERS.Dense(432), LAYERS.Reshape((12, 12, 3))], "pictures", "linear"),
        ([LAYERS.MaxPooling2D()], "none", "linear"),
        ([LAYERS.Conv2D(16, 3)], "none", "linear"),
        ([LAYERS.MaxPooling2D(), LAYERS.Conv2D(5, 1, activation="sigmoid")], "none", "linear"),
    ],
)
def test_maps_are_pictures_or_features(last: list[Any], kind: str, ends_in: str) -> None:
    found = head.find(traced(maps(*last)))
    assert (found.kind, found.ends_in) == (kind, ends_in)
    if kind == "pictures":
        assert len(found.tensor.shape) == 4


def heads(**outputs: Any) -> Any:
    keras.utils.set_random_seed(4)
    inputs = keras.Input((6, 6, 3))
    x = LAYERS.Flatten()(LAYERS.Conv2D(5, 3)(inputs))
    return keras.Model(inputs, [LAYERS.Dense(n, act, name=name)(x) for name, (n, act) in outputs.items()])


TWO: dict[str, Any] = {"age": (1, None), "kind": (4, "softmax")}


def test_the_softmax_among_outputs_is_taken_and_said() -> None:
    found = head.find(graph.trace(heads(**TWO), (6, 6, 3)), key="models.m.output")
    assert (found.kind, found.output) == ("classes", "kind")
    assert "taken as the one softmax of 2 outputs (others: 'age'); models.m.output names another" in found.why


@pytest.mark.parametrize(
    ("outputs", "names", "taken", "said"),
    [
        ({"age": (1, None), "glad": (1, "sigmoid")}, [], "glad", "the one classifier"),
        ({"a": (3, "softmax"), "b": (4, "softmax")}, [], "a", "the first classifier"),
        ({"a": (3, "softmax"), "b": (4, "softmax")}, list("wxyz"), "b", "the one that the class_names fit"),
        ({"age": (1, None), "scores": (3, None)}, list("xyz"), "scores", "the one that the class_names fit"),
        ({"age": (1, None), "size": (2, None)}, [], "age", "the first one"),
        ({"age": (1, None), "gender": (1, "sigmoid")}, ["male", "female"], "gender", "the one that the class_names"),
        ({"box": (4, None), "cls": (4, "softmax")}, list("wxyz"), "cls", "the one that the class_names fit"),
        ({"box": (4, "relu"), "tags": (4, "sigmoid")}, list("wxyz"), "tags", "the one that the class_names fit"),
    ],
)
def test_which_output_is_taken(outputs: dict[str, Any], names: list[str], taken: str, said: str) -> None:
    found = head.find(traced(heads(**outputs)), names)
    assert found.output == taken
    assert f"taken as {said}" in found.why


def test_an_output_by_name() -> None:
    found = head.find(traced(heads(**TWO)), output="age")
    assert (found.kind, found.output) == ("regression", "age")
    with pytest.raises(InputError, match=r"models\.m: output: 'agee' is no output of the network; nearest: age"):
        head.find(traced(heads(**TWO)), output="agee", where="models.m")


def test_an_output_by_the_name_of_a_nested_model() -> None:
    inputs = keras.Input((6, 6, 3))
    x = LAYERS.Flatten()(LAYERS.Conv2D(5, 3)(inputs))
    end = keras.Sequential([keras.Input((80,)), LAYERS.Dense(3, activation="softmax", name="inside")], name="species")
    network = keras.Model(inputs, [LAYERS.Dense(2, activation="softmax", name="sex")(x), end(x)])
    for name in ("species", "inside"):
        assert head.find(graph.trace(network, (6, 6, 3)), output=name).output == "inside"


def test_names_that_fit_no_classifier_do_not_make_one_of_values() -> None:
    network = traced(heads(age=(1, None), cls=(3, "softmax")))
    said = (
        r"2 given \(a, b\), but the output 'cls' has 3, .* softmax; expected as many, or `output:` 'age', .*: age, cls"
    )
    with pytest.raises(InputError, match=said):
        head.find(network, ["a", "b"])
    assert head.find(network, ["a", "b"], output="age").kind == "binary"


def test_of_several_pictures_the_largest_is_taken() -> None:
    inputs = keras.Input((12, 12, 3))
    small = LAYERS.Conv2D(2, 1, activation="softmax", name="aux")(LAYERS.MaxPooling2D()(inputs))
    large = LAYERS.Conv2D(2, 1, activation="softmax", name="main")(LAYERS.UpSampling2D()(small))
    boxes = LAYERS.Dense(2, name="boxes")(LAYERS.Flatten()(small))
    found = head.find(traced(keras.Model(inputs, [small, large])))
    assert found.output == "main"
    assert "taken as the largest picture of 2 outputs" in found.why
    assert head.find(traced(keras.Model(inputs, [boxes, small, large])), ["sky", "sea"]).output == "main"


def test_logits_of_places_are_classes_where_there_are_names() -> None:
    network = traced(maps(LAYERS.UpSampling2D(), LAYERS.Conv2D(3, 1, name="logits")))
    found = head.find(network, ["sky", "sea", "land"])
    assert (found.kind, found.ends_in, found.names) == ("pictures", "softmax", ("sky", "sea", "land"))
    assert "scores of classes at every place" in found.why
    assert "drawn as red, green and blue; give class_names" in head.find(network).why
