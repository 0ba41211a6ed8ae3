"""Whatever is in a file: images, arrays and networks are read, or refused in one line that names the file."""

import io
import json
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cnnviz.errors import InputError
from cnnviz.images import decode
from cnnviz.images.own import Own
from cnnviz.networks.files import read
from cnnviz.verify import arrays

pytestmark = pytest.mark.pipeline

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP")
MODES = ("L", "LA", "RGB", "RGBA", "P", "I;16", "F")
DAMAGES: Any = st.lists(
    st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8), st.sampled_from(["over", "in", "cut", "out"])),
    min_size=1,
    max_size=4,
)


def damaged(data: bytes, damages: list[tuple[float, bytes, str]]) -> bytes:
    """Bytes written over others, put in, what follows cut off, some left out: at shares of the length."""
    for share, put, how in damages:
        at = int(share * len(data))
        rest = {"over": data[at + len(put) :], "in": data[at:], "cut": b"", "out": data[at + len(put) :]}[how]
        data = data[:at] + (b"" if how == "out" else put) + rest
    return data


def refused(error: InputError, name: str) -> None:
    line = str(error)
    assert name in line, line
    assert line.isprintable(), line
    assert len(line) < 700, line


@cache
def picture(kind: str, mode: str) -> bytes:
    pixels = np.arange(8 * 9, dtype=np.uint8).reshape(8, 9)
    image = Image.fromarray(pixels).convert("I" if mode == "I;16" else mode)
    file = io.BytesIO()
    try:
        image.save(file, kind)
    except OSError:  # a mode that the format doesn't have
        return picture(kind, "RGB")
    return file.getvalue()


@given(kind=st.sampled_from(FORMATS), mode=st.sampled_from(MODES), damages=DAMAGES)
def test_any_picture(kind: str, mode: str, damages: list[tuple[float, bytes, str]]) -> None:
    try:
        found = decode(io.BytesIO(damaged(picture(kind, mode), damages)), "a.picture")
    except InputError as error:
        refused(error, "a.picture: ")
    else:
        assert found.dtype == np.uint8
        assert found.ndim == 3
        assert found.shape[2] == 3


@cache
def stack(kind: str) -> bytes:
    file, pixels = io.BytesIO(), np.arange(3 * 8 * 9 * 3, dtype=np.uint8).reshape(3, 8, 9, 3)
    if kind == "npy":
        np.save(file, pixels)
    else:
        save = np.savez if kind == "npz" else np.savez_compressed
        save(file, images=pixels, labels=np.array([0, 1, 0]), class_names=np.array(["a", "b"]))
    return file.getvalue()


@given(kind=st.sampled_from(["npy", "npz", "packed"]), damages=DAMAGES)
def test_any_file_of_arrays(tmp_path: Path, kind: str, damages: list[tuple[float, bytes, str]]) -> None:
    folder = tmp_path / "inputs/images/mine"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"a.{kind if kind == 'npy' else 'npz'}"
    file.write_bytes(damaged(stack(kind), damages))
    try:
        found = Own(folder, root=tmp_path / "inputs/images").read()
    except InputError as error:
        refused(error, "mine")
    else:
        assert found.images.dtype == np.uint8
        assert len(found.labels) == len(found)


@given(damages=DAMAGES)
def test_any_archive_of_another_clone(tmp_path: Path, damages: list[tuple[float, bytes, str]]) -> None:
    file = tmp_path / "a.npz"
    file.write_bytes(damaged(stack("packed"), damages))
    try:
        found = arrays.read(file, {"images": "u4", "labels": "i1"})
    except InputError as error:
        refused(error, str(file))
    else:
        assert found["images"].ndim == 4


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    steps = [layers.Conv2D(2, 3, name="conv"), layers.BatchNormalization(), layers.ReLU(), layers.Flatten()]
    network = keras.Sequential([keras.Input((6, 6, 3)), *steps, layers.Dense(2, activation="softmax")])
    files = {}
    for suffix in ("keras", "h5"):
        path = tmp_path_factory.mktemp("networks") / f"net.{suffix}"
        network.save(path)
        files[suffix] = path
    return files


def check_network(path: Path) -> None:
    try:
        found = read(path, "models.m.file")
    except InputError as error:
        refused(error, "models.m.file: ")
    else:
        assert isinstance(found.network, keras.Model)


IGNORED = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file", "ignore::UserWarning")


@IGNORED
@given(suffix=st.sampled_from(["keras", "h5"]), damages=DAMAGES)
def test_any_network(
    tmp_path: Path, networks: dict[str, Path], suffix: str, damages: list[tuple[float, bytes, str]]
) -> None:
    path = tmp_path / f"net.{suffix}"
    path.write_bytes(damaged(networks[suffix].read_bytes(), damages))
    check_network(path)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in inside for place in places(value, (*path, key)))]


ODD: Any = (
    st.none() | st.booleans() | st.integers(-2, 10**12) | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})
)


@IGNORED
@given(data=st.data(), value=ODD, suffix=st.sampled_from(["keras", "h5"]))
def test_any_configuration(
    tmp_path: Path, networks: dict[str, Path], data: st.DataObject, value: Any, suffix: str
) -> None:
    """One value of the configuration is another one; the file is whole otherwise."""
    path = tmp_path / f"net.{suffix}"
    path.write_bytes(networks[suffix].read_bytes())
    members: dict[str, bytes] = {}
    if suffix == "keras":
        with zipfile.ZipFile(path) as file:
            members = {name: file.read(name) for name in file.namelist()}
        config = json.loads(members["config.json"])
    else:
        with h5py.File(path) as file:
            config = json.loads(file.attrs["model_config"])
    place = data.draw(st.sampled_from(places(config)[1:]))
    around = config
    for part in place[:-1]:
        around = around[part]
    around[place[-1]] = value
    if suffix == "keras":
        with zipfile.ZipFile(path, "w") as file:
            for name, content in (members | {"config.json": json.dumps(config).encode()}).items():
                file.writestr(name, content)
    else:
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = json.dumps(config)
    check_network(path)
