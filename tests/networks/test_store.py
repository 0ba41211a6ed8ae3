"""Get, verify, store and load models; nothing that a file carries is run."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from cnnviz.errors import InputError
from cnnviz.files.disk import read_json
from cnnviz.networks import ModelSection, files, loading, preprocessing, store
from cnnviz.networks.files import onnx
from cnnviz.sources import catalog

pytestmark = pytest.mark.pipeline

APPLICATION_MODULES = {"caffe": "vgg16", "tf": "mobilenet_v2", "torch": "densenet", "raw": "efficientnet"}


def own(path: Path, **more: Any) -> ModelSection:
    return ModelSection(**{"file": str(path), "input_size": 24, "preprocessing": "unit", **more})


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_own_file_survives_storing(
    suffix: str, tiny: Callable[..., Any], tmp_path: Path, rng: np.random.Generator
) -> None:
    network = tiny(head=True)
    network.save(tmp_path / f"net{suffix}")
    loaded = loading.get("own", own(tmp_path / f"net{suffix}", trained_on="noise", class_names=["a", "b", "c", "d"]))
    (tmp_path / "stored").mkdir()
    store.save("own", loaded, tmp_path / "stored")
    again, described = store.load(tmp_path / "stored")
    images = rng.normal(size=(2, 24, 24, 3)).astype("float32")
    np.testing.assert_array_equal(again(images), network(images))
    assert described["digest"] == store.digest(network)
    assert described["source"] == "file"
    assert described["preprocessing"]["name"] == "unit"
    assert [c["name"] for c in described["conv_layers"]] == ["first", "expand", "depthwise", "separable", "dilated"]
    assert described["parameters"] == network.count_params()
    assert str(tmp_path) not in (tmp_path / "stored" / "model.json").read_text()


def test_unusual_convolutions_as_model_json_has_them(tmp_path: Path) -> None:
    layers = keras.layers
    inputs = keras.Input((24, 24, 3))
    x = layers.Conv2D(4, (1, 7), strides=(1, 2), activation=layers.LeakyReLU(), name="wide")(inputs / 255)
    x = layers.Conv2DTranspose(5, (2, 3), strides=2, name="up")(x)
    x = x * layers.GlobalAveragePooling2D(keepdims=True)(x)
    network = keras.Model(inputs, layers.Conv2D(6, 3, name="gated")(x))
    loaded = replace(loading.get("own", own(_saved(network, tmp_path))), input_shape=(24, 24, 3))
    loaded.titles = {"up": "größer"}
    store.save("own", loaded, tmp_path)
    wide, up, gated = read_json(tmp_path / "model.json")["conv_layers"]
    assert (wide["receptive_field"], wide["jump"], wide["activation"]) == ([1, 7], [1, 2], "leaky_re_lu")
    assert (up["receptive_field"], up["jump"]) == ([1, 9], [0.5, 1])
    assert (up["kernel_shape"], up["transposed"], up["title"]) == ([2, 3, 4, 5], True, "größer")
    assert (gated["receptive_field"], gated["jump"], gated["local_field"]) == (None, None, [2, 11])
    assert [conv["sources"] for conv in (wide, up, gated)] == [[], ["wide"], []]


def _saved(network: keras.Model, folder: Path) -> Path:
    network.save(folder / "net.keras")
    return folder / "net.keras"


def test_a_network_without_convolutions_of_images_says_what_it_has(tmp_path: Path) -> None:
    layers = keras.layers
    flat = [layers.Reshape((24, 72)), layers.Conv1D(2, 3), layers.Flatten(), layers.Dense(2), layers.Dense(2)]
    network = keras.Sequential([keras.Input((24, 24, 3)), *flat])
    with pytest.raises(
        InputError, match=r"models\.own: has no layer that convolves images: 2 Dense, 1 Reshape, 1 Conv1D"
    ):
        store.save("own", loading.get("own", own(_saved(network, tmp_path))), tmp_path)


def test_stored_twice_is_the_same_bytes(tiny: Callable[..., Any], tmp_path: Path) -> None:
    tiny().save(tmp_path / "net.keras")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        store.save("own", loading.get("own", own(tmp_path / "net.keras")), tmp_path / name)
    for file in ("model.json", store.WEIGHTS):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_untrained_twin_has_the_architecture_and_weights_of_its_seed(tiny: Callable[..., Any], tmp_path: Path) -> None:
    network = tiny()
    network.save(tmp_path / "net.keras")
    twins = [loading.get("twin", own(tmp_path / "net.keras", random_weights=seed)) for seed in (0, 0, 1)]
    assert "untrained" in twins[0].title
    assert [w.shape for w in twins[0].network.weights] == [w.shape for w in network.weights]
    digests = [store.digest(twin.network) for twin in twins]
    assert digests[0] == digests[1] != digests[2]
    assert store.digest(network) not in digests
    norm = twins[0].network.get_layer("inner").get_layer("expand_bn")
    np.testing.assert_array_equal(norm.moving_mean, 0)  # nothing of what was learned is left


def test_weights_file_holds_what_model_json_says(tiny: Callable[..., Any], tmp_path: Path) -> None:
    import h5py

    network = tiny()
    network.save(tmp_path / "net.keras")
    store.save("own", loading.get("own", own(tmp_path / "net.keras")), tmp_path)
    convs = {c["name"]: c for c in read_json(tmp_path / "model.json")["conv_layers"]}
    with h5py.File(tmp_path / store.WEIGHTS) as file:
        np.testing.assert_array_equal(file[convs["first"]["kernel_key"]][()], network.get_layer("first").kernel)
        np.testing.assert_array_equal(file[convs["first"]["bias_key"]][()], network.get_layer("first").bias)
        assert convs["expand"]["bias_key"] is None
        separable = network.get_layer("separable")
        for key, kernel in zip(
            convs["separable"]["kernel_key"], (separable.depthwise_kernel, separable.pointwise_kernel), strict=True
        ):
            np.testing.assert_array_equal(file[key][()], kernel)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_lambda_layer_is_refused(suffix: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 3)(inputs)
    x = keras.layers.Lambda(lambda t, path=str(marker): (open(path, "w").close(), t)[1])(x)  # noqa: PTH123
    keras.Model(inputs, x).save(tmp_path / f"net{suffix}")
    marker.unlink(missing_ok=True)
    with pytest.raises(InputError, match="Lambda") as raised:
        loading.get("own", own(tmp_path / f"net{suffix}"))
    assert "\n" not in str(raised.value)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("missing.keras", None, "not found"),
        ("text.keras", b"hello", "no Keras archive"),
        ("text.h5", b"hello", "no HDF5 file"),
    ],
)
def test_missing_and_corrupt_files(name: str, data: bytes | None, expected: str, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=expected) as raised:
        loading.get("net", own(tmp_path / name))
    assert str(raised.value).startswith("params.yaml: models.net.file")


def test_cut_off_archive(tiny: Callable[..., Any], tmp_path: Path) -> None:
    tiny().save(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "cut.keras", "w") as cut, zipfile.ZipFile(tmp_path / "net.keras") as whole:
        cut.writestr("config.json", whole.read("config.json"))
    with pytest.raises(InputError, match="can't be loaded"):
        loading.get("net", own(tmp_path / "cut.keras"))


@pytest.mark.parametrize("mode", APPLICATION_MODULES)
def test_preprocessing_equals_that_of_keras_applications(mode: str, rng: np.random.Generator) -> None:
    images = rng.uniform(0, 255, (2, 5, 5, 3)).astype("float32")
    expected = getattr(keras.applications, APPLICATION_MODULES[mode]).preprocess_input(images.copy())
    spec = catalog.PREPROCESSING[mode]
    got = preprocessing.preprocess(images, vars(spec) if not hasattr(spec, "__slots__") else spec)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4)


def test_catalogue_names_every_network_of_keras_applications() -> None:
    networks = {n for n in dir(keras.applications) if n[0].isupper()}
    assert networks - set(catalog.APPLICATIONS) == set()


@pytest.mark.parametrize("name", sorted(catalog.APPLICATIONS))
def test_application_preprocessing_is_the_one_of_its_module(name: str, rng: np.random.Generator) -> None:
    import importlib
    import inspect

    build = getattr(keras.applications, name)
    module = importlib.import_module(inspect.unwrap(build).__module__)
    images = rng.uniform(0, 255, (1, 3, 3, 3)).astype("float32")
    expected = module.preprocess_input(images.copy())
    got = preprocessing.preprocess(images, vars(catalog.PREPROCESSING[catalog.APPLICATIONS[name]]))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4)


def _field(number: int, data: bytes) -> bytes:
    size, encoded = len(data), b""
    while size >= 0x80:
        encoded, size = encoded + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + encoded + bytes([size]) + data


def test_onnx_initializers_by_hand() -> None:
    values = np.arange(200, dtype="<f4").reshape(2, 100)
    # TensorProto: dims 2 and 100 (varints), data_type 1 (float), name "w", raw_data
    tensor = bytes([1 << 3, 2, 1 << 3, 100, 2 << 3, 1]) + _field(8, b"w") + _field(9, values.tobytes())
    model = bytes([1 << 3, 9]) + _field(7, _field(1, b"node") + _field(5, tensor))
    np.testing.assert_array_equal(onnx.tensors(model)["w"], values)
    with pytest.raises(ValueError, match="cut off"):
        onnx.tensors(model[:-5])


@pytest.mark.pipeline
def test_application_comes_from_keras_cache_with_its_own_preprocessing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras finds the weights file of MobileNetV2 in its cache: here one with seeded weights in Keras's own format."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path), raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    keras.utils.set_random_seed(1)
    network = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(96, 96, 3))
    (tmp_path / "models").mkdir()
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_96_no_top.h5"
    with h5py.File(tmp_path / "models" / name, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)
    loaded = loading.get("net", ModelSection(application="MobileNetV2", input_size=96))
    assert store.digest(loaded.network) == store.digest(network)
    assert loaded.preprocessing["name"] == "tf"
    assert loaded.source == "keras"


def test_application_offline_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path), raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(
        InputError, match=r"keras\.applications\.DenseNet121: its weights can't be had .* offline"
    ) as raised:
        loading.get("net", ModelSection(application="DenseNet121", input_size=64))
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.rglob("*.h5"))


@pytest.mark.parametrize("name", ["..", ".hidden", "a\\b", "new\nline", "x" * 200, "per_image", "objectives"])
def test_layer_name_that_cannot_be_a_file_name_gets_another(name: str, tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, keras.layers.Conv2D(2, 3, name=name)(inputs)).save(tmp_path / "net.keras")
    (tmp_path / "stored").mkdir()
    store.save("own", loading.get("own", own(tmp_path / "net.keras")), tmp_path / "stored")
    (conv,) = read_json(tmp_path / "stored" / "model.json")["conv_layers"]
    assert conv["title"] == name
    assert (tmp_path / conv["name"]).parent == tmp_path
    assert conv["name"] not in ("per_image", "objectives")


def test_what_params_say_of_a_known_model_stands_above_the_catalogue(
    tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny()
    known = replace(catalog.MODELS["vgg16"], digest=store.digest(network))
    monkeypatch.setitem(catalog.MODELS, "vgg16", known)
    monkeypatch.setattr(loading, "_built", lambda known, source: files.Read(network))
    plain = loading.get("mine", ModelSection(known="vgg16"))
    assert (plain.input_shape, plain.preprocessing["name"], plain.class_names) == ((224, 224, 3), "caffe", [])
    section = ModelSection(known="vgg16", input_size=96, preprocessing="unit", class_names=["a", "b"])
    loaded = loading.get("mine", section)
    assert (loaded.input_shape, loaded.preprocessing["name"], loaded.class_names) == ((96, 96, 3), "unit", ["a", "b"])
    assert (loaded.title, loaded.source, loaded.origin) == (plain.title, "package", plain.origin)


def test_the_answer_stands_in_model_json_and_what_does_not_fit_is_said_before_anything_is_written(
    tiny: Callable[..., Any], tmp_path: Path
) -> None:
    tiny(head=True).save(tmp_path / "net.keras")
    file = tmp_path / "net.keras"
    assert store.save("own", loading.get("own", own(file)), tmp_path) == []
    found = read_json(tmp_path / "model.json")["head"]
    assert (found["kind"], found["output"], len(found["names"])) == ("classes", "classes", 4)
    for wrong, message in (
        (
            {"class_names": ["a", "b"]},
            r"params\.yaml: models\.own\.class_names: 2 given \(a, b\), .* has 4; expected 4",
        ),
        ({"output": "clases"}, r"params\.yaml: models\.own\.output: 'clases' is no output .* nearest: classes"),
    ):
        section, empty = own(file, **wrong), tmp_path / "empty"
        empty.mkdir(exist_ok=True)
        with pytest.raises(InputError, match=message):
            store.save("own", loading.get("own", section), empty, section.output)
        assert not list(empty.iterdir())


def test_notes_are_kept_and_returned(tiny: Callable[..., Any], tmp_path: Path) -> None:
    inputs = keras.Input((24, 24, 3))
    network = keras.Model(inputs, tiny()(keras.layers.Rescaling(1 / 255)(inputs)))
    network.save(tmp_path / "net.keras")
    loaded = loading.get("own", own(tmp_path / "net.keras", class_names=["a", "b"]))
    loaded.notes.append("mended")
    said = store.save("own", loaded, tmp_path)
    assert said == read_json(tmp_path / "model.json")["notes"]
    assert said[0] == "mended"
    assert "write preprocessing: raw" in said[1]
    assert said[2].startswith("class_names are not used: 'dilated' is 4 × 4 × 12: features")
