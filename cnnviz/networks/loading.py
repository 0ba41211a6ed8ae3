"""Where models come from: the catalogue's package files, keras.applications, one's own files.

Everything is verified, and nothing that a file carries is run.
"""

import io
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import keras
import numpy as np

from cnnviz.errors import InputError
from cnnviz.networks import onnx
from cnnviz.networks.opening import load_file
from cnnviz.networks.store import Loaded, digest
from cnnviz.sources import catalog, read_member

if TYPE_CHECKING:  # pydantic is not there where only the library is installed
    from cnnviz.networks.section import ModelSection

CONNECT_TIMEOUT = 10.0  # seconds
VGG16_CONVS = [f"block{b}_conv{i}" for b, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)]


def _vgg16(kernels_and_biases: Iterator[tuple[np.ndarray, np.ndarray]]) -> keras.Model:
    network = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3), name="vgg16")
    for name, weights in zip(VGG16_CONVS, kernels_and_biases, strict=True):
        network.get_layer(name).set_weights(weights)
    return network


def _from_onnx(data: bytes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield kernel (HWIO) and bias of VGG16's conv layers from the initializers of an ONNX file."""
    tensors = onnx.tensors(data)
    for name in VGG16_CONVS:
        kernel = tensors[f"functional_1/{name}_1/convolution/ReadVariableOp:0"]
        yield kernel.transpose(2, 3, 1, 0), tensors[f"functional_1/{name}_1/Squeeze:0"].reshape(-1)


def _from_hed(data: bytes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    with h5py.File(io.BytesIO(data)) as file:
        for name in VGG16_CONVS:
            block, index = name[:6], int(name[-1]) - 1
            layer = file[f"{block}/layers/conv2d{f'_{index}' if index else ''}/vars"]
            yield layer["0"][()], layer["1"][()]


def _built(known: catalog.KnownModel, source: str) -> keras.Model:
    if source == "keras":
        return _application(known.application or "", None)
    data = read_member(known.package)
    if known.layout == "vgg16-onnx":
        return _vgg16(_from_onnx(data))
    if known.layout == "vgg16-hed":
        return _vgg16(_from_hed(data))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(known.package.member).name
        path.write_bytes(data)
        return load_file(path, known.package.member)


def _application(name: str, input_size: int | None) -> keras.Model:
    """Build a network of keras.applications with its ImageNet weights, from Keras's cache or its host."""
    build: Callable[..., keras.Model] = getattr(keras.applications, name)
    options: dict[str, Any] = {"include_top": False, "input_shape": (input_size, input_size, 3)} if input_size else {}
    if name == "VGG16" and not input_size:
        options = {"include_top": False, "input_shape": (224, 224, 3), "name": "vgg16"}
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_TIMEOUT)  # some firewalls let a connection hang
    try:
        return build(weights="imagenet", **options)
    except Exception as error:  # URLError, OSError, ValueError, and what else Keras wraps them into
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"keras.applications.{name}: its weights can't be had ({reason}); "
            "offline, use a model of the catalogue or a file of your own"
        ) from error
    finally:
        socket.setdefaulttimeout(patience)


def get(key: str, params: "ModelSection") -> Loaded:
    """Get a model from the first of its sources that has it, and check its digest; or its untrained twin.

    Raises InputError if no source can be had, if the digest is another one, or if a file can't be loaded safely.
    """
    loaded = _get(key, params)
    return loaded if params.random_weights is None else _untrained(loaded, params.random_weights)


def _untrained(loaded: Loaded, seed: int) -> Loaded:
    """A twin of the same architecture, its weights drawn by the layers' own initializers."""
    keras.utils.set_random_seed(seed)
    return replace(
        loaded,
        network=keras.models.clone_model(loaded.network),
        title=f"{loaded.title}, untrained: random weights, seed {seed}",
        trained_on="nothing",
    )


def _get(key: str, params: "ModelSection") -> Loaded:
    where = f"params.yaml: models.{key}"
    if params.known:
        loaded = known(params.known, where, params.sources or ())
        return replace(
            loaded,
            input_size=params.input_size or loaded.input_size,
            preprocessing=asdict(catalog.PREPROCESSING[params.preprocessing])
            if params.preprocessing
            else loaded.preprocessing,
            class_names=list(params.class_names or loaded.class_names),
        )
    preprocessing = params.preprocessing or catalog.APPLICATIONS.get(params.application or "", "raw")
    if params.application:
        network = _application(params.application, params.input_size)
        source, origin, trained_on = "keras", f"keras.applications.{params.application}", "ImageNet (ILSVRC)"
        title = f"{params.application} of keras.applications"
        size = params.input_size or int(network.input_shape[1] or 224)
    else:
        network = load_file(Path(params.file or ""), f"{where}.file")
        source, origin, trained_on, title = "file", Path(params.file or "").name, params.trained_on, key
        size = params.input_size or 0  # params has checked that it is there
    return Loaded(
        network,
        title=title,
        source=source,
        origin=origin,
        license=params.license,
        trained_on=trained_on,
        input_size=size,
        preprocessing=asdict(catalog.PREPROCESSING[preprocessing]),
        class_names=list(params.class_names),
    )


def known(name: str, where: str, sources: Sequence[str] = ()) -> Loaded:
    """A model of the catalogue from the first of its sources, or of `sources`, that has it, and its digest is right.

    where: what an error begins with. Raises InputError if no source can be had, or if the digest is another one.
    """
    found, failures = catalog.MODELS[name], []
    for source in sources or found.sources:
        try:
            network = _built(found, source)
            break
        except InputError as error:
            failures.append(f"{source}: {error}")
    else:
        raise InputError(f"{where}: no source has it; " + "; ".join(failures))
    if digest(network) != found.digest:
        raise InputError(f"{where}: weights from {source!r} have digest {digest(network)}, expected {found.digest}")
    package = found.package
    return Loaded(
        network,
        title=found.title,
        source=source,
        origin=f"{package.package} {package.version}, {package.member}"
        if source == "package"
        else f"keras.applications.{found.application}",
        license=found.license,
        trained_on=found.trained_on,
        input_size=found.input_size,
        preprocessing=asdict(catalog.PREPROCESSING[found.preprocessing]),
        class_names=list(found.class_names),
    )
