"""Small seeded networks, one ordinary trait each, as people bring them: random weights, files as Keras saves them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

ZOO: dict[str, "Specimen"] = {}

CODE = '''import keras


@keras.saving.register_keras_serializable("zoo")
class Scaled(keras.layers.Layer):
    """x times a number that is learned."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, x):
        return x * self.factor
'''


@dataclass(frozen=True)
class Specimen:
    """section: its block in params.yaml, but for the file. convs: names of the layers shown, in order.

    kind: of its head in model.json; noted: words that a note has.
    """

    build: Callable[[], keras.Model]
    convs: list[str]
    kind: str
    section: dict[str, Any] = field(default_factory=dict)
    noted: str = ""
    suffix: str = ".keras"


def specimen(
    convs: str, kind: str = "classes", noted: str = "", suffix: str = ".keras", **section: Any
) -> Callable[[Callable[[], keras.Model]], Callable[[], keras.Model]]:
    def keep(build: Callable[[], keras.Model]) -> Callable[[], keras.Model]:
        ZOO[build.__name__] = Specimen(build, convs.split(), kind, section, noted, suffix)
        return build

    return keep


def _top(x: Any, count: int = 3, activation: str | None = "softmax", name: str = "answer") -> Any:
    return layers.Dense(count, activation=activation, name=name)(layers.GlobalAveragePooling2D()(x))


def _conv(filters: int, size: Any = 3, name: str = "conv", **more: Any) -> Any:
    return layers.Conv2D(filters, size, name=name, **{"padding": "same", "activation": "relu", **more})


@specimen("conv1 conv2", preprocessing="unit")
def grey() -> keras.Model:
    """28 x 28 x 1, as of every MNIST tutorial."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            _conv(4, 5, "conv1"),
            layers.MaxPooling2D(),
            _conv(6, 3, "conv2", padding="valid"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax", name="answer"),
        ]
    )


@specimen("conv1 conv2", "regression", preprocessing="tf")
def wide() -> keras.Model:
    """Higher than wide is rare, wider than high is every car's camera; one number comes out."""
    inputs = keras.Input((22, 60, 3))
    x = _conv(4, 5, "conv1", strides=2, activation="elu", padding="valid")(inputs)
    x = _conv(5, 3, "conv2", strides=(1, 2), activation="elu", padding="valid")(x)
    return keras.Model(inputs, layers.Dense(1, name="angle")(layers.Flatten()(x)))


@specimen("conv1 conv2", preprocessing="raw")
def operations() -> keras.Model:
    """Arithmetic in the graph that is no layer."""
    inputs = keras.Input((20, 20, 3))
    x = inputs[..., ::-1] / 127.5 - 1
    x = _conv(4, 3, "conv1")(x)
    y = ops.relu(_conv(4, 3, "conv2", activation=None)(x))
    return keras.Model(inputs, _top(x + y))


@specimen("only")
def one_convolution() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    return keras.Model(inputs, _top(_conv(5, 3, "only")(inputs)))


@specimen("stem grouped excited")
def squeeze_and_excitation() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    x = _conv(8, 3, "stem", strides=2)(inputs)
    x = _conv(8, 3, "grouped", groups=4)(x)
    gate = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
    gate = layers.Conv2D(8, 1, activation="sigmoid", name="gate")(gate)
    x = layers.Multiply()([x, gate])
    return keras.Model(inputs, _top(_conv(6, 1, "excited")(x)))


ZOO["squeeze_and_excitation"].convs.insert(2, "gate")


def _small(name: str) -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    x = _conv(4, 3, "conv1")(inputs)
    return keras.Model(inputs, _conv(3, 3, "conv2", strides=2)(x), name=name)


@specimen("a.conv1 a.conv2 b.conv1 b.conv2")
def equal_names() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    return keras.Model(inputs, _top(layers.Concatenate()([_small("a")(inputs), _small("b")(inputs)])))


@specimen("conv1 conv2", noted="float32")
def mixed_precision() -> keras.Model:
    policy = keras.DTypePolicy("mixed_float16")
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, activation="relu", dtype=policy, name="conv1")(inputs)
    x = layers.BatchNormalization(dtype=policy)(layers.Conv2D(5, 3, dtype=policy, name="conv2")(x))
    return keras.Model(inputs, _top(layers.ReLU(dtype=policy)(x)))


@specimen("conv1 conv2")
def fixed_size() -> keras.Model:
    """PReLU has a weight per position: no other canvas will do."""
    inputs = keras.Input((18, 18, 3))
    x = layers.PReLU()(_conv(4, 3, "conv1", activation=None)(inputs))
    return keras.Model(inputs, _top(_conv(4, 3, "conv2")(layers.MaxPooling2D()(x))))


@specimen("conv1 conv2 conv3 conv4 conv5", layers={"conv5": 1})
def valid_blocks() -> keras.Model:
    """Five blocks without padding: 94 px are the least."""
    inputs = x = keras.Input((100, 100, 3))
    for i in range(1, 6):
        x = _conv(3, 3, f"conv{i}", padding="valid")(x)
        x = layers.MaxPooling2D()(x) if i < 5 else x
    return keras.Model(inputs, _top(x))


@specimen("down1 down2 up1 mix out", "pictures")
def u_net() -> keras.Model:
    inputs = keras.Input((24, 24, 3))
    one = _conv(4, 3, "down1")(inputs)
    x = _conv(6, 3, "down2")(layers.MaxPooling2D()(one))
    x = layers.Conv2DTranspose(4, 2, strides=2, activation="relu", name="up1")(x)
    x = _conv(4, 3, "mix")(layers.Concatenate()([x, one]))
    return keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid", name="out")(x))


@specimen("separable depthwise point")
def separable() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    x = layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same", name="separable")(inputs)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(layers.ReLU()(x))
    x = layers.BatchNormalization()(_conv(4, 1, "point", activation=None)(x))
    return keras.Model(inputs, _top(layers.Activation("relu6")(x)))


@specimen("conv", "binary", class_names=["cat", "dog"])
def one_sigmoid() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    return keras.Model(inputs, _top(_conv(4)(inputs), 1, "sigmoid"))


@specimen("conv", "labels")
def many_labels() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    return keras.Model(inputs, _top(_conv(4)(inputs), 4, "sigmoid"))


@specimen("conv", "classes")
def two_heads() -> keras.Model:
    """Which is the classifier's is told by its softmax."""
    inputs = keras.Input((16, 16, 3))
    x = _conv(4)(inputs)
    return keras.Model(inputs, [_top(x, 1, None, "age"), _top(x, 3, "softmax", "kind")])


@specimen("conv", preprocessing="raw")
def rescaling_inside() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    norm = layers.Normalization(mean=[0.4, 0.5, 0.6], variance=[0.1, 0.2, 0.1])
    return keras.Model(inputs, _top(_conv(4)(norm(layers.Rescaling(1 / 255)(inputs)))))


@specimen("conv", noted="age", inputs={"age": 0.5})
def picture_and_number() -> keras.Model:
    inputs, age = keras.Input((16, 16, 3), name="photo"), keras.Input((1,), name="age")
    x = layers.GlobalAveragePooling2D()(_conv(4)(inputs))
    return keras.Model([age, inputs], layers.Dense(3, activation="softmax")(layers.Concatenate()([x, age])))


@specimen("conv conv-2", "binary", noted="same image")
def siamese() -> keras.Model:
    one, two = keras.Input((16, 16, 3), name="one"), keras.Input((16, 16, 3), name="two")
    conv, pool = _conv(4), layers.GlobalAveragePooling2D()
    apart = layers.Subtract()([pool(conv(one)), pool(conv(two))])
    return keras.Model([one, two], layers.Dense(1, activation="sigmoid")(apart))


@specimen("conv conv-2")
def shared_on_two_crops() -> keras.Model:
    inputs = keras.Input((20, 20, 3))
    conv = _conv(4)
    left, right = layers.Cropping2D(((0, 0), (0, 10)))(inputs), layers.Cropping2D(((0, 0), (10, 0)))(inputs)
    return keras.Model(inputs, _top(layers.Concatenate()([conv(right), conv(left)])))


@specimen("conv")
def wrapped() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    return keras.Model(inputs, _top(layers.SpectralNormalization(_conv(4), name="normed")(inputs)))


@specimen("erste_Schicht Groe")
def names_of_any_language() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    x = _conv(4, 3, "erste Schicht")(inputs)
    return keras.Model(inputs, _top(_conv(4, 3, "Größe")(x)))


@specimen("conv", bands={"names": ["blue", "green", "red", "near infrared", "heat"], "rgb": [2, 1, 0]})
def five_bands() -> keras.Model:
    inputs = keras.Input((16, 16, 5))
    return keras.Model(inputs, _top(_conv(4)(inputs)))


@specimen("conv1 conv2", noted="channels last")
def channels_first() -> keras.Model:
    inputs = keras.Input((3, 16, 16))
    more = {"data_format": "channels_first"}
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1", **more)(inputs)
    x = layers.BatchNormalization(axis=1)(layers.Conv2D(5, 3, name="conv2", **more)(x))
    x = layers.MaxPooling2D(**more)(layers.ReLU()(x))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Flatten(**more)(x)))


@specimen("conv1 conv2", noted="NaN")
def not_a_number() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    side = _conv(4, 3, "conv2")
    model = keras.Model(inputs, [_top(_conv(4, 3, "conv1")(inputs)), side(inputs)])
    kernel, bias = side.get_weights()
    kernel[0, 0, 0, 1] = np.nan
    side.set_weights([kernel, bias])
    return model


@specimen("encode decode out", "pictures")
def autoencoder() -> keras.Model:
    inputs = keras.Input((16, 16, 1))
    x = layers.MaxPooling2D()(_conv(4, 3, "encode")(inputs))
    x = layers.UpSampling2D()(_conv(4, 3, "decode")(x))
    return keras.Model(inputs, _conv(1, 3, "out", activation="sigmoid")(x))


@specimen("tall flat skewed")
def kernels_of_two_sides() -> keras.Model:
    """1 x 7 beside 7 x 1, strides (1, 2), dilation on one side."""
    inputs = keras.Input((20, 32, 3))
    x = layers.Concatenate()([_conv(3, (7, 1), "tall")(inputs), _conv(3, (1, 7), "flat")(inputs)])
    x = layers.AveragePooling2D((1, 2))(x)
    return keras.Model(inputs, _top(_conv(4, (3, 2), "skewed", dilation_rate=(2, 1))(x)))


@specimen("conv", input_shape=[24, 30])
def any_size() -> keras.Model:
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, _top(_conv(4)(layers.Resizing(12, 12)(inputs))))


@specimen("conv", code="inputs/models/own.py")
def own_layer() -> keras.Model:
    space: dict[str, Any] = {}
    exec(compile(CODE, "own.py", "exec"), space)  # noqa: S102 (the text above)
    inputs = keras.Input((16, 16, 3))
    return keras.Model(inputs, _top(space["Scaled"](name="scaled")(_conv(4)(inputs))))


@specimen("conv", noted="Lambda")
def leading_lambda() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    return keras.Model(inputs, _top(_conv(4)(layers.Lambda(lambda x: x / 127.5 - 1)(inputs))))


@specimen("conv", "regression", suffix=".h5")
def old_format() -> keras.Model:
    return keras.Sequential([keras.Input((16, 16, 3)), _conv(4), layers.GlobalMaxPooling2D(), layers.Dense(3)])


def write(folder: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """Save specimens into `folder`/inputs/models; return their blocks for params.yaml."""
    (folder / "inputs/models").mkdir(parents=True, exist_ok=True)
    (folder / "inputs/models/own.py").write_text(CODE)
    blocks = {}
    for name in names:
        keras.utils.set_random_seed(len(name))
        one, file = ZOO[name], f"inputs/models/{name}{ZOO[name].suffix}"
        one.build().save(folder / file)
        blocks[name] = {"file": file, "layers": 1, "channels": 2, **one.section}
        if one.kind != "pictures":
            blocks[name]["explain"] = {"bands" if "bands" in one.section else "shapes": [0]}
    return blocks
