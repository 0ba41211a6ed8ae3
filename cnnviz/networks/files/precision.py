"""Data types: whatever a file says, the network computes in float32 here."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras

from cnnviz.networks.files.mending import Unreadable, layers_of
from cnnviz.networks.files.rewiring import rewired

LOWER = {"float16", "half", "bfloat16", "float64", "double", "mixed_float16", "mixed_bfloat16"}


def to_float32(config: Any) -> list[str]:
    """Set the data type of all layers, in place, and say which ones the file has (none where it is float32)."""
    found: dict[str, None] = {}
    for layer in layers_of(config):
        inner = layer["config"]
        if "dtype" not in inner:
            continue
        name = _name(inner["dtype"])
        if name is None:  # float32, written by this Keras or another one
            if isinstance(inner["dtype"], dict) and inner["dtype"].get("class_name") in ("Policy", "PolicyV1"):
                inner["dtype"] = "float32"
        elif name in LOWER or (layer["class_name"] == "InputLayer" and _of_images(inner)):
            inner["dtype"] = "float32"
            found |= {name: None} if name in LOWER else {}
        elif "_from_" in name and not name.startswith("int8_"):
            raise Unreadable(
                f"its layer {inner.get('name')!r} is quantized ({name}); save the network before quantizing"
            )
    return list(found)


def _of_images(inner: dict[str, Any]) -> bool:
    shape = inner.get("batch_shape") or inner.get("batch_input_shape") or ()
    return len(shape) == 4


def _name(dtype: Any) -> str | None:
    """The name of a data type or policy, None for float32."""
    if isinstance(dtype, dict):
        inner = dtype.get("config") or {}
        if "mode" in inner:
            return f"{inner['mode']}_from_{inner.get('source_name')}"
        dtype = inner.get("name") or "float32"
        if isinstance(dtype, dict):
            return _name(dtype)
    name = str(dtype)
    return None if name.startswith("float32") else name


def dequantized(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """A layer with the weights that an int8 layer stands for; None for a layer that is not quantized."""
    if getattr(layer, "quantization_mode", None) is None:
        return None
    if layer.quantization_mode != "int8" or type(layer) is not keras.layers.Dense:
        raise Unreadable(
            f"its layer {layer.name!r} ({type(layer).__name__}) is quantized ({layer.quantization_mode}); "
            "save the network before quantizing"
        )
    config = {**layer.get_config(), "dtype": "float32", "quantization_config": None}
    plain = keras.layers.Dense.from_config(config)
    kernel = keras.ops.convert_to_numpy(layer._kernel).astype("float32")
    kernel = kernel / keras.ops.convert_to_numpy(layer.kernel_scale)
    plain.build((None, kernel.shape[0]))
    plain.set_weights([kernel, *([layer.bias.numpy()] if layer.use_bias else [])])
    return plain


def lower(network: keras.Model) -> list[str]:
    """The data types other than float32 that layers of a network compute in or have weights of."""
    layers = [layer for layer in network._flatten_layers() if not isinstance(layer, keras.Model)]
    found = {layer.dtype_policy.name: None for layer in layers if {layer.compute_dtype, layer.variable_dtype} & LOWER}
    return list(found)


def in_float32(network: keras.Model, own: Mapping[str, Any]) -> keras.Model:
    """The same network computed in float32; it has one input. own: what its layers' configurations may name."""
    image = keras.Input(network.inputs[0].shape[1:], name=network.inputs[0]._keras_history.operation.name)
    twins: dict[int, Any] = {}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(layer, keras.layers.Layer):
            return layer(*args, **kwargs)
        if id(layer) in twins:
            return twins[id(layer)](*args, **kwargs)
        inside = layer._flatten_layers(include_self=False)
        if not any({one.compute_dtype, one.variable_dtype} & LOWER for one in layer._flatten_layers()):
            twin = layer
        elif (
            inside
            or (layer.weights and layer.variable_dtype != "float32")
            or isinstance(layer, keras.layers.Normalization)
        ):
            return _made_again(layer, own, twins)(*args, **kwargs)
        else:  # its weights are float32 as they are: shared
            twin = object.__new__(type(layer))
            policy = keras.DTypePolicy("float32")
            twin.__dict__.update(layer.__dict__, _dtype_policy=policy, _inbound_nodes=[], _outbound_nodes=[])
        twins[id(layer)] = twin
        return twin(*args, **kwargs)

    return rewired(network, image, [image], call)


def _made_again(layer: Any, own: Mapping[str, Any], twins: dict[int, Any]) -> Any:
    """What calls a layer made of another's configuration, and gives it the other's weights."""
    config = keras.saving.serialize_keras_object(layer)
    to_float32(config)
    twins[id(layer)] = twin = keras.saving.deserialize_keras_object(config, custom_objects=dict(own))

    def call(*args: Any, **kwargs: Any) -> Any:
        output = twin(*args, **kwargs)
        twin.set_weights(layer.get_weights())
        if hasattr(twin, "finalize_state") and twin.weights:
            twin.finalize_state()
        return output

    return call


def said(names: Iterable[str]) -> str:
    return f"computed in float32: the model says {', '.join(names)}"
