"""What older versions of Keras wrote otherwise, mended in a configuration before Keras reads it.

Each repair takes the configuration of one layer, as the file has it, and changes it in place.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras

REPAIRS: list[Callable[[dict[str, Any]], None]] = []
# Keys of older versions that say nothing of what a trained layer computes
IDLE = {"implementation", "fused", "virtual_batch_size", "adjustment", "experimental_autocast", "renorm_clipping"}
IDLE |= {"renorm_momentum", "time_major", "ragged", "seed", "_jit_compile", "rng_type", "force_generator", "trainable"}
IDLE |= {"query_shape", "key_shape", "value_shape"}  # of MultiHeadAttention, which sees them when it is called
RENAMED = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "Convolution2D": "Conv2D",
    "Conv2DTransposed": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "Model": "Functional",
    "FixedDropout": "Dropout",  # of the first EfficientNets in Keras
}
NO_LAYERS = {"dtype", "activation", "recurrent_activation", "inbound_nodes"}
NO_LAYERS |= {"build_config", "compile_config", "metadata"}
# Layers that act in training only, which some of them take for granted where nobody says otherwise
RANDOM = (
    "Flip Rotation Zoom Contrast Brightness Translation Height Width Hue Saturation Grayscale Posterization Sharpness "
)
RANDOM += "Shear ColorJitter Erasing GaussianBlur Perspective ColorDegeneration Invert ElasticTransform"
NEVER_ON = {f"Random{what}" for what in RANDOM.split()}
NEVER_ON |= {"RandAugment", "AugMix", "MixUp", "CutMix", "AddLoss", "AddMetric", "ActivityRegularization"}


class Unreadable(ValueError):  # noqa: N818 (it says of a file what it is)
    """The configuration holds what can't be mended; the message says what and what to try."""


def mend(config: Any) -> None:
    """Apply all repairs to a network's configuration, in place."""
    for layer in layers_of(config):
        for repair in REPAIRS:
            repair(layer)


def mend_activations(config: Any) -> None:
    """`hard_sigmoid` of Keras 2 is another function than that of Keras 3, in place: clip(0.2 x + 0.5) to 0..1."""
    for layer in layers_of(config):
        for key in ("activation", "recurrent_activation"):
            if layer["config"].get(key) == "hard_sigmoid":
                layer["config"][key] = keras.activations.serialize(steep_sigmoid)


@keras.saving.register_keras_serializable("cnnviz")  # type: ignore[untyped-decorator]
def steep_sigmoid(x: Any) -> Any:
    """`hard_sigmoid` as Keras 2 had it."""
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def layers_of(config: Any) -> Iterator[dict[str, Any]]:
    """The configurations of all layers, a network before its layers, a wrapper before what it wraps."""
    if isinstance(config, list):
        for item in config:
            yield from layers_of(item)
    elif isinstance(config, dict):
        inner = config.get("config")
        layer_like = isinstance(inner, list) or (isinstance(inner, dict) and bool({"name", "layers"} & set(inner)))
        if isinstance(config.get("class_name"), str) and layer_like:
            yield config
        for key, value in config.items():
            if key not in NO_LAYERS and key.rsplit("_", 1)[-1] not in ("initializer", "regularizer", "constraint"):
                yield from layers_of(value)


def class_of(layer: dict[str, Any]) -> type | None:
    """The layer of Keras that a configuration means; None for a class of the user's own."""
    found = getattr(keras.layers, str(layer["class_name"]), None)
    return found if inspect.isclass(found) else None


def accepted(kind: type) -> set[str]:
    """What a class can be made with."""
    names: set[str] = set()
    for one in kind.__mro__:
        if "__init__" not in vars(one):
            continue
        parameters = inspect.signature(one.__init__).parameters.values()  # type: ignore[misc]
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if one is keras.layers.Layer or all(p.kind != p.VAR_KEYWORD for p in parameters):
            break
    return names - {"self"}


def _repair(function: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    REPAIRS.append(function)
    return function


def _becomes(layer: dict[str, Any], name: str) -> None:
    layer["class_name"] = name
    if "module" in layer and class_of(layer):
        layer.update(module="keras.layers", registered_name=None)


@_repair
def without_training(layer: dict[str, Any]) -> None:
    """Losses, metrics and optimizers of a file, often of one's own, say nothing of what the network computes."""
    layer.pop("compile_config", None)


@_repair
def renamed_class(layer: dict[str, Any]) -> None:
    """Classes that Keras calls by another name today, a package in front ("experimental.preprocessing.Rescaling")."""
    name = layer["class_name"].rsplit(".", 1)[-1]
    if name in RENAMED:
        _becomes(layer, RENAMED[name])
    elif class_of({"class_name": name}):
        layer["class_name"] = name


@_repair
def list_of_layers(layer: dict[str, Any]) -> None:
    """Sequential of Keras 2.0 and 2.1: the configuration is the list of layers itself."""
    if isinstance(layer["config"], list):
        layer["config"] = {"name": layer.get("name") or layer["class_name"].lower(), "layers": layer["config"]}


@_repair
def shape_of_first_layer(layer: dict[str, Any]) -> None:
    """Sequential of Keras 2.0 to TF 2.1: no InputLayer, the first layer has `batch_input_shape`.

    Keras 3 hands that on as `input_shape`, one axis too long: "Kernel shape must have the same length as input".
    """
    inner = layer["config"]
    if layer["class_name"] == "Sequential" and isinstance(inner.get("layers"), list) and inner["layers"]:
        first = inner["layers"][0].get("config", {})
        shape = first.pop("batch_input_shape", None) if isinstance(first, dict) else None
        if shape is not None and inner["layers"][0]["class_name"] not in ("InputLayer", "Sequential", "Functional"):
            made = {"name": f"{first.get('name', 'first')}_input", "batch_shape": shape}
            made["dtype"] = first.get("dtype", "float32")
            module = {"module": "keras.layers", "registered_name": None} if "module" in layer else {}
            inner["layers"].insert(0, {"class_name": "InputLayer", "config": made, **module})
        elif shape is not None:
            first["batch_input_shape"] = shape


@_repair
def shape_of_an_input(layer: dict[str, Any]) -> None:
    """`batch_input_shape` is `batch_shape` today, and belongs to InputLayer alone."""
    shape = layer["config"].pop("batch_input_shape", None)
    if layer["class_name"] == "InputLayer" and shape is not None:
        layer["config"].setdefault("batch_shape", shape)


@_repair
def places_in_lists(layer: dict[str, Any]) -> None:
    """BatchNormalization of TF 2 has its axis in a list; slopes of old LeakyReLU are arrays of one number."""
    single = {"BatchNormalization": ("axis",), "ReLU": ("max_value", "negative_slope", "threshold")}
    for key in (*single.get(layer["class_name"], ()), "alpha", "theta"):
        value = layer["config"].get(key)
        if isinstance(value, dict) and isinstance(value.get("config", value), dict):
            value = value.get("config", value).get("value", value)
        while isinstance(value, list) and len(value) == 1:
            value = value[0]
        if key in layer["config"] and not isinstance(value, dict):
            layer["config"][key] = value


@_repair
def slopes(layer: dict[str, Any]) -> None:
    """The slope of LeakyReLU was called `alpha`, the ReLU that is 0 up to `theta` ThresholdedReLU."""
    if layer["class_name"] == "LeakyReLU" and "alpha" in layer["config"]:
        layer["config"]["negative_slope"] = layer["config"].pop("alpha")
    if layer["class_name"] == "ThresholdedReLU":
        _becomes(layer, "ReLU")
        layer["config"]["threshold"] = layer["config"].pop("theta", 1.0)


@_repair
def gates(layer: dict[str, Any]) -> None:
    """GRU before `reset_after` was there reset before; today the default is after."""
    if layer["class_name"] == "GRU" and "reset_after" not in layer["config"]:
        layer["config"]["reset_after"] = False


@_repair
def data_format(layer: dict[str, Any]) -> None:
    """`data_format: null` meant the setting of the machine, mostly channels_last; Keras 1 had "tf" and "th"."""
    inner = layer["config"]
    old = inner.pop("dim_ordering", None)
    if old:
        inner["data_format"] = {"tf": "channels_last", "th": "channels_first"}.get(old, old)
    if "data_format" in inner and inner["data_format"] is None:
        del inner["data_format"]


@_repair
def activation(layer: dict[str, Any]) -> None:
    """A layer as activation, by its name ("LeakyReLU") or with its configuration, belongs to keras.layers.

    With a slope of its own it is not the function of a similar name, whose slope is another.
    """
    inner = layer["config"]
    for key in ("activation", "recurrent_activation"):
        value = inner.get(key)
        if isinstance(value, str):
            kind = getattr(keras.layers, value, None)
            if inspect.isclass(kind) and value[0].isupper() and value not in ("Activation",):
                inner[key] = {"class_name": value, "config": {"name": value.lower()}, "module": "keras.layers"}
        elif isinstance(value, dict) and isinstance(value.get("config"), dict):
            if value.get("class_name") == "Activation" and isinstance(value["config"].get("activation"), str):
                inner[key] = value["config"]["activation"]
            elif class_of({"class_name": value.get("class_name")}):
                value.update(module="keras.layers", registered_name=None)


@_repair
def makers_of_weights(layer: dict[str, Any]) -> None:
    """Initializers with keys of other versions (`dtype`), constraints and regularizers of one's own.

    They made the weights that the file now has: what Keras can't read of them is left out.
    """
    inner = layer["config"]
    for key, value in list(inner.items()):
        kinds = {"initializer": keras.initializers, "regularizer": keras.regularizers, "constraint": keras.constraints}
        kind = kinds.get(key.rsplit("_", 1)[-1])
        if kind is None or value is None:
            continue
        if not _readable(kind, value):
            if isinstance(value, dict) and isinstance(value.get("config"), dict):
                known = getattr(kind, str(value.get("class_name")), None)
                fitting = accepted(known) if inspect.isclass(known) else set()
                value["config"] = {name: given for name, given in value["config"].items() if name in fitting}
            if not _readable(kind, value):
                del inner[key]


def _readable(kind: Any, value: Any) -> bool:
    try:
        kind.get(value if isinstance(value, str) else {**value, "config": dict(value["config"])})
    except Exception:  # Keras raises almost anything for what it can't read
        return False
    return True


@_repair
def idle_in_use(layer: dict[str, Any]) -> None:
    """Augmentation acts in training only, other layers only add a loss: in their place nothing happens."""
    if layer["class_name"] in NEVER_ON:
        dtype = layer["config"].get("dtype", "float32")
        layer["config"] = {"name": layer["config"]["name"], "activation": "linear", "dtype": dtype}
        _becomes(layer, "Activation")


@_repair
def unused_keys(layer: dict[str, Any]) -> None:
    """Keys that a layer no longer has, of values that change nothing: `groups: 1` of DepthwiseConv2D, `renorm: false`.

    Raises Unreadable for one that says something.
    """
    kind, inner = class_of(layer), layer["config"]
    operation = not {"trainable", "dtype"} & set(inner)  # of the same name
    if kind is None or operation or layer["class_name"] in ("Functional", "Sequential", "Lambda"):
        return
    known = accepted(kind) | {"input_shape", "input_dim", "layer", "backward_layer", "negative_slope", "build_config"}
    for key in set(inner) - known:
        value = inner[key]
        maker = key.rsplit("_", 1)[-1] in ("initializer", "regularizer", "constraint")
        if key in IDLE or maker or value in (None, False, [], {}) or (key, value) in (("groups", 1), ("mode", 0)):
            del inner[key]
        elif key not in ("weights", "batch_size"):
            raise Unreadable(
                f"its layer {inner.get('name')!r} ({layer['class_name']}) has the setting {key}: {str(value)[:60]}, "
                f"which Keras {keras.__version__} does not know; save it again with the version that it is of"
            )
