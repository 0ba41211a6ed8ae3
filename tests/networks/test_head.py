"""Logits before the last activation, probabilities after it, for the ways in which classifiers end."""

from typing import Any

import keras
import numpy as np
import pytest
from scipy import special

from cnnviz.networks import graph, head

LAYERS = keras.layers


def ending(*last: Any) -> Any:
    keras.utils.set_random_seed(4)
    inputs = keras.Input((6, 6, 3))
    x = LAYERS.GlobalAveragePooling2D()(LAYERS.Conv2D(5, 3, name="conv")(inputs))
    for layer in last:
        x = layer(x)
    return keras.Model(inputs, x)


def logits_and_probabilities(network: Any, images: np.ndarray) -> tuple[head.Head, np.ndarray, np.ndarray]:
    traced = graph.trace(network, (6, 6, 3))
    found = head.find(traced)
    assert found is not None
    logits = np.asarray(found.logits(keras.Model(traced.input, found.features)(images)))
    return found, logits, found.probabilities(logits)


@pytest.mark.parametrize(
    "last",
    [
        [LAYERS.Dense(4, activation="softmax")],
        [LAYERS.Dense(4), LAYERS.Softmax()],
        [LAYERS.Dense(4), LAYERS.Activation("softmax")],
        [LAYERS.Dense(4, activation="sigmoid")],
        [LAYERS.Dense(4, use_bias=False), LAYERS.Activation("sigmoid")],
    ],
)
def test_output_of_the_network_is_the_probability(last: list[Any], rng: np.random.Generator) -> None:
    images = rng.normal(size=(3, 6, 6, 3)).astype("float32")
    network = ending(*last)
    _, logits, probabilities = logits_and_probabilities(network, images)
    np.testing.assert_allclose(probabilities, network(images), rtol=1e-5)
    sigmoid = getattr(last[-1], "activation", None) is keras.activations.sigmoid
    wanted = special.expit(logits) if sigmoid else special.softmax(logits, axis=1)
    np.testing.assert_allclose(probabilities, wanted, rtol=1e-5)


def test_logits_are_before_a_relu_at_the_end(rng: np.random.Generator) -> None:
    images = rng.normal(size=(3, 6, 6, 3)).astype("float32")
    dense = LAYERS.Dense(4, activation="relu")
    network = ending(dense)
    found, logits, probabilities = logits_and_probabilities(network, images)
    assert (logits < 0).any()
    np.testing.assert_allclose(np.maximum(logits, 0), network(images), atol=1e-6)
    np.testing.assert_allclose(probabilities, special.softmax(network(images).numpy(), axis=1), rtol=1e-5)
    assert int(found.features.shape[-1]) == 5


def test_class_scores_from_pooled_maps_have_no_dense_layer(rng: np.random.Generator) -> None:
    images = rng.normal(size=(3, 6, 6, 3)).astype("float32")
    network = ending(LAYERS.Activation("softmax"))
    found, logits, probabilities = logits_and_probabilities(network, images)
    assert found.dense is None
    np.testing.assert_allclose(probabilities, special.softmax(logits, axis=1), rtol=1e-5)


@pytest.mark.parametrize(
    "last", [[], [LAYERS.Dense(1, activation="sigmoid")], [LAYERS.Dense(3), LAYERS.Reshape((3, 1))]]
)
def test_others_are_no_classifiers(last: list[Any]) -> None:
    assert head.find(graph.trace(ending(*last), (6, 6, 3))) is None
