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

from cnnviz.errors import InputError, reason
from cnnviz.networks import graph, rescaling
from cnnviz.networks.files import Read, onnx, read
from cnnviz.networks.scaling import scaling
from cnnviz.networks.series import Checkpoint, find, whole
from cnnviz.networks.store import Loaded, digest
from cnnviz.sources import catalog, read_member

if TYPE_CHECKING:  # pydantic is not there where only the library is installed
    from cnnviz.networks.section import ModelSection

CONNECT_TIMEOUT = 10.0  # seconds
ASSUMED = 224  # pixels, where neither the file nor params.yaml says a size
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


def _built(known: catalog.KnownModel, source: str) -> Read:
    if source == "keras":
        return Read(_application(known.application or "", None))
    data = read_member(known.package)
    if known.layout == "vgg16-onnx":
        return Read(_vgg16(_from_onnx(data)))
    if known.layout == "vgg16-hed":
        return Read(_vgg16(_from_hed(data)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(known.package.member).name
        path.write_bytes(data)
        return read(path, known.package.member)


def _application(name: str, shape: tuple[int, int] | None) -> keras.Model:
    """Build a network of keras.applications with its ImageNet weights, from Keras's cache or its host."""
    build: Callable[..., keras.Model] = getattr(keras.applications, name)
    options: dict[str, Any] = {"include_top": False, "input_shape": (*shape, 3)} if shape else {}
    if name == "VGG16" and not shape:
        options = {"include_top": False, "input_shape": (224, 224, 3), "name": "vgg16"}
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_TIMEOUT)  # some firewalls let a connection hang
    try:
        return build(weights="imagenet", **options)
    except Exception as error:  # URLError, OSError, ValueError, and what else Keras wraps them into
        raise InputError(
            f"keras.applications.{name}: its weights can't be had ({reason(error, 200)}); "
            "offline, use a model of the catalogue or a file of your own"
        ) from error
    finally:
        socket.setdefaulttimeout(patience)


def get(key: str, params: "ModelSection") -> Loaded:
    """Get a model from the first of its sources that has it, and check its digest; or its untrained twin. Of a series:
    its first checkpoint.

    Raises InputError if no source can be had, if the digest is another one, or if a file can't be loaded safely.
    """
    loaded = _get(key, params)
    return loaded if params.random_weights is None else _untrained(loaded, params.random_weights)


def _untrained(loaded: Loaded, seed: int) -> Loaded:
    """A twin of the same architecture, its weights drawn by the layers' own initializers.

    Statistics of the data that Normalization was adapted to were not trained: they stay.
    """
    keras.utils.set_random_seed(seed)
    network = keras.models.clone_model(loaded.network)
    for layer, twin in zip(loaded.network._flatten_layers(), network._flatten_layers(), strict=True):
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            twin.set_weights(layer.get_weights())
            twin.finalize_state()
    return replace(
        loaded,
        network=network,
        title=f"{loaded.title}, untrained: random weights, seed {seed}",
        trained_on="nothing",
    )


def _size(params: "ModelSection") -> tuple[int, int] | None:
    """Height and width that params.yaml says."""
    if params.input_shape:
        return params.input_shape[0], params.input_shape[1]
    return (params.input_size, params.input_size) if params.input_size else None


def _get(key: str, params: "ModelSection") -> Loaded:
    where = f"params.yaml: models.{key}"
    size = _size(params)
    if params.known:
        loaded = known(params.known, where, params.sources or ())
        shape = (*(size or loaded.input_shape[:2]), loaded.input_shape[2])
        return replace(
            loaded,
            input_shape=shape,
            preprocessing=_scaling(params, shape[2], where) if params.preprocessing else loaded.preprocessing,
            class_names=list(params.class_names or loaded.class_names),
        )
    if params.application:
        found = Read(_application(params.application, size))
        source, origin, trained_on = "keras", f"keras.applications.{params.application}", "ImageNet (ILSVRC)"
        title = f"{params.application} of keras.applications"
        preprocessing: Any = params.preprocessing or catalog.APPLICATIONS[params.application]
    elif params.checkpoints:
        series = checkpoints(key, params)
        found = at_checkpoint(key, params, series[0])  # whose configuration is that of all, also when more are added
        source, origin, trained_on, title = "checkpoints", series[-1].path.name, params.trained_on, key
        preprocessing = params.preprocessing
    else:
        code = Path(params.code) if params.code else None
        found = read(Path(params.file or ""), f"{where}.file", code, size, params.inputs)
        source, origin, trained_on, title = "file", Path(params.file or "").name, params.trained_on, key
        preprocessing = params.preprocessing
    shape = _shape(found, size)
    if preprocessing is None:
        try:
            own = rescaling.inside(graph.trace(found.network, shape))
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        preprocessing = "raw" if own else "unit"
        why = f"the network rescales images itself ({own.layer}: {own})" if own else "most networks want 0..1"
        found.notes.append(f"preprocessing {preprocessing} was assumed, since {why}; say what it was trained with")
    return Loaded(
        found.network,
        title=title,
        source=source,
        origin=origin,
        license=params.license,
        trained_on=trained_on,
        input_shape=shape,
        preprocessing=_scaling(params, shape[2], where, preprocessing),
        class_names=list(params.class_names),
        notes=found.notes,
        titles=found.titles,
        bands=_bands(params, shape[2], where),
        code=found.code,
    )


def checkpoints(key: str, params: "ModelSection") -> list[Checkpoint]:
    """The series of a model, the earliest checkpoint first. Raises InputError, naming the file, as `find` does."""
    return find(params.checkpoints or "", params.architecture, f"params.yaml: models.{key}.checkpoints")


def at_checkpoint(key: str, params: "ModelSection", checkpoint: Checkpoint) -> Read:
    """The network as it was then, in the one form. Raises InputError, naming the file."""
    where = f"params.yaml: models.{key}.checkpoints"
    with whole(checkpoint, where) as path:
        return read(path, where, Path(params.code) if params.code else None, _size(params), params.inputs)


def _shape(found: Read, size: tuple[int, int] | None) -> tuple[int, int, int]:
    """Height, width and channels: as params.yaml says, else as the file does, else assumed."""
    _, height, width, channels = found.network.input_shape
    if size is None and None in (height, width):
        assumed = height or width or ASSUMED
        found.notes.append(f"the network takes images of any size: {assumed} pixels were assumed (`input_size`)")
        height, width = height or assumed, width or assumed
    height, width = size or (height, width)
    return int(height), int(width), int(channels)


def _scaling(params: "ModelSection", channels: int, where: str, default: Any = None) -> dict[str, Any]:
    try:
        return scaling(params.preprocessing or default, channels)
    except InputError as error:
        raise InputError(f"{where}.preprocessing: {error}") from None


def _bands(params: "ModelSection", channels: int, where: str) -> dict[str, Any] | None:
    """Names of the channels and which three are drawn, where they are not grey, RGB or RGB with alpha."""
    if channels in (1, 3, 4):
        if params.bands:
            raise InputError(f"{where}.bands: the network has {channels} channels, which are drawn as what they are")
        return None
    names = list(params.bands.names) if params.bands else []
    names = names or [f"band {n}" for n in range(channels)]
    if len(names) != channels or len(set(names)) != channels:
        raise InputError(
            f"{where}.bands.names: {len(names)} given; the network has {channels} channels, each of its name"
        )
    rgb = list(params.bands.rgb) if params.bands and params.bands.rgb else [min(n, channels - 1) for n in range(3)]
    for place in rgb:
        if place not in (names if isinstance(place, str) else range(channels)):
            raise InputError(
                f"{where}.bands.rgb: {place!r} given; expected numbers 0..{channels - 1} or names of bands"
            )
    return {"names": names, "rgb": [names.index(place) if isinstance(place, str) else place for place in rgb]}


def known(name: str, where: str, sources: Sequence[str] = ()) -> Loaded:
    """A model of the catalogue from the first of its sources, or of `sources`, that has it, and its digest is right.

    where: what an error begins with. Raises InputError if no source can be had, or if the digest is another one.
    """
    found, failures = catalog.MODELS[name], []
    for source in sources or found.sources:
        try:
            built = _built(found, source)
            break
        except InputError as error:
            failures.append(f"{source}: {error}")
    else:
        raise InputError(f"{where}: no source has it; " + "; ".join(failures))
    if digest(built.network) != found.digest:
        raise InputError(
            f"{where}: weights from {source!r} have digest {digest(built.network)}, expected {found.digest}"
        )
    package = found.package
    return Loaded(
        built.network,
        title=found.title,
        source=source,
        origin=f"{package.package} {package.version}, {package.member}"
        if source == "package"
        else f"keras.applications.{found.application}",
        license=found.license,
        trained_on=found.trained_on,
        input_shape=(found.input_size, found.input_size, int(built.network.input_shape[-1])),
        preprocessing=asdict(catalog.PREPROCESSING[found.preprocessing]),
        class_names=list(found.class_names),
        titles=built.titles,
    )
