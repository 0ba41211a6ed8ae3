"""Keras models themselves that are not in the form that cnnviz knows: brought into it as files are."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

import cnnviz
from cnnviz.errors import InputError
from cnnviz.networks import input_of, opened

LAYERS, SIZE = keras.layers, (12, 10)


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    yield
    keras.config.set_dtype_policy("float32")


class Twice(LAYERS.Layer):
    """A layer of one's own without weights."""

    def call(self, x: Any) -> Any:
        return x * 2


class Own(keras.Model):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conv, self.end = LAYERS.Conv2D(4, 3, name="conv"), LAYERS.Dense(3, activation="softmax", name="end")

    def call(self, x: Any, training: bool = False) -> Any:
        return self.end(keras.ops.mean(self.conv(x), axis=(1, 2)))


def subclassed(_: str) -> keras.Model:
    network = Own()
    network(np.zeros((1, *SIZE, 3), "float32"))
    return network


def plain(policy: str) -> keras.Model:
    keras.config.set_dtype_policy(policy)
    inputs = keras.Input((*SIZE, 3))
    x = LAYERS.Lambda(lambda t: t + 1)(Twice()(LAYERS.BatchNormalization()(LAYERS.Conv2D(4, 3, name="conv")(inputs))))
    x = LAYERS.SpectralNormalization(LAYERS.Conv2D(3, 3, activation="relu"))(keras.ops.relu(x))
    return keras.Model(inputs, LAYERS.Dense(3, activation="softmax", name="end")(LAYERS.GlobalMaxPooling2D()(x)))


def first(_: str) -> keras.Model:
    options = {"data_format": "channels_first"}
    inputs = keras.Input((3, *SIZE))
    x = LAYERS.Conv2D(4, 3, name="conv", **options)(inputs)
    return keras.Model(inputs, LAYERS.Dense(3, activation="softmax", name="end")(LAYERS.Flatten(**options)(x)))


def quantized(_: str) -> keras.Model:
    network = flat("")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras names the layers that it does not quantize
        network.quantize("int8")
    return network


def flat(_: str) -> keras.Model:
    end = LAYERS.Dense(3, activation="softmax", name="end")
    row = keras.Input((360,))
    return keras.Sequential([row, LAYERS.Reshape((*SIZE, 3)), LAYERS.Conv2D(4, 3, name="conv"), LAYERS.Flatten(), end])


def two(_: str) -> keras.Model:
    image, age = keras.Input((*SIZE, 3), name="image"), keras.Input((2,), name="age")
    x = LAYERS.GlobalAveragePooling2D()(LAYERS.Conv2D(4, 3, name="conv")(image))
    end = LAYERS.Dense(3, activation="softmax", name="end")
    return keras.Model([image, age], end(LAYERS.Concatenate()([x, age])))


MODELS: dict[str, tuple[Callable[[str], Any], Callable[[Any], Any], str]] = {
    "mixed_float16": (plain, lambda x: x, "computed in float32: the model says mixed_float16"),
    "bfloat16": (plain, lambda x: x, "computed in float32: the model says bfloat16"),
    "float64": (plain, lambda x: x, "computed in float32: the model says float64"),
    "first": (first, None, "turned from channels first to channels last"),  # type: ignore[dict-item]
    "quantized": (quantized, lambda x: x.reshape(len(x), -1), "quantized to int8"),
    "flat": (flat, lambda x: x.reshape(len(x), -1), "is an image of"),
    "two": (two, lambda x: [x, np.zeros((len(x), 2), "float32")], "the input 'age'"),
    "subclassed": (subclassed, lambda x: x, "a subclassed model"),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_is_brought_into_the_form_and_stays_what_it_was(kind: str, rng: np.random.Generator) -> None:
    make, fed, note = MODELS[kind]
    keras.utils.set_random_seed(2)
    network = make(kind)
    trained = [layer.trainable for layer in network.layers]
    images = rng.uniform(size=(2, *SIZE, 3)).astype("float32")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found, name, _ = opened(network)
    assert any(note in str(one.message) for one in said)
    assert name == network.name
    assert input_of(found, name) == (*SIZE, 3)
    answer = np.asarray(found(images), "float32")
    assert found.compute_dtype == found.layers[-1].compute_dtype == "float32"
    if fed:  # a processor has no convolutions with channels first
        kept = np.asarray(network(fed(images)), "float32")
        np.testing.assert_allclose(answer, kept, atol=2e-2 if kind in ("bfloat16", "quantized") else 2e-3)
    else:
        kernel, bias = network.get_layer("end").get_weights()
        maps = keras.ops.conv(images, *network.get_layer("conv").get_weights()[:1])  # its bias is 0
        logits = np.reshape(maps, (2, -1)) @ kernel + bias  # Flatten of channels first puts them last by itself
        np.testing.assert_allclose(answer, keras.ops.softmax(logits), rtol=1e-4)
    assert [layer.trainable for layer in network.layers] == trained
    conv = network.get_layer("conv")
    conv.set_weights([np.ones_like(conv.get_weights()[0]), *conv.get_weights()[1:]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = opened(network)[0]
    np.testing.assert_array_equal(again.get_layer("conv").get_weights()[0], 1)  # changed weights are seen


def test_the_functions_take_them() -> None:
    image = np.full((*SIZE, 3), 90, np.uint8)
    with pytest.warns(UserWarning, match="channels last"):
        assert len(cnnviz.kernels(first(""), "conv")) == 4
    with pytest.warns(UserWarning, match="float16"):
        assert cnnviz.explain(plain("mixed_float16"), image, preprocessing="unit").image.shape == (*SIZE, 3)


def test_an_ordinary_model_is_not_copied() -> None:
    network = plain("float32")
    assert opened(network)[0] is network


def test_what_cannot_be_brought_is_one_line_with_the_remedy() -> None:
    class Stubborn(LAYERS.Layer):
        def __init__(self, needed: int) -> None:
            super().__init__()
            self.needed = needed
            self.inside = LAYERS.Conv2D(2, 3)

        def call(self, x: Any) -> Any:
            return self.inside(x)

    keras.config.set_dtype_policy("mixed_float16")
    inputs = keras.Input((*SIZE, 3))
    with pytest.raises(InputError, match=r"^model: own: can't be brought into the form .*; save it with model\.save"):
        opened(keras.Model(inputs, Stubborn(1)(inputs), name="own"))
    assert keras.config.dtype_policy().name == "mixed_float16"
