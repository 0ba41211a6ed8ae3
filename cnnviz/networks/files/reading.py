"""A model (file or object) -> a network that has one input of images, computes in float32, has its channels last.

Nothing that the file carries is run.
"""

import json
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import h5py
import keras
from keras.src.applications.convnext import LayerScale

from cnnviz.errors import InputError, reason
from cnnviz.networks.files import building, channels, inputs, lambdas, own_code, precision, weights
from cnnviz.networks.files.kinds import CONFIGURATION, numbers, recognise
from cnnviz.networks.files.mending import RENAMED, Unreadable, layers_of, mend, mend_activations
from cnnviz.networks.files.names import Names, rename
from cnnviz.networks.files.rewiring import rewired
from cnnviz.networks.nesting import is_graph

LAYERS = 20_000  # of a network; the largest of keras.applications has 1,300
PACKED, SPARE = 4, 1 << 20  # numbers that one in a file may stand for, and such as need not be in it
OWN = {"LayerScale": LayerScale}  # classes of keras.applications that are no layers of Keras
SAVE = "save it with model.save('name.keras') and give that file"
LONGEST = 300  # characters of a reason that Keras gives


@dataclass
class Read:
    """A network from a file; titles: the user's names of layers whose names had to be changed; code: own layers."""

    network: keras.Model
    notes: list[str] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)
    code: str | None = None


def read(
    path: Path,
    where: str,
    code: Path | None = None,
    input_shape: Sequence[int] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Read:
    """Read a .keras, .h5 or .hdf5 file.

    where: what an error begins with. code: a Python file with the user's own layers, which is run. input_shape:
    (height, width), for a file that doesn't say it. given: values of further inputs. Raises InputError.
    """
    kind = recognise(path, where)
    text = own_code.read(code, where) if code else None
    own = own_code.run(text, str(code), where) if text is not None else {}
    try:
        with warnings.catch_warnings(), keras.saving.custom_object_scope({**OWN, **own}):
            warnings.simplefilter("ignore")  # what Keras says of older models; nothing to be done
            found = _read(path, kind, own, input_shape)
            _regular(found, given or {}, own)
    except InputError:
        raise
    except Exception as error:  # Keras raises almost anything for a file that it can't read
        known = isinstance(error, Unreadable)  # it quotes names of the file
        said = reason(error, 2 * LONGEST) if known else f"can't be loaded: {reason(error, LONGEST)}"
        raise InputError(f"{where}: {str(path)!r}: {said}") from error
    found.code = text
    found.notes += weights.damaged(found.network)
    return found


def brought(model: keras.Model) -> Read:
    """The model itself where it has the form, else one in the form that shares or copies its weights as they are now.

    Raises InputError where it can't be brought into it.
    """
    if _has_the_form(model):
        return Read(model)
    found, policy = Read(model), keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # of what is put in between
    try:
        own = own_code.of(model)
        with keras.saving.custom_object_scope({**OWN, **own}):
            _regular(found, {}, own)
    except Exception as error:  # what layers of one's own raise on tensors of another kind
        known = isinstance(error, Unreadable)
        said = (
            str(error)
            if known
            else f"can't be brought into the form that cnnviz shows ({reason(error, LONGEST)}); {SAVE}"
        )
        raise InputError(f"model: {model.name}: {said}") from error
    finally:
        keras.config.set_dtype_policy(policy)
    return found


def _has_the_form(model: keras.Model) -> bool:
    """One input of images with channels last, a graph of layers, float32. True too of one that is not built."""
    inputs = keras.tree.flatten(getattr(model, "inputs", None) or [])
    if not is_graph(model):
        return False
    if not inputs:
        return True
    plain = len(inputs) == 1 and len(inputs[0].shape) == 4
    quantized = any(getattr(layer, "quantization_mode", None) for layer in model._flatten_layers())
    return plain and not quantized and not precision.lower(model) and not channels.has_channels_first(model)


def _configuration(path: Path, kind: str) -> tuple[dict[str, Any], str]:
    """The network's configuration, and the version of Keras that wrote it ("" where the file doesn't say)."""
    if kind == "keras":
        with zipfile.ZipFile(path) as archive:
            with archive.open("config.json") as file:
                text: Any = file.read(CONFIGURATION)
            with archive.open("metadata.json") if "metadata.json" in archive.namelist() else BytesIO(b"{}") as file:
                version = json.loads(file.read(CONFIGURATION)).get("keras_version", "")
    else:
        with h5py.File(path) as file:
            text, version = file.attrs["model_config"], file.attrs.get("keras_version", "")
    if len(text) > CONFIGURATION:
        raise Unreadable(f"its configuration has over {CONFIGURATION >> 20} MB; no network needs so much")
    found = json.loads(text)
    if not isinstance(found, dict) or not {"class_name", "config"} <= set(found):
        raise Unreadable("its configuration is none of a Keras model")
    return found, version.decode() if isinstance(version, bytes) else str(version)


def _read(path: Path, kind: str, own: Mapping[str, Any], input_shape: Sequence[int] | None) -> Read:
    (config, version), names, notes = _configuration(path, kind), Names(), []
    if (count := sum(1 for _ in layers_of(config))) > LAYERS:
        raise Unreadable(f"it has {count} layers; expected {LAYERS} at most")
    if version.startswith("1.") or any("nb_filter" in layer["config"] for layer in layers_of(config)):
        raise Unreadable("written by Keras 1; Keras 2.0 to 2.2 still read such files: load it there and save it again")
    before = [(layer, layer["class_name"].rsplit(".", 1)[-1]) for layer in layers_of(config)]
    mend(config)
    if not version.startswith("3"):
        mend_activations(config)
        notes += [f"written by Keras {version}, read as that version meant it"] if version else []
    own = {**OWN, **own}
    own_code.check(config, own)
    notes += lambdas.replace(config, own)
    if lower := precision.to_float32(config):
        notes.append(precision.said(lower))
    rename(config, names)
    old = kind == "hdf5" or building.is_old(config)
    with _no_more_than(numbers(path, kind)):
        network = building.build(config, own) if old else keras.saving.deserialize_keras_object(config, safe_mode=True)
        if not isinstance(network, keras.Model):
            raise Unreadable(f"it holds no network but {type(network).__name__}")
        _built(network, input_shape)
    if kind == "keras":
        _fill(network, path, {layer["config"]["name"]: name for layer, name in before if name in RENAMED})
    else:
        notes += weights.load(path, network, names)
    return Read(network, notes, names.titles)


@contextmanager
def _no_more_than(stored: int) -> Iterator[None]:
    """Inside, layers are made with about as many weights as the file has numbers: a line can ask for any memory."""
    own, left = keras.layers.Layer.add_weight, PACKED * stored + SPARE

    def add_weight(layer: Any, shape: Any = None, *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= prod(side or 1 for side in shape or ())
        if left < 0:
            raise Unreadable(
                f"its layer {layer.name!r} asks for weights of shape {tuple(shape)}, the file has "
                f"{stored:,} numbers in all (damaged?)"
            )
        return own(layer, shape, *args, **kwargs)

    keras.layers.Layer.add_weight = add_weight
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = own


def _fill(network: keras.Model, path: Path, classes: Mapping[str, str]) -> None:
    """Load the weights of a .keras file, which are kept under the names of classes; classes: those of old, by layer."""
    renamed = [layer for layer in network._flatten_layers(include_self=False) if layer.name in classes]
    kinds = [type(layer) for layer in renamed]
    try:
        for layer, kind in zip(renamed, kinds, strict=True):
            layer.__class__ = type(classes[layer.name], (kind,), {})
        network.load_weights(path)
    except ValueError as error:
        said = reason(error, LONGEST)
        raise Unreadable(f"its weights are not those of its layers ({said}); copy it again, or {SAVE}") from error
    finally:
        for layer, kind in zip(renamed, kinds, strict=True):
            layer.__class__ = kind


def _built(network: keras.Model, input_shape: Sequence[int] | None) -> None:
    if network.built and getattr(network, "inputs", None):
        return
    if is_graph(network):
        if input_shape is None:
            raise Unreadable("it does not say what it looks at; say it: `input_shape: [height, width]`")
        network.build((None, *input_shape, 3) if len(input_shape) == 2 else (None, *input_shape))


def _regular(found: Read, given: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Bring the network into the one form that the rest of cnnviz knows."""
    if not is_graph(found.network):
        found.network = _traced(found.network)
        found.notes.append("a subclassed model: shown as the graph of layers that it calls")
    many = keras.tree.flatten(found.network.inputs)
    if len(many) > 1 or len(many[0].shape) != 4 or given:
        image, fed, notes = inputs.one_image(found.network, given)
        found.network = rewired(found.network, image, fed, lambda layer, *args, **kwargs: layer(*args, **kwargs))
        found.notes += notes
    if any(getattr(layer, "quantization_mode", None) for layer in found.network._flatten_layers()):
        plain = {id(layer): precision.dequantized(layer) or layer for layer in found.network._flatten_layers()}
        image = keras.Input(
            found.network.inputs[0].shape[1:], name=found.network.inputs[0]._keras_history.operation.name
        )
        found.network = rewired(
            found.network, image, [image], lambda layer, *args, **kwargs: plain.get(id(layer), layer)(*args, **kwargs)
        )
        found.notes.append("computed in float32: the model has layers quantized to int8")
    if lower := precision.lower(found.network):
        found.network = precision.in_float32(found.network, own)
        found.notes.append(precision.said(lower))
    if channels.has_channels_first(found.network):
        found.network = channels.channels_last(found.network)
        found.notes.append("turned from channels first to channels last; what it computes is the same")
    shape = found.network.inputs[0].shape
    if shape[3] is None:
        raise Unreadable(
            f"its input {tuple(shape)} has no number of channels; save it with keras.Input((height, width, 3))"
        )


def _traced(network: keras.Model) -> keras.Model:
    """A subclassed model as the graph of what its `call` calls. Raises Unreadable where that can't be had."""
    shape = (network.get_build_config() or {}).get("input_shape")
    remedy = "build it with the functional API, or make its `call` use layers and keras.ops only"
    if not isinstance(shape, list | tuple) or not all(side is None or isinstance(side, int) for side in shape):
        raise Unreadable(
            f"{type(network).__name__} is a subclassed model without one known input shape; call it on an image once "
            "before it is saved or shown; where that was done, its `call` does what no graph can (an `if` on values): "
            f"{remedy}"
        )
    image = keras.Input(tuple(shape[1:]), name="image")
    try:
        made = keras.Model(image, network.call(image), name=network.name)
        made.get_config()
    except Exception as error:  # whatever the user's code raises on tensors without values
        raise Unreadable(
            f"{type(network).__name__} is a subclassed model that can't be traced ({reason(error, 160)}); {remedy}"
        ) from error
    return made
