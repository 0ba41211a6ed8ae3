"""Files of older versions: what Keras 3 saves, rewritten to what they wrote; the predictions stay the same."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from scipy import signal

from cnnviz.errors import InputError
from cnnviz.networks.files import read

L = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
Rewrite = Callable[[dict[str, Any]], Any]


def seeded(network: keras.Model) -> keras.Model:
    rng = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(
            rng.uniform(0.2, 1, weight.shape) if "variance" in weight.path else rng.normal(0, 0.4, weight.shape)
        )
    return network


def small(*layers: Any, size: tuple[int, ...] = (8, 8, 3)) -> keras.Model:
    return seeded(keras.Sequential([keras.Input(size), *layers, L.GlobalAveragePooling2D(name="mean")], name="net"))


def legacy(config: Any) -> Any:
    """A configuration as Keras 2 wrote it: no modules, calls as lists of [layer, call, output, arguments]."""
    if isinstance(config, list):
        return [legacy(item) for item in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "__keras_tensor__":
        return [*config["config"]["keras_history"], {}]
    if set(config) == {"args", "kwargs"}:
        args = legacy(config["args"])
        return [*args[0]] if isinstance(args[0][0], list) else [args[0]]
    made = {
        key: legacy(value) for key, value in config.items() if key not in ("module", "registered_name", "build_config")
    }
    if made.get("class_name") == "InputLayer":
        made["config"]["batch_input_shape"] = made["config"].pop("batch_shape", made["config"].get("batch_input_shape"))
    for key in ("input_layers", "output_layers"):
        if key in made and isinstance(made[key][0], str):
            made[key] = [made[key]]
    if isinstance(made.get("dtype"), dict):
        made["dtype"] = {"class_name": "Policy", "config": {"name": made["dtype"]["config"]["name"]}}
    return made


def old(network: keras.Model, path: Path, rewrite: Rewrite, version: str = "2.3.1") -> Path:
    """Save a network as HDF5 with its configuration rewritten."""
    network.save(path)
    with h5py.File(path, "r+") as file:
        config = legacy(json.loads(file.attrs["model_config"]))
        file.attrs["model_config"] = json.dumps(rewrite(config) or config)
        file.attrs["keras_version"] = version
    return path


def layer(config: dict[str, Any], name: str) -> dict[str, Any]:
    """The configuration of one layer of a network's."""
    return next(one["config"] for one in config["config"]["layers"] if one["config"]["name"] == name)


def equal(path: Path, network: keras.Model, **options: Any) -> keras.Model:
    found = read(path, "model", **options).network
    images = keras.random.uniform((2, *network.input_shape[1:]), seed=1)
    np.testing.assert_allclose(found(images), network(images, training=False), rtol=1e-5, atol=1e-6)
    return found


def first_shape(config: dict[str, Any]) -> None:
    inner = config["config"]
    inner["layers"][0:1], shape = [], inner["layers"][0]["config"]["batch_input_shape"]
    inner["layers"][0]["config"]["batch_input_shape"] = shape


def as_list(config: dict[str, Any]) -> Any:
    first_shape(config)
    return {"class_name": "Sequential", "config": config["config"]["layers"]}


def put(name: str, **keys: Any) -> Rewrite:
    return lambda config: layer(config, name).update(keys)


CASES: dict[str, tuple[Callable[[], keras.Model], Rewrite]] = {
    "no InputLayer": (lambda: small(L.Conv2D(4, 3, name="conv")), first_shape),
    "list of layers": (lambda: small(L.Conv2D(4, 3, name="conv")), as_list),
    "groups of depthwise": (
        lambda: small(L.DepthwiseConv2D(3, name="dw")),
        put("dw", groups=1, kernel_initializer={"class_name": "Zeros", "config": {}}, kernel_regularizer=None),
    ),
    "initializer with dtype": (
        lambda: small(L.Conv2D(4, 3, name="conv")),
        put("conv", kernel_initializer={"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}}),
    ),
    "initializer of one's own": (
        lambda: small(L.Conv2D(4, 3, name="conv")),
        put("conv", kernel_initializer={"class_name": "MyInit", "config": {"a": 1}}, kernel_regularizer="my_l2"),
    ),
    "axis in a list": (lambda: small(L.BatchNormalization(name="bn")), put("bn", axis=[3], renorm=False, fused=None)),
    "data_format null": (lambda: small(L.MaxPooling2D(2, name="pool")), put("pool", data_format=None)),
    "alpha": (
        lambda: small(L.Conv2D(4, 3), L.LeakyReLU(negative_slope=0.1, name="leaky")),
        lambda c: layer(c, "leaky").update(alpha=[layer(c, "leaky").pop("negative_slope")]),
    ),
    "LeakyReLU as activation": (
        lambda: small(L.Conv2D(4, 3, activation=L.LeakyReLU(0.3), name="conv")),
        put("conv", activation="LeakyReLU"),
    ),
    "LeakyReLU with its slope as activation": (
        lambda: small(L.Conv2D(4, 3, activation=L.LeakyReLU(0.05), name="conv")),
        put("conv", activation={"class_name": "LeakyReLU", "config": {"name": "x", "alpha": 0.05, "dtype": "float32"}}),
    ),
    "Rescaling of TF 2.3": (
        lambda: small(L.Rescaling(1 / 255, name="scale")),
        lambda c: c["config"]["layers"][1].update(class_name="experimental.preprocessing.Rescaling"),
    ),
    "ThresholdedReLU": (
        lambda: small(L.ReLU(threshold=0.7, name="act")),
        lambda c: c["config"]["layers"][1].update(
            class_name="ThresholdedReLU", config={"name": "act", "trainable": True, "dtype": "float32", "theta": 0.7}
        ),
    ),
    "policy": (
        lambda: small(L.Conv2D(4, 3, name="conv")),
        put("conv", dtype={"class_name": "Policy", "config": {"name": "float32", "loss_scale": None}}),
    ),
    "loss of one's own": (
        lambda: small(L.Conv2D(4, 3, name="conv")),
        lambda c: c.update(compile_config={"loss": "mine", "optimizer": "theirs"}),
    ),
    "layers of training": (
        lambda: small(L.Activation("linear", name="random_height"), L.Conv2D(4, 3)),
        lambda c: c["config"]["layers"][1].update(
            class_name="RandomHeight", config={"name": "random_height", "factor": 0.1, "interpolation": "bilinear"}
        ),
    ),
    "layers of TF 2.4": (
        lambda: small(L.RandomFlip(name="flip"), L.Conv2D(4, 3)),
        put("flip", rng_type="stateful", seed=None),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_repair(case: str, tmp_path: Path) -> None:
    make, rewrite = CASES[case]
    network = make()
    equal(old(network, tmp_path / "net.h5", rewrite), network)


def test_nested_networks_whose_calls_were_counted_from_one(tmp_path: Path) -> None:
    inner_in = keras.Input((8, 8, 3))
    inner = keras.Model(inner_in, L.Conv2D(3, 3, padding="same", name="conv")(inner_in), name="inner")
    image = keras.Input((8, 8, 3))
    network = seeded(keras.Model(image, L.Subtract(name="end")([inner(inner(image)), inner(image)])))

    def rewrite(config: dict[str, Any]) -> None:
        for one in config["config"]["layers"]:
            for node in one.get("inbound_nodes", []):
                for place in node:
                    place[1] += place[0] == "inner"

    equal(old(network, tmp_path / "net.h5", rewrite), network)


def test_weights_of_a_frozen_nested_network_find_their_layers(tmp_path: Path) -> None:
    """Files of Keras 2 order the weights of a frozen network, one layer of which is not, otherwise than Keras 3."""
    inner_in = keras.Input((8, 8, 3))
    x = L.Conv2D(3, 3, name="a")(inner_in)
    inner = keras.Model(inner_in, L.Conv2D(3, 3, name="b")(x), name="inner")
    network = seeded(keras.Sequential([keras.Input((8, 8, 3)), inner, L.Flatten()]))
    path = old(network, tmp_path / "net.h5", lambda config: None)
    with h5py.File(path, "r+") as file:
        names = list(file["model_weights/inner"].attrs["weight_names"])
        file["model_weights/inner"].attrs["weight_names"] = names[2:] + names[:2]
    equal(path, network)


PADS = [[0, 0], [1, 0], [0, 2], [0, 0]]
MEAN = [103.9, 116.8, 123.7]


def _standardized(x: Any) -> Any:
    return (x - keras.ops.mean(x, (1, 2, 3), keepdims=True)) / keras.ops.std(x, (1, 2, 3), keepdims=True)


def _product(x: Any) -> Any:
    return keras.ops.einsum("nhwc,nhvc->nhwv", x, x)


OPERATIONS: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "math.truediv": ({"y": 127.5}, lambda x: x / 127.5),
    "math.subtract": ({"y": 1.0, "name": None}, lambda x: x - 1.0),
    "math.multiply": ({"y": 3.0}, lambda x: x * 3.0),
    "nn.relu": ({"name": None}, keras.ops.relu),
    "cast": ({"dtype": "float16"}, lambda x: x),
    "image.resize": ({"size": [5, 4]}, lambda x: keras.ops.image.resize(x, (5, 4))),
    "pad": ({"paddings": PADS}, lambda x: keras.ops.pad(x, PADS)),
    "math.reduce_mean": ({"axis": [1, 2], "keepdims": True}, lambda x: keras.ops.mean(x, (1, 2), keepdims=True)),
    "nn.bias_add": ({"bias": MEAN, "data_format": "NHWC"}, lambda x: x + np.array(MEAN, "float32")),
    "nn.bias_add of channels first": (
        {"bias": MEAN[:1] * 8, "data_format": "NCHW"},
        lambda x: x + np.full((8, 1, 1), MEAN[0], "float32"),
    ),
    "math.divide": ({"y": MEAN}, lambda x: x / np.array(MEAN, "float32")),
    "image.rgb_to_grayscale": ({}, keras.ops.image.rgb_to_grayscale),
    "transpose": ({"perm": [0, 2, 1, 3]}, lambda x: keras.ops.transpose(x, (0, 2, 1, 3))),
    "math.l2_normalize": ({"axis": -1}, lambda x: keras.ops.normalize(x, -1)),
    "image.per_image_standardization": ({}, _standardized),
    "linalg.matmul": ({"b": ["image", 0, 0], "transpose_b": True}, _product),
    "reshape": ({"shape": [-1, 4, 16, 3]}, lambda x: keras.ops.reshape(x, (-1, 4, 16, 3))),
}


def operated(
    function: str, arguments: dict[str, Any], operation: Callable[[Any], Any], kind: str = "TFOpLambda"
) -> Any:
    image = keras.Input((8, 8, 3), name="image")
    held = L.Activation("linear", name=f"tf.{function}")
    network = keras.Model(image, L.GlobalAveragePooling2D()(operation(held(image))))

    def rewrite(config: dict[str, Any]) -> None:
        layers = config["config"]["layers"]
        one = next(layer for layer in layers if layer["config"]["name"] == held.name)
        one.update(class_name=kind, config={"name": held.name, "function": function, "dtype": "float32"})
        one["inbound_nodes"] = [["image", 0, 0, arguments]]
        wired = layers[-1]
        wired["inbound_nodes"] = [[[held.name, 0, 0, {}]]]
        layers[:] = [layers[0], one, wired]

    return network, rewrite


@pytest.mark.parametrize("function", OPERATIONS)
def test_an_operation_of_tensorflow(function: str, tmp_path: Path) -> None:
    network, rewrite = operated(function.split(" ")[0], *OPERATIONS[function])
    equal(old(network, tmp_path / "net.h5", rewrite), network)


def test_slices_of_tensorflow_and_tensors_as_arguments(tmp_path: Path) -> None:
    spec = [{"start": None, "stop": None, "step": None}] * 3 + [{"start": None, "stop": None, "step": -1}]
    network, rewrite = operated(
        "__operators__.getitem", {"slice_spec": spec}, lambda x: x[..., ::-1], kind="SlicingOpLambda"
    )
    equal(old(network, tmp_path / "net.h5", rewrite), network)
    network, rewrite = operated("__operators__.add", {"y": ["image", 0, 0]}, lambda x: x + x)
    equal(old(network, tmp_path / "sum.h5", rewrite), network)


def test_the_size_of_a_tensor_and_its_parts(tmp_path: Path) -> None:
    """tf.image.resize(tf.concat(tf.split(x, 3, -1)[::-1], -1), tf.shape(x)[1:3])."""
    image = keras.Input((8, 8, 3), name="image")
    network = keras.Model(image, L.GlobalAveragePooling2D()(L.Activation("linear", name="same")(image)[..., ::-1]))

    def operation(name: str, function: str, node: Any) -> dict[str, Any]:
        config = {"name": name, "function": function, "dtype": "float32"}
        return {"class_name": "TFOpLambda", "name": name, "config": config, "inbound_nodes": [node]}

    def rewrite(config: dict[str, Any]) -> None:
        layers = config["config"]["layers"]
        layers[1:-1] = [
            operation("shape", "compat.v1.shape", ["image", 0, 0, {"out_type": "int32"}]),
            operation(
                "part", "__operators__.getitem", ["shape", 0, 0, {"slice_spec": {"start": 1, "stop": 3, "step": None}}]
            ),
            operation("split", "split", ["image", 0, 0, {"num_or_size_splits": 3, "axis": -1}]),
            operation("concat", "concat", [["split", 0, part, {"axis": -1}] for part in (2, 1, 0)]),
            operation("resize", "image.resize", ["concat", 0, 0, {"size": ["part", 0, 0]}]),
        ]
        layers[-1]["inbound_nodes"] = [[["resize", 0, 0, {}]]]

    equal(old(network, tmp_path / "net.h5", rewrite), network)


def test_weights_of_a_class_that_is_called_otherwise_today(tmp_path: Path) -> None:
    """A .keras file has them under the names of classes."""
    network, path = small(L.BatchNormalization(name="a"), L.BatchNormalization(name="b")), tmp_path / "net.keras"
    network.layers[1].__class__ = type("SyncBatchNormalization", (L.BatchNormalization,), {})
    network.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    layer = next(one for one in config["config"]["layers"] if one["config"]["name"] == "b")
    assert layer["class_name"] == "SyncBatchNormalization"
    layer.update(module="keras.layers.experimental", registered_name=None)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, "config.json": json.dumps(config)}.items():
            archive.writestr(name, data)
    found = equal(path, network)
    assert [type(one) for one in found.layers[:2]] == [L.BatchNormalization] * 2


def test_an_operation_that_is_not_known_is_named(tmp_path: Path) -> None:
    network, rewrite = operated("linalg.det", {}, lambda x: x)
    with pytest.raises(InputError, match=r"'tf\.linalg\.det' is the operation 'linalg\.det' of TensorFlow.*replace it"):
        read(old(network, tmp_path / "net.h5", rewrite), "model")


def test_a_setting_that_means_something_is_not_dropped(tmp_path: Path) -> None:
    path = old(small(L.Conv2D(4, 3, name="conv")), tmp_path / "net.h5", put("conv", twist=3))
    with pytest.raises(InputError, match=r"'conv' \(Conv2D\) has the setting twist: 3"):
        read(path, "model")


def test_hard_sigmoid_of_keras_2_is_another_function(tmp_path: Path) -> None:
    network = small(L.Activation("hard_sigmoid", name="act"))
    images = keras.random.uniform((2, 8, 8, 3), -5, 5, seed=1)
    found = read(old(network, tmp_path / "net.h5", lambda config: None), "model").network
    np.testing.assert_allclose(found(images), np.clip(0.2 * images + 0.5, 0, 1).mean((1, 2)), rtol=1e-5)


def test_hard_sigmoid_of_keras_3_is_its_own(tmp_path: Path) -> None:
    network = small(L.Conv2D(4, 3), L.Activation("hard_sigmoid", name="act"))
    network.save(tmp_path / "net.h5")
    equal(tmp_path / "net.h5", network)


def test_kernels_of_theano_are_convolved_with(tmp_path: Path, rng: np.random.Generator) -> None:
    """Theano's convolution is that of SciPy; TensorFlow's is a correlation."""
    network = small(L.Conv2D(2, 3, name="conv"), size=(7, 6, 1))
    network.save(tmp_path / "theano.h5")
    with h5py.File(tmp_path / "theano.h5", "r+") as file:
        file.attrs["backend"], file.attrs["keras_version"] = "theano", "2.0.4"
    found, image = read(tmp_path / "theano.h5", "m"), rng.normal(size=(1, 7, 6, 1)).astype("float32")
    kernel, bias = network.get_layer("conv").get_weights()
    expected = [signal.convolve2d(image[0, :, :, 0], kernel[:, :, 0, k], "valid").mean() + bias[k] for k in range(2)]
    np.testing.assert_allclose(np.asarray(found.network(image)), [expected], atol=1e-5)
    assert any("Theano" in note for note in found.notes)


def test_files_of_keras_1_are_refused_with_what_reads_them(tmp_path: Path) -> None:
    network = small(L.Conv2D(2, 3, name="conv"))
    path = old(network, tmp_path / "one.h5", lambda config: config, "1.2.2")
    with pytest.raises(InputError, match=r"written by Keras 1; Keras 2\.0 to 2\.2 still read such files"):
        read(path, "m")
