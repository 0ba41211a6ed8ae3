"""Data types: whatever a file says, the network computes in float32 here."""

from collections.abc import Iterable
from typing import Any

import keras

from cnnviz.networks.files.mending import Unreadable, layers_of

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


def said(names: Iterable[str]) -> str:
    return f"computed in float32: the file says {', '.join(names)}"
