"""One pass: the true pre-activations and outputs of all units, every image once."""

import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnviz.analysis import observe
from cnnviz.analysis.observe import Observer
from cnnviz.errors import InputError


def described(raw: dict[str, Any], size: int = 24) -> dict[str, Any]:
    return {"input_shape": [size, size, 3], "preprocessing": raw}


def channels_first(x: Any) -> np.ndarray:
    return np.moveaxis(np.asarray(x), -1, 1)


@pytest.mark.parametrize("few", [1, 2, 8])
def test_pre_and_unit_are_what_keras_computes(
    tiny: Callable[..., Any], raw: dict[str, Any], rng: np.random.Generator, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny()
    numbers = sum(int(np.prod(layer.output.shape[1:])) for layer in Observer(model, described(raw)).convs.values())
    monkeypatch.setitem(observe.TOGETHER, "cpu", 4 * few * numbers)
    images = rng.normal(size=(5, 24, 24, 3)).astype("float32")
    observer, at_once = Observer(model, described(raw)), []
    run = observer._run
    monkeypatch.setattr(observer, "_run", lambda some: at_once.append(len(some)) or run(some))
    (seen,) = observer.batches(lambda i: images[i], 5, 8)
    assert at_once == {1: [1] * 5, 2: [2, 2, 1], 8: [5]}[few]
    assert list(seen) == ["first", "expand", "depthwise", "separable", "dilated"]
    first = model.get_layer("first")
    linear = tf.nn.conv2d(images, first.kernel, 1, "SAME") + first.bias
    np.testing.assert_allclose(seen["first"].pre, channels_first(linear), atol=1e-5)
    np.testing.assert_allclose(seen["first"].unit, channels_first(tf.nn.relu(linear)), atol=1e-5)
    inner = model.get_layer("inner")
    pooled = model.get_layer("pool")(tf.nn.relu(linear))
    normed = keras.Model(inner.input, inner.get_layer("expand_bn").output)(pooled)
    np.testing.assert_allclose(seen["expand"].pre, channels_first(normed), atol=1e-5)
    np.testing.assert_allclose(seen["expand"].unit, channels_first(tf.clip_by_value(normed, 0, 6)), atol=1e-5)
    np.testing.assert_allclose(seen["dilated"].unit, channels_first(model(images)), atol=1e-5)
    assert seen["dilated"].pre.min() < 0
    assert first.activation is keras.activations.relu  # left as it was


def test_every_image_once_in_order(tiny: Callable[..., Any], raw: dict[str, Any], rng: np.random.Generator) -> None:
    images = rng.normal(size=(7, 24, 24, 3)).astype("float32")
    asked: list[int] = []

    def read(indices: Any) -> np.ndarray:
        asked.extend(indices)
        return images[indices]

    parts = [batch["dilated"] for batch in Observer(tiny(), described(raw), ["dilated"]).batches(read, 7, 3)]
    assert asked == list(range(7))
    assert [part.indices.tolist() for part in parts] == [[0, 1, 2], [3, 4, 5], [6]]
    whole = channels_first(tiny()(images))
    np.testing.assert_allclose(np.concatenate([part.unit for part in parts]), whole, atol=1e-5)


def test_what_is_released_is_gone_before_the_next_batch(
    tiny: Callable[..., Any], raw: dict[str, Any], rng: np.random.Generator
) -> None:
    images, held = rng.normal(size=(4, 24, 24, 3)).astype("float32"), []
    for batch in Observer(tiny(), described(raw)).batches(lambda i: images[i], 4, 2):
        assert [maps() for maps in held] == [None] * len(held)
        held = [weakref.ref(maps) for maps in batch._pre.values()]
        assert all(maps() is not None for maps in held)
        batch.release()
    assert len(held) == 5


def test_a_layer_called_twice_is_watched_at_both_places(raw: dict[str, Any], rng: np.random.Generator) -> None:
    keras.utils.set_random_seed(0)
    conv = keras.layers.Conv2D(3, 3, padding="same", activation="tanh", name="shared")
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, conv(conv(inputs)))
    images = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    (seen,) = Observer(model, described(raw, 8)).batches(lambda i: images[i], 2, 2)
    assert len(list(seen)) == 2
    for name, output in zip(seen, (conv(images), model(images)), strict=True):
        np.testing.assert_allclose(seen[name].unit, channels_first(output), atol=1e-5)
        np.testing.assert_allclose(np.tanh(seen[name].pre), channels_first(output), atol=1e-5)


def test_unknown_layer(tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="no conv layer 'frist'; nearest: first"):
        Observer(tiny(), described(raw), ["frist"])


def test_a_layer_called_on_two_crops_in_any_order(raw: dict[str, Any], rng: np.random.Generator) -> None:
    keras.utils.set_random_seed(0)
    conv = keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="shared")
    inputs = keras.Input((8, 8, 3))
    left, right = inputs[:, :, :4], inputs[:, :, 4:]
    first = conv(left)
    second = conv(keras.layers.MaxPooling2D(2)(right))
    deeper = keras.layers.Conv2D(2, 1, name="deeper")(keras.layers.MaxPooling2D(2)(first))
    for outputs in ([deeper, second], [second, deeper]):
        model = keras.Model(inputs, keras.layers.Concatenate()(outputs))
        images = rng.normal(size=(2, 8, 8, 3)).astype("float32")
        observer = Observer(model, described(raw, 8))
        (seen,) = observer.batches(lambda i, images=images: images[i], 2, 2)
        expected = {4: conv(images[:, :, :4]), 2: conv(keras.layers.MaxPooling2D(2)(images[:, :, 4:]))}
        for name in ("shared", "shared-2"):
            wanted = channels_first(expected[seen[name].unit.shape[-1]])
            np.testing.assert_allclose(seen[name].unit, wanted, atol=1e-5)
            np.testing.assert_allclose(np.maximum(seen[name].pre, 0), wanted, atol=1e-5)
            assert seen[name].unit.shape[2:] == observer.convs[name].output.shape[1:3]


def test_exactly_one_convolution(raw: dict[str, Any], rng: np.random.Generator) -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 3, activation="tanh", name="one")])
    images = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    (seen,) = Observer(model, described(raw, 8)).batches(lambda i: images[i], 2, 2)
    np.testing.assert_allclose(seen["one"].unit, channels_first(model(images)), atol=1e-5)
