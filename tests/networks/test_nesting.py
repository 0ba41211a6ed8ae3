"""Networks as people build them: operations, nested and shared networks, wrappers, layers of one's own."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from cnnviz.errors import InputError
from cnnviz.networks import graph
from cnnviz.networks.origins import sources

layers, ops = keras.layers, keras.ops
SIDE = 12


def branch(name: str, *more: Any) -> keras.Model:
    parts = [
        layers.Conv2D(3, 3, padding="same", name="conv1"),
        layers.Conv2D(3, 3, padding="same", name="conv2"),
        *more,
    ]
    return keras.Sequential([keras.Input((SIDE, SIDE, 3)), *parts], name=name)


def functional(build: Callable[[Any], Any], size: int = SIDE) -> keras.Model:
    keras.utils.set_random_seed(2)
    inputs = keras.Input((size, size, 3))
    return keras.Model(inputs, build(inputs))


def same(model: keras.Model, traced: graph.Graph) -> None:
    """The flat graph computes what the model computes, and its layers can be asked for all at once."""
    images = np.random.default_rng(0).normal(size=(2, *traced.input.shape[1:])).astype("float32")
    outputs = [call.output for call in traced.calls[-1:]] + [conv.output for conv in traced.convs.values()]
    flat = keras.tree.flatten(keras.Model(traced.input, outputs)(images, training=False))
    np.testing.assert_allclose(flat[0], keras.tree.flatten(model(images, training=False))[0], atol=1e-5)


class Block(layers.Layer):
    """Convolutions inside a layer of one's own."""

    def __init__(self, body: Callable[[Any], Any] = ops.relu, **options: Any) -> None:
        super().__init__(**options)
        self.conv, self.body = layers.Conv2D(3, 3, padding="same", name="inside"), body

    def call(self, x: Any) -> Any:
        return x + self.body(self.conv(x))


class Whitened(layers.Conv2D):
    """A derived convolution."""


def test_operations_that_are_no_layers() -> None:
    conv = layers.Conv2D(3, 3, padding="same", name="conv")
    model = functional(lambda x: ops.relu(conv(x[..., ::-1] / 127.5 - 1)) + x)
    traced = graph.trace(model, (SIDE, SIDE, 3))
    same(model, traced)
    assert traced.convs["conv"].unit.layer.__class__.__name__ == "Relu"
    assert {entry["type"] for entry in traced.layers} >= {"GetItem", "Subtract", "Relu", "Add"}
    after = layers.Conv2D(3, 3, padding="same", name="after")
    traced = graph.trace(functional(lambda x: ops.relu(after(x) + x)), (SIDE, SIDE, 3))
    assert traced.convs["after"].unit.name == "after"  # that ReLU belongs to the sum


def test_equal_names_in_nested_networks_are_told_apart() -> None:
    one, other = branch("a"), branch("b", layers.Conv2D(3, 1, name="only"))
    model = functional(lambda x: layers.Average()([one(x), other(x)]))
    traced = graph.trace(model, (SIDE, SIDE, 3))
    assert sorted(traced.convs) == ["a.conv1", "a.conv2", "b.conv1", "b.conv2", "only"]
    same(model, traced)
    assert [layer.name for layer in one.layers] == ["conv1", "conv2"]  # the model itself is left as it was
    assert traced.convs["b.conv2"].layer.kernel is other.layers[1].kernel
    assert "a.conv1" in graph.trace(model, (SIDE, SIDE, 3), until="a.conv1").convs


def test_deeper_nests_get_as_much_of_their_place_as_they_need() -> None:
    def outer(name: str) -> keras.Model:
        inputs = keras.Input((SIDE, SIDE, 3))
        return keras.Model(inputs, branch("body")(inputs), name=name)

    model = functional(lambda x: layers.Add()([outer("left")(x), outer("right")(x)]))
    assert sorted(graph.trace(model, (SIDE, SIDE, 3)).convs) == [
        f"{side}.body.conv{i}" for side in ("left", "right") for i in (1, 2)
    ]


def test_names_that_differ_in_case_only() -> None:
    model = functional(lambda x: layers.Conv2D(2, 1, name="CONV")(layers.Conv2D(2, 1, name="conv")(x)))
    assert [name.lower() for name in graph.trace(model, (SIDE, SIDE, 3)).convs] == ["conv", "conv-2"]


def test_a_nested_network_called_twice() -> None:
    shared = branch("shared", layers.GlobalAveragePooling2D())
    model = functional(lambda x: layers.Subtract()([shared(x[:, :, ::-1]), shared(x)]))
    traced = graph.trace(model, (SIDE, SIDE, 3))
    assert sorted(traced.convs) == ["conv1", "conv1-2", "conv2", "conv2-2"]
    same(model, traced)


def test_convolutions_in_wrappers_and_layers_of_ones_own() -> None:
    wrapped = layers.SpectralNormalization(layers.Conv2D(3, 3, padding="same", name="normed"), name="wrapper")
    model = functional(lambda x: Whitened(2, 3, name="derived")(Block(name="own")(wrapped(x))))
    model(np.zeros((1, SIDE, SIDE, 3)), training=True)  # scales the kernel
    traced = graph.trace(model, (SIDE, SIDE, 3))
    assert list(traced.convs) == ["normed", "inside", "derived"]
    assert traced.convs["normed"].layer.kernel is wrapped.layer.kernel
    assert not traced.notes
    same(model, traced)
    names = [entry["name"] for entry in traced.layers]
    assert names == [entry["name"] for entry in graph.trace(model, (SIDE, SIDE, 3)).layers]


def test_convolutions_that_cannot_be_reached_are_noted() -> None:
    import tensorflow as tf

    model = functional(lambda x: layers.Conv2D(2, 1, name="shown")(Block(tf.nn.relu, name="closed")(x)))
    traced = graph.trace(model, (SIDE, SIDE, 3))
    assert list(traced.convs) == ["shown"]
    assert traced.notes == ["closed (Block) has convolutions inside that can't be shown: inside"]
    frames = functional(
        lambda x: layers.TimeDistributed(layers.Conv2D(2, 3, name="each"), name="frames")(
            layers.Reshape((2, SIDE // 2, SIDE, 3))(x)
        )
    )
    assert "each" in graph.trace(frames, (SIDE, SIDE, 3)).notes[0]


@pytest.mark.parametrize(
    ("activation", "behind", "unit"),
    [
        (None, layers.Activation("tanh", name="n"), "n"),
        (None, layers.PReLU(name="n"), "n"),
        (None, layers.Activation("relu6", name="n"), "n"),
        (None, layers.Softmax(name="n"), "conv"),
        ("tanh", layers.ReLU(name="n"), "conv"),
        (layers.LeakyReLU(), layers.ReLU(name="n"), "conv"),
        (None, layers.BatchNormalization(axis=1, name="n"), "conv"),  # of rows, not of channels
        (None, layers.BatchNormalization(name="n"), "n"),
    ],
)
def test_units(activation: Any, behind: Any, unit: str) -> None:
    conv = layers.Conv2D(4, 3, padding="same", activation=activation, name="conv")
    traced = graph.trace(functional(lambda x: layers.Conv2D(2, 1)(behind(conv(x)))), (SIDE, SIDE, 3))
    assert traced.convs["conv"].unit.name == unit


def test_one_relu_and_one_normalization_for_several_convolutions() -> None:
    relu, norm = layers.ReLU(name="relu"), layers.BatchNormalization(name="norm")
    model = functional(
        lambda x: relu(norm(layers.Conv2D(3, 1, name="b")(relu(norm(layers.Conv2D(3, 1, name="a")(x))))))
    )
    traced = graph.trace(model, (SIDE, SIDE, 3))
    assert [conv.unit.name for conv in traced.convs.values()] == ["relu", "relu-2"]
    same(model, traced)


def test_kernels_of_all_kinds_are_height_width_in_out() -> None:
    model = functional(
        lambda x: layers.Conv2D(6, 3, groups=2, name="grouped")(
            layers.Conv2DTranspose(4, (2, 3), strides=2, name="transposed")(x)
        )
    )
    convs = graph.trace(model, (SIDE, SIDE, 3)).convs
    assert convs["transposed"].kernel_shape == (2, 3, 3, 4)
    assert convs["grouped"].kernel_shape == (3, 3, 2, 6)


def test_a_network_of_a_fixed_size_is_accepted_at_that_size_only() -> None:
    model = functional(lambda x: layers.Conv2D(2, 3, name="last")(layers.PReLU()(layers.Conv2D(2, 3, name="first")(x))))
    assert graph.accepts(model, (SIDE, SIDE, 3))
    assert not graph.accepts(model, (20, 20, 3))
    assert graph.accepts(model, (20, 20, 3), until="first")
    assert not graph.accepts(model, (2, 2, 3), until="first")
    with pytest.raises(InputError, match=r"does not accept an input of shape \(2, 2, 3\): [^\n]*$"):
        graph.trace(model, (2, 2, 3))


def test_sources_through_operations() -> None:
    def build(x: Any) -> Any:
        a = layers.Conv2D(4, 3, padding="same", name="a")(x / 255)
        b = layers.Conv2D(4, 3, padding="same", name="b")(ops.relu(a) * 1.0)
        c = layers.Conv2D(4, 3, padding="same", name="c")(ops.relu(a))
        return layers.Conv2D(4, 1, name="d")(layers.Add()([ops.relu(c), a]) + b)

    found = sources(graph.trace(functional(build), (SIDE, SIDE, 3)))
    assert {name: sorted(origins) for name, origins in found.items()} == {
        "a": [],
        "b": [],  # of a product one does not know whether it keeps channels apart
        "c": ["a"],
        "d": ["a", "b", "c"],
    }
