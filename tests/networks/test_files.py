"""Model files: what they are, names, Lambdas, inputs, precision, own code; hostile ones stay inert."""

import base64
import io
import json
import marshal
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from cnnviz.errors import InputError
from cnnviz.networks import ModelSection, loading, opened, store
from cnnviz.networks.files import kinds, lambdas, marshalled, read
from cnnviz.networks.files.names import Names
from cnnviz.networks.scaling import scaling
from tests.networks.test_old_files import seeded, small

L = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


def saved(network: keras.Model, path: Path) -> Path:
    network.save(path)
    return path


def conv() -> keras.Model:
    return small(L.Conv2D(4, 3, name="conv"))


def archive(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Rewrite the configuration in a .keras file."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def repacked(here: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """The archive `whole.keras` with other weights."""
    with zipfile.ZipFile(here / "whole.keras") as file, zipfile.ZipFile(here / name, "w") as other:
        for member in file.namelist():
            data = file.read(member)
            other.writestr(member, change(data) if member == "model.weights.h5" else data)


def without_a_layer(weights: bytes) -> bytes:
    stream = io.BytesIO(weights)
    with h5py.File(stream, "r+") as file:
        del file["layers/conv2d"]
    return stream.getvalue()


def test_each_kind_of_file_that_is_no_model_has_its_line(tmp_path: Path) -> None:
    network, here = conv(), tmp_path
    network.save(here / "whole.keras")
    network.save(here / "whole.h5")
    network.save_weights(here / "net.weights.h5")
    (here / "only.h5").write_bytes((here / "net.weights.h5").read_bytes())
    (here / "pointer.keras").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n")
    (here / "empty.h5").write_bytes(b"")
    (here / "hdf.keras").write_bytes((here / "whole.h5").read_bytes())
    (here / "zip.hdf5").write_bytes((here / "whole.keras").read_bytes())
    (here / "cut.h5").write_bytes((here / "whole.h5").read_bytes()[:3000])
    (here / "cut.keras").write_bytes((here / "whole.keras").read_bytes()[:3000])
    repacked(here, "half.keras", lambda weights: weights[: len(weights) // 2])
    repacked(here, "short.keras", lambda weights: weights[:-8])
    repacked(here, "hollow.keras", lambda weights: b"")
    repacked(here, "fewer.keras", without_a_layer)
    locked = bytearray((here / "whole.keras").read_bytes())
    for mark, flags in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        for at in [one.start() for one in re.finditer(mark, bytes(locked))]:
            locked[at + flags] |= 1
    (here / "locked.keras").write_bytes(locked)
    with zipfile.ZipFile(here / "whole.keras") as file:
        file.extractall(here / "unpacked.keras")
        with zipfile.ZipFile(here / "folder.keras", "w") as other:
            other.writestr("net/config.json", file.read("config.json"))
    (here / "saved").mkdir()
    (here / "saved" / "saved_model.pb").touch()
    os.mkfifo(here / "pipe.keras")
    for name in ("net.pb", "net.tflite", "net.onnx", "net.pt", "net.pkl"):
        (here / name).touch()
    expected = {
        "pointer.keras": "Git LFS pointer.*git lfs pull",
        "net.weights.h5": r"weights without architecture.*model\.save",
        "only.h5": r"weights without architecture.*model\.save",
        "empty.h5": "is empty",
        "hdf.keras": r"HDF5 file by its content; rename it to hdf\.h5",
        "zip.hdf5": r"\.keras archive by its content; rename it to zip\.keras",
        "cut.h5": "cut off|damaged|can't be loaded",
        "cut.keras": "no Keras archive.*cut off",
        "half.keras": "is damaged .*; copy it again",
        "short.keras": "is damaged .*; copy it again",
        "hollow.keras": "is damaged .*; copy it again",
        "fewer.keras": "its weights are not those of its layers .*; copy it again, or save it",
        "locked.keras": "is encrypted; pack it again without a password",
        "unpacked.keras": "unpacked .keras.*zip -0",
        "folder.keras": "lie in the folder net",
        "saved": r"SavedModel.*model\.save",
        "pipe.keras": "is a pipe or device",
        "net.pb": "TensorFlow graph",
        "net.tflite": "TensorFlow Lite",
        "net.onnx": "ONNX",
        "net.pt": "PyTorch",
        "net.pkl": "pickle, which can run code",
    }
    for name, words in expected.items():
        with pytest.raises(InputError, match=words) as raised:
            read(here / name, "models.m.file")
        assert str(raised.value).startswith("models.m.file: ")
        assert "\n" not in str(raised.value)
    with pytest.raises(InputError, match="SavedModel"):
        opened(str(here / "saved"))
    section = ModelSection(file=str(here / "net.onnx"))
    assert "ONNX" in next(iter(section.complaints()))
    assert not list(ModelSection(file="inputs/models/net.hdf5").complaints())


def test_a_weights_member_that_unpacks_to_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "BOMB", 1 << 20)
    path = saved(conv(), tmp_path / "net.keras")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file, file.open("bomb", "w", force_zip64=True) as member:
        for _ in range(9):
            member.write(bytes(1 << 20))
    with pytest.raises(InputError, match="'bomb', which unpacks to 9 MB"):
        read(path, "model")


def test_weights_that_lie_elsewhere_are_not_followed(tmp_path: Path) -> None:
    path = saved(conv(), tmp_path / "net.h5")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/conv"]
        name = group.attrs["weight_names"][0]
        del group[name]
        group[name] = h5py.ExternalLink("/etc/passwd", "/x")
    with pytest.raises(InputError, match=r"no '.*kernel' of their own"):
        read(path, "model")


SCALINGS: dict[str, tuple[Any, float, float]] = {
    "x / 255": (lambda x: x / 255, 1 / 255, 0),
    "x / 127.5 - 1": (lambda x: x / 127.5 - 1, 1 / 127.5, -1),
    "(x - 127.5) / 127.5": (lambda x: (x - 127.5) / 127.5, 1 / 127.5, -1),
    "x * (1 / 255.0)": (lambda x: x * (1 / 255.0), 1 / 255, 0),
    "2 * x - 1": (lambda x: 2 * x - 1, 2, -1),
    "1 - x": (lambda x: 1 - x, -1, 1),
    "x / 255.0 - 0.5": (lambda x: x / 255.0 - 0.5, 1 / 255, -0.5),
}
OTHERS: dict[str, Any] = {
    "crop": lambda x: x[:, 2:-2],
    "square": lambda x: x * x,
    "call": lambda x: abs(x),
    "branch": lambda x: x / 2 if x is None else x,
    "power": lambda x: x**2,
    "keyword": lambda x, y=2: x * y,
    "nothing": lambda x: 1.0,
    "zero": lambda x: x * 0,
}


def as_keras_2(function: Any) -> list[Any]:
    return [base64.b64encode(marshal.dumps(function.__code__)).decode(), None, None]


@pytest.mark.parametrize("name", SCALINGS)
def test_a_lambda_that_scales_is_read_off_its_bytecode(name: str) -> None:
    function, factor, offset = SCALINGS[name]
    assert lambdas.scaling(as_keras_2(function)) == pytest.approx((factor, offset))


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_lambda_is_not_known(name: str) -> None:
    function = OTHERS[name]
    code, _, _ = as_keras_2(function)
    assert lambdas.scaling([code, list(function.__defaults__ or []) or None, None]) is None


def test_bytecode_of_older_pythons_by_hand() -> None:
    def packed(value: int) -> bytes:
        return value.to_bytes(4, "little")

    def small_tuple(*values: bytes) -> bytes:
        return b")" + bytes([len(values)]) + b"".join(values)

    text = b"z\x01x"
    number = b"g" + np.float64(255.0).tobytes()
    rest = (
        small_tuple() + small_tuple(text) + small_tuple() + small_tuple() + text + text + packed(1) + b"s" + packed(0)
    )
    code = bytes([124, 0, 100, 1, 27, 0, 83, 0])  # LOAD_FAST 0, LOAD_CONST 1, BINARY_TRUE_DIVIDE, RETURN_VALUE
    body = b"s" + packed(len(code)) + code + small_tuple(b"N", number) + rest
    for python, numbers in {"3.7": (1, 0, 1, 2, 67), "3.8": (1, 0, 0, 1, 2, 67)}.items():
        data = b"c" + b"".join(map(packed, numbers)) + body
        found = lambdas.scaling([base64.b64encode(data).decode(), None, None])
        assert found == pytest.approx((1 / 255, 0)), python


def test_broken_and_hostile_code_is_never_more_than_refused() -> None:
    whole = marshal.dumps((lambda x: x / 255).__code__)
    rng = np.random.default_rng(0)
    for n in range(300):
        data = bytearray(whole[: rng.integers(1, len(whole))] if n % 2 else whole)
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
        lambdas.scaling([base64.b64encode(bytes(data)).decode(), None, None])
    for data in (b"(\xff\xff\xff\x7f", b")\x01" * 500, b"s\xff\xff\xff\xff", b"r\x05\x00\x00\x00", b""):
        for layout in marshalled.LAYOUTS:
            with pytest.raises(ValueError, match=r".+"):
                marshalled.read(data, layout)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_leading_lambda_that_scales_becomes_a_layer(suffix: str, tmp_path: Path) -> None:
    network = small(L.Lambda(lambda x: x / 127.5 - 1.0, name="scale"), L.Conv2D(4, 3))
    found = read(saved(network, tmp_path / f"net.{suffix}"), "model")
    images = keras.random.uniform((2, 8, 8, 3), 0, 255, seed=0)
    np.testing.assert_allclose(found.network(images), network(images), rtol=1e-4, atol=1e-5)
    assert any("Lambda scale only computes x * 0.00784314" in note for note in found.notes)
    loaded = loading.get("m", ModelSection(file=str(tmp_path / f"net.{suffix}")))
    assert loaded.preprocessing["name"] == "raw"  # it rescales by itself
    with pytest.raises(InputError, match=r"'crop' is a Lambda.*never run.*preprocessing:"):
        read(saved(small(L.Lambda(lambda x: x[:, 2:], name="crop")), tmp_path / f"other.{suffix}"), "model")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_operations_of_keras_in_the_graph(suffix: str, tmp_path: Path) -> None:
    image = keras.Input((8, 8, 3))
    x = L.Conv2D(3, 3, padding="same")((image / 127.5 - 1)[..., ::-1])
    network = seeded(keras.Model(image, keras.ops.relu(x) + L.Add()([x, image])))
    found = read(saved(network, tmp_path / f"net.{suffix}"), "model")
    images = keras.random.uniform((2, 8, 8, 3), 0, 255, seed=0)
    np.testing.assert_allclose(found.network(images), network(images), rtol=1e-5, atol=1e-5)


def test_augmentation_does_nothing_whoever_calls_the_network(tmp_path: Path) -> None:
    network = small(L.RandomFlip(), L.RandomRotation(0.5), L.Conv2D(4, 3))
    found = read(saved(network, tmp_path / "net.keras"), "model")
    images = keras.random.uniform((2, 8, 8, 3), seed=0)
    np.testing.assert_allclose(found.network(images), network(images, training=False), rtol=1e-5)


def test_what_is_assumed_of_the_preprocessing_and_why(tmp_path: Path) -> None:
    augmentation = keras.Sequential([L.RandomFlip(), L.RandomRotation(0.1)])
    inverted = keras.Input((8, 8, 3))
    cases = {
        "raw": (small(augmentation, L.Rescaling(1 / 255, name="scale"), L.Conv2D(4, 3)), r"itself \(scale: x/255\)"),
        "unit": (keras.Model(inverted, L.Conv2D(4, 3)(1.0 - inverted)), "most networks want 0..1"),
    }
    for name, (network, why) in cases.items():
        loaded = loading.get("m", ModelSection(file=str(saved(network, tmp_path / f"{name}.keras"))))
        assert loaded.preprocessing["name"] == name
        assert any(re.search(f"preprocessing {name} was assumed, since .*{why}", note) for note in loaded.notes)


ROWS: dict[str, tuple[tuple[int, ...], Callable[[Any], Any]]] = {
    "expand_dims": ((8, 8), lambda x: keras.ops.expand_dims(x, -1)),
    "None": ((8, 8), lambda x: x[..., None]),
    "scaled first": ((8, 8), lambda x: L.Reshape((8, 8, 1))(L.Rescaling(1 / 255)(x))),
    "reshape": ((64,), lambda x: keras.ops.reshape(x / 255, (-1, 8, 8, 1))),
    "nested": ((8, 8), keras.Sequential([keras.Input((8, 8)), L.Reshape((8, 8, 1))])),
}


@pytest.mark.parametrize("case", ROWS)
def test_images_without_channels(case: str, tmp_path: Path) -> None:
    shape, front = ROWS[case]
    image = keras.Input(shape)
    network = seeded(keras.Model(image, L.Conv2D(2, 3)(front(image))))
    found = read(saved(network, tmp_path / "net.keras"), "model")
    assert found.network.input_shape == (None, 8, 8, 1)
    images = keras.random.uniform((2, 8, 8, 1), 0, 255, seed=0)
    expected = network(keras.ops.reshape(images, (2, *shape)))
    np.testing.assert_allclose(found.network(images), expected, rtol=1e-5, atol=1e-5)
    assert any("is an image of (8, 8, 1)" in note for note in found.notes)


def test_safe_names() -> None:
    names = Names()
    assert [names.of(name) for name in ("conv1", "block/conv", "größe 3", "Conv1", "objectives", "..", "", "a:0")] == [
        *("conv1", "block_conv", "groe_3", "Conv1_2", "objectives_layer", "layer", "layer_2", "a_0")
    ]
    assert names.of("block/conv") == "block_conv"
    assert names.titles["groe_3"] == "größe 3"
    assert "conv1" not in names.titles


def test_names_that_files_and_scopes_cannot_carry(tmp_path: Path) -> None:
    image = keras.Input((8, 8, 3), name="das bild")
    x = L.Conv2D(4, 3, name="große Faltung")(image)
    x = L.Add(name="a:b")([x, L.Conv2D(4, 3, name="GROßE faltung")(image)])
    network = seeded(keras.Model(image, x))
    for suffix in ("keras", "h5"):
        found = read(saved(network, tmp_path / f"net.{suffix}"), "model")
        images = keras.random.uniform((2, 8, 8, 3), seed=0)
        np.testing.assert_allclose(found.network(images), network(images), rtol=1e-5, atol=1e-6)
        assert found.titles["groe_Faltung"] == "große Faltung"
        assert len({layer.name.lower() for layer in found.network.layers}) == len(network.layers)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_lower_and_higher_precision_becomes_float32(policy: str, tmp_path: Path) -> None:
    network = small(L.Conv2D(4, 3, dtype=policy), L.Activation("relu", dtype=policy))
    found = read(saved(network, tmp_path / "net.keras"), "model")
    assert {layer.compute_dtype for layer in found.network.layers} == {"float32"}
    assert found.notes == [f"computed in float32: the model says {policy}"]
    images = keras.random.uniform((2, 8, 8, 3), seed=0)
    np.testing.assert_allclose(found.network(images), network(images), atol=0.05)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_quantized_layers_are_the_numbers_that_they_stand_for(tmp_path: Path) -> None:
    network = small(L.Conv2D(4, 3), L.Dense(5, name="dense"))
    network.quantize("int8")
    found = read(saved(network, tmp_path / "net.keras"), "model")
    images = keras.random.uniform((2, 8, 8, 3), seed=0)
    np.testing.assert_allclose(found.network(images), network(images), atol=0.05)
    assert found.network.get_layer("dense").kernel.dtype == "float32"


def test_channels_first_becomes_channels_last(tmp_path: Path) -> None:
    first = {"data_format": "channels_first"}
    image = keras.Input((3, 8, 10))
    x = L.Conv2D(4, (3, 2), padding="same", **first)(image)
    x = L.PReLU()(L.BatchNormalization(axis=1)(x))
    y = L.DepthwiseConv2D(3, padding="same", **first)(x)
    x = L.Concatenate(axis=1)([x, L.ReLU()(y)])
    x = L.MaxPooling2D(2, **first)(L.SeparableConv2D(5, 3, padding="same", **first)(x))
    scale = L.Reshape((5, 1, 1))(L.Dense(5)(L.GlobalAveragePooling2D(**first)(x)))
    x = L.Multiply()([x, scale])
    ends = [
        L.Dense(3)(L.Flatten()(x)),
        L.Dense(3)(L.Flatten(**first)(x)),
        L.UpSampling2D(**first)(x),
        L.Softmax(axis=1)(x),
    ]
    network = seeded(keras.Model(image, ends))
    found = read(saved(network, tmp_path / "net.keras"), "model")
    assert found.network.input_shape == (None, 8, 10, 3)
    images = np.random.default_rng(0).normal(size=(2, 3, 8, 10)).astype("float32")
    expected = [np.asarray(value) for value in network(images)]
    got = found.network(keras.ops.convert_to_tensor(images.transpose(0, 2, 3, 1)))
    for value, wanted in zip(got, expected, strict=True):
        np.testing.assert_allclose(
            value, wanted.transpose(0, 2, 3, 1) if wanted.ndim == 4 else wanted, rtol=1e-4, atol=1e-5
        )
    assert any("channels first" in note for note in found.notes)
    convs = [
        layer for layer in found.network.layers if hasattr(layer, "data_format") and "Conv" in type(layer).__name__
    ]
    assert {layer.data_format for layer in convs} == {"channels_last"}


def test_further_inputs_get_values(tmp_path: Path) -> None:
    image, age = keras.Input((8, 8, 3), name="image"), keras.Input((2,), name="age")
    x = L.Concatenate()([L.Flatten()(L.Conv2D(4, 3)(image)), age])
    network = seeded(keras.Model([age, image], L.Dense(3)(x)))
    path = saved(network, tmp_path / "net.keras")
    images = keras.random.uniform((2, 8, 8, 3), seed=0)
    found = read(path, "model")
    assert any("'age' of shape (2,) is 0 for every image, which was assumed" in note for note in found.notes)
    np.testing.assert_allclose(found.network(images), network([keras.ops.zeros((2, 2)), images]), rtol=1e-5, atol=1e-6)
    found = read(path, "model", given={"age": [0.5, 2]})
    np.testing.assert_allclose(
        found.network(images), network([keras.ops.array([[0.5, 2]] * 2), images]), rtol=1e-5, atol=1e-6
    )
    with pytest.raises(InputError, match=r"no input 'aeg'.*nearest: age"):
        read(path, "model", given={"aeg": 1})
    with pytest.raises(InputError, match=r"'age' has the shape \(2,\); `inputs` gives \[1, 2, 3\]"):
        read(path, "model", given={"age": [1, 2, 3]})
    loaded = loading.get("m", ModelSection(file=str(path), inputs={"age": [0.5, 2.0]}))
    (tmp_path / "stored").mkdir()
    store.save("m", loaded, tmp_path / "stored")
    again, described = store.load(tmp_path / "stored")
    np.testing.assert_array_equal(again(images), found.network(images))
    assert described["notes"] == loaded.notes


def test_branches_of_a_siamese_network_get_the_same_image(tmp_path: Path) -> None:
    one = conv()
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")
    network = keras.Model([left, right], L.Subtract()([one(left), L.Rescaling(2.0)(one(right))]))
    found = read(saved(network, tmp_path / "net.keras"), "model")
    images = keras.random.uniform((2, 8, 8, 3), seed=0)
    np.testing.assert_allclose(found.network(images), network([images, images]), rtol=1e-5, atol=1e-6)
    assert "the inputs left, right all get the same image" in found.notes


@pytest.mark.parametrize(
    ("shapes", "image"),
    [
        ({"mask": (8, 8, 1), "rgb": (8, 8, 3)}, "rgb"),
        ({"bands": (8, 8, 6), "grey": (8, 8, 1)}, "grey"),
        ({"coarse": (4, 4, 5), "fine": (8, 8, 5)}, "fine"),
    ],
)
def test_of_several_images_the_likeliest_is_the_image(
    shapes: dict[str, tuple[int, ...]], image: str, tmp_path: Path
) -> None:
    inputs = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    maps = [L.GlobalMaxPooling2D()(L.Conv2D(2, 3)(tensor)) for tensor in inputs.values()]
    path = saved(keras.Model(list(inputs.values()), L.Concatenate()(maps)), tmp_path / "net.keras")
    found = read(path, "model")
    (other,) = set(shapes) - {image}
    assert found.network.input_shape[1:] == shapes[image]
    assert found.notes[-1].endswith(f"if it is the image: `inputs: {{{image}: 1}}`")
    assert read(path, "model", given={image: 1}).network.input_shape[1:] == shapes[other]


def test_images_in_a_row(tmp_path: Path) -> None:
    network = seeded(keras.Sequential([keras.Input((48,)), L.Reshape((4, 4, 3)), L.Conv2D(2, 3), L.Flatten()]))
    found = read(saved(network, tmp_path / "net.keras"), "model")
    images = keras.random.uniform((2, 4, 4, 3), seed=0)
    np.testing.assert_allclose(found.network(images), network(keras.ops.reshape(images, (2, 48))), rtol=1e-5)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([keras.Input((16, 3)), L.Conv1D(2, 3)], "1-D convolutions"),
        ([keras.Input((8, 8, 8, 1)), L.Conv3D(2, 3)], "3-D convolutions"),
        ([keras.Input((5, 8, 8, 3)), L.TimeDistributed(L.Conv2D(2, 3))], "sequences of images"),
        ([keras.Input((10,)), L.Dense(16), L.Reshape((4, 4, 1)), L.Conv2DTranspose(3, 3)], "a generator"),
        ([keras.Input((10,)), L.Dense(4)], "text or a table"),
    ],
    ids=["1d", "3d", "video", "generator", "table"],
)
def test_what_takes_no_images_has_its_line(layers: list[Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words) as raised:
        read(saved(keras.Sequential(layers), tmp_path / "net.keras"), "model")
    assert "\n" not in str(raised.value)


CODE = """
import keras

@keras.saving.register_keras_serializable("mine")
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x

def swoosh(x):
    return x * keras.ops.sigmoid(2 * x)

@keras.saving.register_keras_serializable("mine")
class Net(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = keras.layers.Conv2D(2, 3, name="conv")
        self.mean = keras.layers.GlobalAveragePooling2D()

    def call(self, x):
        return self.mean(self.conv(x))
"""


@pytest.fixture
def mine() -> Any:
    """The user's classes, known while a file is made, forgotten before it is read."""
    before = dict(keras.saving.get_custom_objects())
    defined: dict[str, Any] = {"__name__": "mine"}
    exec(CODE, defined)  # noqa: S102
    yield defined
    keras.saving.get_custom_objects().clear()
    keras.saving.get_custom_objects().update(before)


def forget() -> None:
    for key in [key for key in keras.saving.get_custom_objects() if key.startswith("mine>")]:
        del keras.saving.get_custom_objects()[key]


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_layers_of_ones_own(suffix: str, mine: Any, tmp_path: Path) -> None:
    network = small(mine["Twice"](name="twice"), L.Conv2D(4, 3, activation=mine["swoosh"], name="conv"))
    path = saved(network, tmp_path / f"net.{suffix}")
    forget()
    with pytest.raises(InputError, match=r"the layer class 'Twice' and the activation 'swoosh'.*models\.<m>\.code"):
        read(path, "model")
    code = tmp_path / "layers.py"
    code.write_text(CODE)
    loaded = loading.get("m", ModelSection(file=str(path), code=str(code)))
    forget()
    (tmp_path / "stored").mkdir()
    store.save("m", loaded, tmp_path / "stored")
    again, described = store.load(tmp_path / "stored")
    images = keras.random.uniform((2, 8, 8, 3), seed=0)
    np.testing.assert_allclose(again(images), network(images), rtol=1e-5)
    assert (tmp_path / "stored" / "code.py").read_text() == CODE
    assert len(described["code"]) == 64
    (tmp_path / "stored" / "code.py").write_text("raise SystemExit")
    with pytest.raises(InputError, match=r"code\.py: is not what the model was stored with"):
        store.load(tmp_path / "stored")


def test_errors_in_ones_own_code_name_the_line(tmp_path: Path) -> None:
    path, code = saved(conv(), tmp_path / "net.keras"), tmp_path / "layers.py"
    for text, words in {"x = 1\ny = x / 0\n": "line 2: ZeroDivisionError", "a = (\n": "line 1: SyntaxError"}.items():
        code.write_text(text)
        with pytest.raises(InputError, match=words):
            read(path, "model", code=code)
    with pytest.raises(InputError, match=r"'.*gone\.py': not found"):
        read(path, "model", code=tmp_path / "gone.py")


def test_a_subclassed_model_is_shown_as_what_it_calls(mine: Any, tmp_path: Path) -> None:
    network = mine["Net"](name="net")
    images = keras.random.uniform((2, 8, 8, 3), seed=0)
    expected = network(images)
    path, code = saved(network, tmp_path / "net.keras"), tmp_path / "layers.py"
    forget()
    code.write_text(CODE)
    found = read(path, "model", code=code)
    np.testing.assert_allclose(found.network(images), expected, rtol=1e-5)
    assert [layer.name for layer in found.network.layers][1] == "conv"
    code.write_text(CODE.replace("self.mean(self.conv(x))", "self.mean(self.conv(x)) if x.numpy().sum() else x"))
    forget()
    with pytest.raises(InputError, match=r"Net is a subclassed model that can't be traced.*functional API"):
        read(path, "model", code=code)


def test_weights_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    network = conv()
    kernel, bias = network.get_layer("conv").get_weights()
    kernel[0, 0, 0, 1], bias[3] = np.nan, np.inf
    network.get_layer("conv").set_weights([kernel, bias])
    assert read(saved(network, tmp_path / "net.keras"), "model").notes == ["conv: 2 filters are NaN or infinite"]


def test_what_params_leave_out_is_assumed_and_said(tmp_path: Path) -> None:
    network = seeded(keras.Sequential([keras.Input((None, None, 5)), L.Conv2D(4, 3)]))
    path = str(saved(network, tmp_path / "net.keras"))
    loaded = loading.get("m", ModelSection(file=path))
    assert loaded.input_shape == (224, 224, 5)
    assert loaded.preprocessing["name"] == "unit"
    assert len(loaded.preprocessing["scale"]) == 5
    assert [("224 pixels were assumed" in n, "unit was assumed" in n) for n in loaded.notes] == [
        (True, False),
        (False, True),
    ]
    assert loaded.bands == {"names": [f"band {n}" for n in range(5)], "rgb": [0, 1, 2]}
    bands = {"names": ["b", "g", "r", "n", "s"], "rgb": ["r", "g", "b"]}
    loaded = loading.get("m", ModelSection(file=path, input_shape=[66, 200], preprocessing="raw", bands=bands))
    assert (loaded.input_shape, loaded.notes) == ((66, 200, 5), [])
    assert loaded.bands == {"names": ["b", "g", "r", "n", "s"], "rgb": [2, 1, 0]}
    with pytest.raises(InputError, match="5 channels, each of its name"):
        loading.get("m", ModelSection(file=path, bands={"names": ["a"]}))


def test_an_untrained_twin_keeps_what_normalization_was_adapted_to(tmp_path: Path) -> None:
    norm = L.Normalization(name="norm")
    norm.adapt(np.random.default_rng(0).normal(100, 20, (50, 8, 8, 3)))
    inner = keras.Sequential([keras.Input((8, 8, 3)), norm], name="inner")
    path = saved(keras.Sequential([keras.Input((8, 8, 3)), inner, L.Conv2D(2, 3, name="conv")]), tmp_path / "net.keras")
    twin = loading.get("m", ModelSection(file=str(path), random_weights=1))
    images = keras.random.uniform((2, 8, 8, 3), 0, 255, seed=0)
    np.testing.assert_allclose(twin.network.get_layer("inner")(images), inner(images), rtol=1e-5)
    assert twin.preprocessing["name"] == "raw"


def test_scalings() -> None:
    pixels = np.array([0, 51, 255])

    def of(given: Any, channels: int = 3) -> Any:
        spec = scaling(given, channels)
        return pixels * spec["scale"][0] + spec["offset"][0], spec["reverse_channels"]

    np.testing.assert_allclose(of({"range": [-1, 1]})[0], [-1, -0.6, 1])
    np.testing.assert_allclose(of({"mean": [0.5] * 3, "std": 0.25})[0], [-2, -1.2, 2])
    np.testing.assert_allclose(of({"mean": 51, "std": 2, "scale": 255}, 1)[0], [-25.5, 0, 102])
    assert of({"name": "unit", "channel_order": "bgr"})[1] is True
    assert len(scaling("tf", 5)["scale"]) == 5
    for given, words in {
        "untt": "nearest: unit",
        "caffe": "RGB",
    }.items():
        with pytest.raises(InputError, match=words):
            scaling(given, 4)
    wrong: list[tuple[Any, str]] = [
        ({"mean": [123.7, 116, 103]}, "add `scale: 255`"),
        ({"mean": [1, 2], "scale": 255}, "expected 3 numbers"),
        ({"range": [1, 0]}, "lowest value first"),
        ({"range": [0, 1], "mean": 1}, "expected a name"),
        ({"rnge": [0, 1]}, "nearest: range"),
        ({}, "expected a name"),
    ]
    for spec, words in wrong:
        with pytest.raises(InputError, match=words):
            scaling(spec, 3)


def bomb(path: Path, name: str, size: int) -> Path:
    """A model's archive in which one member is nothing but blanks, packed small."""
    with zipfile.ZipFile(path) as file:
        members = {one: file.read(one) for one in file.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for one, data in members.items():
            file.writestr(one, data + b" " * size if one == name else data)
    return path


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
def test_a_configuration_does_not_unpack_without_limit(name: str, tmp_path: Path) -> None:
    path = bomb(saved(conv(), tmp_path / "net.keras"), name, 17 << 20)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(InputError, match=rf"holds '{name}' of 17 MB; no network needs more than 16 MB there$"):
        read(path, "model")


def test_a_configuration_in_hdf5_has_the_same_limit(tmp_path: Path) -> None:
    path = saved(conv(), tmp_path / "net.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = file.attrs["model_config"] + " " * (17 << 20)
    with pytest.raises(InputError, match="its configuration has over 16 MB; no network needs so much"):
        read(path, "model")


def test_a_deeply_nested_configuration_is_one_line(tmp_path: Path) -> None:
    path = saved(conv(), tmp_path / "net.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = "[" * 100_000
    with pytest.raises(InputError, match="can't be loaded: ") as raised:
        read(path, "model")
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_layers_cannot_be_larger_than_the_file(suffix: str, tmp_path: Path) -> None:
    path = saved(conv(), tmp_path / f"net{suffix}")

    def grow(config: dict[str, Any]) -> None:
        next(one for one in config["config"]["layers"] if one["class_name"] == "Conv2D")["config"]["filters"] = 10**9

    if suffix == ".keras":
        archive(path, grow)
    else:
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            grow(config)
            file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(
        InputError, match=r"its layer 'conv' asks for weights of shape \(3, 3, 3, 1000000000\), the file"
    ):
        read(path, "model")


def test_weights_that_the_file_only_claims_to_have(tmp_path: Path) -> None:
    path = saved(conv(), tmp_path / "net.h5")
    with h5py.File(path, "r+") as file:
        file["model_weights/conv"].create_dataset("bomb", (10**6, 10**6), chunks=True, compression="gzip")
    with pytest.raises(InputError, match=r"its weights unpack to 3,814,697 MB, out of 1 MB; those are no weights"):
        read(path, "model")


def test_layers_whose_files_would_be_one_are_refused(tmp_path: Path) -> None:
    """A layer that is called twice is `conv` and `conv-2`; upper and lower case is not told apart everywhere."""
    image, shared = keras.Input((8, 8, 3)), L.Conv2D(3, 1, name="conv")
    network = keras.Model(image, L.Conv2D(2, 1, name="Conv-2")(shared(shared(image))))
    loaded = store.Loaded(network, "t", "file", "o", "l", "t", (8, 8, 3), scaling("unit", 3))
    with pytest.raises(InputError, match=r"models\.m: its layers 'conv-2' and 'Conv-2' would share files; rename one"):
        store.save("m", loaded, tmp_path)
    assert not list(tmp_path.iterdir())
