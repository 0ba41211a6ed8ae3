"""What the line of an error keeps of an exception of Keras."""

import keras
import pytest

from cnnviz.errors import InputError, reason
from cnnviz.networks import graph


def test_no_colours_and_no_dumps() -> None:
    text = (
        "Exception encountered when calling Conv2D.call().\n\n\x1b[1m{{function_node __wrapped__Conv2D}} Negative size"
        "\x1b[0m\n\nArguments received by Conv2D.call():\n  • inputs=tf.Tensor(shape=(1, 2, 2, 3))"
    )
    assert reason(ValueError(text), 100) == "Negative size"
    assert reason(ValueError("long " * 50), 20) == "long long long long…"
    assert reason(KeyError(), 20) == "KeyError"


def test_what_keras_says_of_a_size_too_small() -> None:
    network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()])
    network.add(keras.layers.Dense(2))
    with pytest.raises(InputError, match=r"does not accept an input of shape \(6, 6, 3\)") as caught:
        graph.trace(network, (6, 6, 3))
    assert "\x1b" not in str(caught.value)
    assert "Arguments received" not in str(caught.value)
