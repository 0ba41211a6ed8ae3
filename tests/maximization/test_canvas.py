"""On how large a canvas: by hand, and only what the network takes."""

from typing import Any

import keras
import pytest
from keras import layers

from cnnviz.errors import InputError
from cnnviz.maximization import canvas
from cnnviz.objectives import channel, logit


@pytest.mark.parametrize(
    ("field", "size", "expected"),
    [
        ((3, 3), (224, 224), (64, 64)),
        ((14, 14), (224, 224), (112, 112)),
        ((40, 40), (224, 224), (128, 128)),
        (None, (224, 224), (128, 128)),
        ((14, 14), (32, 32), (64, 64)),
        ((32, 32), (32, 32), (64, 64)),
        ((3, 3), (16, 16), (32, 32)),
        ((5, 5), (66, 200), (64, 64)),
        ((36, 36), (66, 200), (128, 128)),
        ((12, 14), (66, 200), (112, 112)),  # nearly a square
        ((3, 14), (66, 200), (64, 112)),  # elongated
        (None, (20, 200), (40, 128)),
        ((1, 9), (1, 128), (1, 80)),  # a line
        (11, (224, 224), (96, 96)),  # one number for both sides
    ],
)
def test_canvas_by_hand(field: Any, size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert canvas.wanted(field, size, 128) == expected


def conv(name: str, **options: Any) -> Any:
    return layers.Conv2D(4, 3, name=name, **{"padding": "same", **options})


def fitting(*stack: Any, shape: tuple[int, int, int] = (48, 40, 3)) -> canvas.Fitting:
    return canvas.Fitting(keras.Sequential([keras.Input(shape), *stack]), shape)


def test_a_canvas_that_the_network_takes_is_left_as_it_is() -> None:
    fit = fitting(conv("a"), layers.Flatten(), layers.Dense(3))
    assert fit.layers(["a"], None, (64, 64)) == canvas.Chosen((64, 64))
    assert fit.layers(["a"], (20, 90), (64, 64)) == canvas.Chosen((20, 90))
    assert fit.objective(logit(1), None, (64, 64)) == canvas.Chosen((48, 40))
    assert fit.objective(channel("a", 1), None, (64, 64)) == canvas.Chosen((64, 64))


def residual(depth: int) -> canvas.Fitting:
    """Maps made smaller and put together with what they were: the size has to be a multiple of 2 ** depth."""
    inputs = keras.Input((64, 96, 3))
    x, kept = inputs, []
    for i in range(depth):
        kept.append(x)
        x = conv(f"down{i}", strides=2)(x)
    for i in reversed(range(depth)):
        x = layers.Concatenate()([layers.UpSampling2D()(x), kept[i]])
    return canvas.Fitting(keras.Model(inputs, conv("last")(x)), (64, 96, 3))


class Positions(keras.layers.Layer):
    """A learned number for each position."""

    def build(self, shape: Any) -> None:
        self.own = self.add_weight(shape=(1, *shape[1:]), name="own")

    def call(self, x: Any) -> Any:
        return x + self.own


@pytest.mark.parametrize(
    ("stack", "layer"),
    [
        ([conv("a"), layers.PReLU()], "a"),
        ([conv("a"), layers.PReLU(), conv("b")], "b"),
        ([layers.Flatten(), layers.Dense(48 * 40), layers.Reshape((48, 40, 1)), conv("a")], "a"),
        ([layers.Reshape((24, 80, 3)), conv("a")], "a"),
        ([conv("e"), Positions(), conv("a")], "a"),
        ([layers.Resizing(64, 64), conv("a")], "a"),
        ([conv(f"c{i}", padding="valid", strides=2) for i in range(4)], "c3"),
    ],
)
def test_what_a_network_refuses_is_never_chosen(stack: list[Any], layer: str) -> None:
    fit = fitting(*stack)
    size = (24, 24)
    found = fit.layers([layer], None, size)
    assert found.size == (48, 40)
    assert layer in found.why
    assert "24 x 24" in found.note["canvas"]
    with pytest.raises(
        InputError, match=rf"^p\.size: 24 x 24 is not possible at {layer}: .*expected auto, or .*\[48, 40\]"
    ):
        fit.layers([layer], size, (64, 64), "p.size")
    assert fit.layers([layer], (48, 40), (64, 64)).size == (48, 40)


def test_six_unpadded_blocks_get_more_room_than_their_field_asks_for() -> None:
    blocks = [layer for i in range(5) for layer in (conv(f"c{i}", padding="valid"), layers.MaxPooling2D())]
    fit = fitting(*blocks, conv("last", padding="valid"), shape=(200, 180, 1))
    assert fit.layers(["c1"], None, (64, 64)).size == (64, 64)
    assert fit.layers(["last"], None, (96, 96)).size == (200, 180)


def test_maps_that_are_put_together_again_get_a_multiple_of_their_steps() -> None:
    assert residual(2).layers(["last"], None, (112, 112)).size == (112, 112)
    found = residual(5).layers(["last"], None, (112, 112))
    assert found.size == (96, 96)
    assert "112 x 112" in found.why
    assert residual(5).layers(["down1"], None, (112, 112)) == canvas.Chosen((112, 112))
