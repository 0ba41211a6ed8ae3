"""Files that tf-keras writes, against what tf-keras computes; only where it is installed (it is no requirement)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from cnnviz.networks.files import read

tk = pytest.importorskip("tf_keras", reason="tf-keras is not installed: pip install --no-deps tf-keras")
L, S = tk.layers, tk.Sequential
K: dict[str, Callable[[], Any]] = {}
pytestmark = pytest.mark.filterwarnings("ignore")


def kind(function: Callable[[], Any]) -> Callable[[], Any]:
    """A kind of network, by the function's name."""
    K[function.__name__] = function
    return function


def cnn(*first: Any) -> Any:
    return S(
        [
            L.Input((16, 16, 3)),
            *first,
            L.Conv2D(4, 3, activation="relu"),
            L.MaxPooling2D(),
            L.Conv2D(6, 3, activation="relu"),
            L.Flatten(),
            L.Dense(5, activation="softmax"),
        ]
    )


@kind
def plain() -> Any:
    return cnn()


@kind
def input_shape_on_conv() -> Any:
    return S([L.Conv2D(4, 3, input_shape=(16, 16, 3)), L.ReLU(), L.GlobalAveragePooling2D(), L.Dense(3)])


@kind
def depthwise_separable() -> Any:
    return S(
        [
            L.Input((16, 16, 3)),
            L.DepthwiseConv2D(3, depth_multiplier=2),
            L.SeparableConv2D(5, 3, padding="same"),
            L.Conv2DTranspose(4, 3, strides=2),
            L.BatchNormalization(),
            L.PReLU(shared_axes=[1, 2]),
            L.UpSampling2D(2),
            L.ZeroPadding2D(1),
            L.Cropping2D(1),
            L.GlobalMaxPooling2D(),
            L.Dense(2, "sigmoid"),
        ]
    )


@kind
def teachable() -> Any:
    i = tk.Input((16, 16, 3))
    x = L.Conv2D(4, 3, name="Conv1")(i)
    x = L.BatchNormalization(name="bn")(x)
    x = L.ReLU(6.0)(x)
    x = L.DepthwiseConv2D(3, name="dw")(x)
    x = L.GlobalAveragePooling2D()(x)
    return S(
        [
            S([tk.Model(i, x, name="model1")], name="s1"),
            S([L.Dense(4, "relu", input_shape=(4,)), L.Dense(2, "softmax", use_bias=False)], name="s3"),
        ]
    )


@kind
def nested_frozen() -> Any:
    i = tk.Input((16, 16, 3))
    x = L.Conv2D(4, 3, name="c1")(i)
    x = L.BatchNormalization(name="b1")(x)
    x = L.Conv2D(4, 3, name="c2")(x)
    x = L.BatchNormalization(name="b2")(x)
    base = tk.Model(i, x, name="base")
    base.trainable = False
    base.layers[-1].trainable = True
    return S([base, L.GlobalAveragePooling2D(), L.Dense(3)])


@kind
def nested_functional() -> Any:
    i = tk.Input((16, 16, 3))
    x = L.Conv2D(4, 3, name="c1")(i)
    x = L.BatchNormalization(name="b1")(x)
    x = L.Conv2D(4, 3, name="c2")(x)
    base = tk.Model(i, x, name="base")
    base.trainable = False
    i2 = tk.Input((16, 16, 3))
    y = base(i2, training=False)
    y = L.GlobalAveragePooling2D()(y)
    y = L.Dropout(0.2)(y)
    return tk.Model(i2, L.Dense(3)(y))


@kind
def nested_twice() -> Any:
    i = tk.Input((8, 8, 3))
    x = L.Conv2D(4, 3, name="c1")(i)
    x = L.GlobalAveragePooling2D()(x)
    base = tk.Model(i, x, name="base")
    i2 = tk.Input((16, 16, 3))
    a = base(L.Cropping2D(((0, 8), (0, 8)))(i2))
    b = base(L.Cropping2D(((8, 0), (8, 0)))(i2))
    return tk.Model(i2, L.Dense(2)(L.Subtract()([a, b])))


@kind
def ensemble() -> Any:
    def one(n):
        i = tk.Input((16, 16, 3))
        return tk.Model(
            i, L.Dense(3, "softmax", name="d")(L.GlobalAveragePooling2D(name="g")(L.Conv2D(4, 3, name="c")(i))), name=n
        )

    i = tk.Input((16, 16, 3))
    return tk.Model(i, L.Average()([one("a")(i), one("b")(i)]))


@kind
def nested_deep() -> Any:
    i = tk.Input((16, 16, 3))
    a = tk.Model(i, L.Conv2D(4, 3, name="c1")(i), name="inner")
    i = tk.Input((16, 16, 3))
    b = tk.Model(i, L.Conv2D(4, 3, name="c2")(a(i)), name="mid")
    i = tk.Input((16, 16, 3))
    return tk.Model(i, L.GlobalAveragePooling2D()(b(i)))


@kind
def branches() -> Any:
    i = tk.Input((16, 16, 3))
    c = [L.Conv2D(4, 3, padding="same")(i) for _ in range(4)]
    x = L.Concatenate()(c[::-1])
    y = [L.Conv2D(4, 1)(x) for _ in range(3)]
    z = L.Add()([y[2], y[0], y[1]])
    return tk.Model(i, L.Dense(2)(L.Flatten()(z)))


@kind
def branches_unequal() -> Any:
    i = tk.Input((16, 16, 3))
    a = L.Conv2D(4, 3, padding="same")(i)
    b = L.Conv2D(4, 3, padding="same")(i)
    b = L.Conv2D(4, 3, padding="same")(b)
    c = L.Conv2D(4, 3, padding="same")(L.MaxPooling2D(1)(i))
    x = L.Add()([b, a, c])
    return tk.Model(i, L.Dense(2)(L.Flatten()(x)))


@kind
def leaky_layer() -> Any:
    return S(
        [
            L.Input((16, 16, 3)),
            L.Conv2D(4, 3),
            L.LeakyReLU(0.05),
            L.Conv2D(4, 3),
            L.LeakyReLU(alpha=0.2),
            L.ReLU(max_value=6, negative_slope=0.1, threshold=0.2),
            L.ELU(0.5),
            L.Activation("swish"),
            L.GlobalAveragePooling2D(),
        ]
    )


@kind
def leaky_activation() -> Any:
    return S(
        [
            L.Input((16, 16, 3)),
            L.Conv2D(4, 3, activation=L.LeakyReLU(0.05)),
            L.Conv2D(4, 3, activation="LeakyReLU"),
            L.Conv2D(4, 3, activation=tf.nn.leaky_relu),
            L.Conv2D(3, 3, activation=tf.nn.relu6),
            L.Conv2D(3, 3, activation="gelu"),
            L.Conv2D(3, 3, activation="hard_sigmoid"),
            L.GlobalAveragePooling2D(),
        ]
    )


@kind
def ops_layers() -> Any:
    i = tk.Input((16, 16, 3))
    x = i / 127.5 - 1.0
    x = x[:, :, :, ::-1]
    a = L.Conv2D(4, 3, padding="same")(x)
    b = L.Conv2D(4, 3, padding="same")(x)
    x = tf.nn.relu(a + b)
    x = tf.concat([x, a], -1)
    x = tf.image.resize(x, (9, 9))
    x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
    x = x[:, 1:-1, 1:-1]
    x = tf.math.reduce_mean(x, axis=[1, 2])
    return tk.Model(i, L.Dense(2)(x))


@kind
def ops_more() -> Any:
    i = tk.Input((16, 16, 3))
    x = tf.cast(i, tf.float32)
    x = 1.0 - x * (1 / 255.0)
    x = tf.maximum(x, 0.1)
    x = L.Conv2D(4, 3)(x)
    s = tf.reduce_mean(x, axis=(1, 2), keepdims=True)
    x = x * tf.sigmoid(s)
    x = tf.nn.leaky_relu(x, 0.1)
    x = tf.nn.depth_to_space(x, 2)
    x = tf.square(x) + tf.abs(x) + tf.exp(-x)
    x = tf.transpose(x, (0, 2, 1, 3))
    x = tf.nn.max_pool2d(x, 2, 2, "VALID")
    x = tf.stack([x, x], 1)[:, 0]
    x = tf.reshape(x, (-1, 14 * 14))
    x = tf.clip_by_value(x, -1.0, 1.0)
    x = L.Dense(3)(x)
    return tk.Model(i, tf.nn.softmax(x))


@kind
def keras_applications_style() -> Any:
    i = tk.Input((32, 32, 3))
    x = tk.applications.mobilenet_v2.preprocess_input(i)
    b = tk.applications.MobileNetV2(input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None)
    x = b(x, training=False)
    return tk.Model(i, L.Dense(3)(L.GlobalAveragePooling2D()(x)))


@kind
def mobilenetv3_style() -> Any:
    return tk.applications.MobileNetV3Small(input_shape=(32, 32, 3), include_top=False, weights=None, pooling="avg")


@kind
def rescaling_normalization() -> Any:
    n = L.Normalization()
    n.adapt(np.random.default_rng(1).uniform(0, 255, (4, 16, 16, 3)).astype("f4"))
    return S([L.Input((16, 16, 3)), L.Rescaling(1 / 255.0), n, L.Conv2D(4, 3), L.GlobalAveragePooling2D()])


@kind
def augmentation() -> Any:
    return S(
        [
            L.Input((16, 16, 3)),
            L.RandomFlip("horizontal"),
            L.RandomRotation(0.1),
            L.RandomZoom(0.1),
            L.RandomContrast(0.1),
            L.RandomTranslation(0.1, 0.1),
            L.RandomBrightness(0.1),
            L.Resizing(12, 12),
            L.CenterCrop(10, 10),
            L.Conv2D(4, 3),
            L.SpatialDropout2D(0.1),
            L.GaussianNoise(0.1),
            L.GlobalAveragePooling2D(),
        ]
    )


@kind
def random_height() -> Any:
    return S([L.Input((16, 16, 3)), L.RandomHeight(0.1), L.Conv2D(4, 3), L.GlobalAveragePooling2D()])


@kind
def slash_names() -> Any:
    i = tk.Input((16, 16, 3), name="in")
    x = L.Conv2D(4, 3, name="block1/conv")(i)
    x = L.Conv2D(4, 3, name="block1.conv>2")(x)
    return tk.Model(i, L.GlobalAveragePooling2D(name="pool/1")(x))


@kind
def lambda_first() -> Any:
    return S([L.Lambda(lambda x: x / 127.5 - 1.0, input_shape=(16, 16, 3)), L.Conv2D(4, 3), L.GlobalAveragePooling2D()])


@kind
def lambda_255() -> Any:
    i = tk.Input((16, 16, 3))
    x = L.Lambda(lambda z: (z - 128.0) / 255.0)(i)
    return tk.Model(i, L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(x)))


@kind
def two_inputs() -> Any:
    i = tk.Input((16, 16, 3))
    j = tk.Input((4,), name="age")
    x = L.Flatten()(L.Conv2D(4, 3)(i))
    x = L.Concatenate()([x, j])
    return tk.Model([i, j], L.Dense(2)(x))


@kind
def siamese() -> Any:
    i = tk.Input((16, 16, 3))
    b = tk.Model(i, L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(i)), name="twin")
    p, q = tk.Input((16, 16, 3)), tk.Input((16, 16, 3))
    return tk.Model([p, q], L.Dense(1)(L.Concatenate()([b(p), b(q)])))


@kind
def time_distributed_lstm() -> Any:
    i = tk.Input((16, 16, 1))
    x = L.Conv2D(4, 3, padding="same")(i)
    x = L.Permute((2, 1, 3))(x)
    x = L.Reshape((16, 64))(x)
    x = L.TimeDistributed(L.Dense(8, "relu"))(x)
    x = L.Bidirectional(L.LSTM(4, return_sequences=True))(x)
    x = L.GRU(4)(x)
    return tk.Model(i, L.Dense(3, "softmax")(x))


@kind
def attention() -> Any:
    i = tk.Input((16, 16, 3))
    x = L.Conv2D(8, 4, strides=4)(i)
    x = L.Reshape((16, 8))(x)
    y = L.MultiHeadAttention(2, 4)(x, x)
    x = L.LayerNormalization()(L.Add()([x, y]))
    return tk.Model(i, L.Dense(2)(L.GlobalAveragePooling1D()(x)))


@kind
def group_norm() -> Any:
    return S(
        [
            L.Input((16, 16, 3)),
            L.Conv2D(8, 3),
            L.GroupNormalization(4),
            L.UnitNormalization(),
            L.Softmax(),
            L.AveragePooling2D(2, padding="same"),
            L.Conv2D(8, 3, groups=2, dilation_rate=2),
            L.GlobalAveragePooling2D(keepdims=True),
            L.Flatten(),
        ]
    )


@kind
def regularized() -> Any:
    @tk.utils.register_keras_serializable("mine")
    class MyReg(tk.regularizers.Regularizer):
        def __call__(self, x):
            return tf.reduce_sum(x)

        def get_config(self):
            return {}

    return S(
        [
            L.Input((16, 16, 3)),
            L.Conv2D(
                4,
                3,
                kernel_regularizer=MyReg(),
                kernel_initializer=tk.initializers.RandomNormal(stddev=0.1),
                kernel_constraint=tk.constraints.MaxNorm(3),
                bias_regularizer=tk.regularizers.L1L2(0.1, 0.2),
                activity_regularizer="l2",
            ),
            L.BatchNormalization(momentum=0.9, gamma_regularizer="l1"),
            L.GlobalAveragePooling2D(),
        ]
    )


@kind
def unknown_size() -> Any:
    i = tk.Input((None, None, 3))
    return tk.Model(i, L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(i)))


@kind
def uint8_input() -> Any:
    i = tk.Input((16, 16, 3), dtype="uint8")
    x = tf.cast(i, tf.float32) / 255.0
    return tk.Model(i, L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(x)))


@kind
def mnist_row() -> Any:
    return S(
        [L.Reshape((28, 28, 1), input_shape=(784,)), L.Conv2D(4, 3), L.GlobalAveragePooling2D(), L.Dense(10, "softmax")]
    )


@kind
def custom_compiled() -> Any:
    m = cnn()
    m.compile(
        tk.optimizers.legacy.Adam(1e-3, decay=1e-5),
        loss=lambda a, b: tf.reduce_mean(a - b),
        metrics=[lambda a, b: tf.reduce_sum(a)],
    )
    return m


@kind
def shared_layer() -> Any:
    i = tk.Input((16, 16, 3))
    c = L.Conv2D(3, 3, padding="same")
    return tk.Model(i, L.GlobalAveragePooling2D()(c(c(c(i)))))


@kind
def unet() -> Any:
    i = tk.Input((16, 16, 3))
    a = L.Conv2D(4, 3, padding="same", activation="relu")(i)
    p = L.MaxPooling2D()(a)
    b = L.Conv2D(8, 3, padding="same", activation="relu")(p)
    u = L.Conv2DTranspose(4, 2, strides=2)(b)
    c = L.concatenate([u, a])
    return tk.Model(i, L.Conv2D(1, 1, activation="sigmoid")(c))


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("name", K)
def test_predictions_equal_those_of_tf_keras(name: str, suffix: str, tmp_path: Path) -> None:
    tk.utils.set_random_seed(1)
    network, rng = K[name](), np.random.default_rng(0)
    for weight in network.weights:
        if weight.dtype.is_floating:
            values = rng.normal(0, 0.3, weight.shape)
            weight.assign(np.abs(values) + 0.5 if "variance" in weight.name else values)
    for layer in network.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    network.save(tmp_path / f"net.{suffix}")
    found = read(tmp_path / f"net.{suffix}", "model").network
    images = np.floor(rng.uniform(0, 255, (2, *[n or 16 for n in found.input_shape[1:]]))).astype("float32")
    fed: Any = images
    if name == "two_inputs":
        fed = [images, np.zeros((2, 4), "float32")]
    elif name == "siamese":
        fed = [images, images]
    elif name == "mnist_row":
        fed = images.reshape(2, 784)
    expected, got = network(fed, training=False), found(tf.constant(images))
    for value, wanted in zip(tf.nest.flatten(got), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-3, atol=1e-3 * max(1, float(np.abs(wanted).max())))
