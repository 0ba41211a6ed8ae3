"""Operations of TensorFlow that the functional networks of TF 2.0 to 2.15 hold as layers, as operations of Keras 3."""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops

from cnnviz.errors import reason
from cnnviz.networks.files.mending import Unreadable
from cnnviz.networks.files.precision import LOWER

LUMINANCE = np.array([0.2989, 0.587, 0.114], "float32")
KINDS = ("mean", "sum", "max", "min", "prod", "std")
CLASSES = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")


@dataclass
class Shape:
    """What tf.shape gives: the sides that a tensor has when the network is built, -1 for the number of images."""

    sides: list[int]


def _number(value: Any) -> Any:
    return np.asarray(value, "float32") if isinstance(value, list) else value


def _two(operation: Any) -> Callable[..., Any]:
    def call(x: Any, y: Any, **_: Any) -> Any:
        if isinstance(x, keras.KerasTensor) or isinstance(y, keras.KerasTensor):
            return operation(_number(x), _number(y))
        made = np.asarray(operation(*(np.asarray(getattr(one, "sides", one)) for one in (x, y)))).tolist()
        return Shape(made) if isinstance(made, list) else made

    return call


def _one(operation: Any) -> Callable[..., Any]:
    return lambda x=None, features=None, **kw: operation(
        next(v for v in (x, features, kw.get("logits")) if v is not None)
    )


def _reduced(operation: Any) -> Callable[..., Any]:
    def call(input_tensor: Any, axis: Any = None, keepdims: Any = False, **_: Any) -> Any:
        return operation(input_tensor, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=bool(keepdims))

    return call


def _cast(x: Any, dtype: Any, **_: Any) -> Any:
    if not isinstance(x, keras.KerasTensor):
        return int(x) if isinstance(x, float) and "int" in str(dtype) else x
    name = str(getattr(dtype, "name", dtype))
    return ops.cast(x, "float32" if name in LOWER else name)


def _padded(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0, **_: Any) -> Any:
    filled = {"constant_values": constant_values} if mode.upper() == "CONSTANT" else {}
    return ops.pad(tensor, paddings, mode=mode.lower(), **filled)


def _item(tensor: Any, slice_spec: Any, **_: Any) -> Any:
    def of(spec: Any) -> Any:
        if isinstance(spec, dict) and spec.get("class_name") == "__ellipsis__":
            return ...
        return slice(spec["start"], spec["stop"], spec["step"]) if isinstance(spec, dict) else spec

    place = tuple(of(spec) for spec in slice_spec) if isinstance(slice_spec, list) else of(slice_spec)
    if isinstance(tensor, Shape):
        place = place[0] if isinstance(place, tuple) else place
        return Shape(tensor.sides[place]) if isinstance(place, slice) else tensor.sides[place]
    return tensor[place]


def _shape(input: Any, **_: Any) -> Shape:
    return Shape([-1 if side is None and not axis else int(side) for axis, side in enumerate(input.shape)])


def _sides(given: Any) -> tuple[int, ...]:
    return tuple(int(side) for side in (given.sides if isinstance(given, Shape) else given))


def _reshaped(tensor: Any, shape: Any, **_: Any) -> Any:
    sides = list(_sides(shape))
    if sides.count(-1) == 2 and sides[0] == -1:  # as many images as there are, and the rest of each
        sides[sides.index(-1, 1)] = prod(tensor.shape[1:]) // prod(n for n in sides if n != -1)
    return ops.reshape(tensor, tuple(sides))


def _split(value: Any, num_or_size_splits: Any, axis: int = 0, **_: Any) -> Any:
    parts = num_or_size_splits
    if isinstance(parts, list):
        if -1 in parts:
            parts = [side if side != -1 else value.shape[axis] - sum(parts) - 1 for side in parts]
        parts = np.cumsum(parts)[:-1].tolist()
    return ops.split(value, parts, axis=axis)


def _stacked(values: Any, axis: int = 0, **_: Any) -> Any:
    if any(isinstance(value, keras.KerasTensor) for value in values):
        return ops.stack(values, axis=axis)
    return Shape(list(_sides(values)))


def _product(a: Any, b: Any, transpose_a: Any = False, transpose_b: Any = False, **_: Any) -> Any:
    a, b = (
        ops.swapaxes(one, -1, -2) if turned else one
        for one, turned in ((_number(a), transpose_a), (_number(b), transpose_b))
    )
    return ops.matmul(a, b)


def _unit_length(x: Any, axis: Any = None, epsilon: float = 1e-12, **_: Any) -> Any:
    axis = tuple(axis) if isinstance(axis, list) else axis
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), epsilon))


def _standardized(image: Any, **_: Any) -> Any:
    """Each image by its own mean and deviation."""
    axes, count = (-3, -2, -1), prod(image.shape[-3:])
    deviation = ops.maximum(ops.std(image, axis=axes, keepdims=True), count**-0.5)
    return (image - ops.mean(image, axis=axes, keepdims=True)) / deviation


def _resized(images: Any, size: Any, method: str = "bilinear", preserve_aspect_ratio: Any = False, **kw: Any) -> Any:
    if preserve_aspect_ratio or kw.get("antialias"):
        raise ValueError("keeps the aspect ratio, or smooths")
    return ops.image.resize(images, _sides(size), interpolation=method.lower())


def _depth_to_space(input: Any, block_size: int, **_: Any) -> Any:
    _, height, width, channels = input.shape
    n = int(block_size)
    x = ops.reshape(input, (-1, height, width, n, n, channels // n**2))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, height * n, width * n, channels // n**2))


def _space_to_depth(input: Any, block_size: int, **_: Any) -> Any:
    _, height, width, channels = input.shape
    n = int(block_size)
    x = ops.reshape(input, (-1, height // n, n, width // n, n, channels))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, height // n, width // n, channels * n**2))


def _pooled(average: bool) -> Callable[..., Any]:
    def call(
        input: Any = None, value: Any = None, ksize: Any = 2, strides: Any = None, padding: str = "VALID", **_: Any
    ) -> Any:
        def pair(given: Any) -> Any:
            return tuple(given)[1:3] if isinstance(given, list) and len(given) == 4 else given

        pool = ops.average_pool if average else ops.max_pool
        return pool(input if input is not None else value, pair(ksize), pair(strides), padding.lower())

    return call


def _spelled(names: str, made: Callable[[Any], Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """Operations that Keras calls alike, in all ways in which TensorFlow spells them."""
    return {
        form: made(getattr(ops, name))
        for name in names.split()
        for form in (name, f"math.{name}", f"nn.{name}", f"__operators__.{name}", name.capitalize())
    }


OPERATIONS: dict[str, Callable[..., Any]] = {
    **_spelled("add subtract multiply divide maximum minimum greater less", _two),
    **dict.fromkeys(("AddV2", "BiasAdd"), _two(ops.add)),
    **dict.fromkeys(("truediv", "math.truediv", "RealDiv"), _two(ops.divide)),
    **dict.fromkeys(("floor_div", "math.floordiv", "FloorDiv"), _two(ops.floor_divide)),
    **dict.fromkeys(("pow", "math.pow", "Pow"), _two(ops.power)),
    **{"Sub": _two(ops.subtract), "Mul": _two(ops.multiply), "math.divide_no_nan": _two(ops.divide_no_nan)},
    **{"__operators__.gt": _two(ops.greater), "__operators__.lt": _two(ops.less)},
    **_spelled("relu relu6 elu selu silu softplus softsign sigmoid tanh", _one),
    **_spelled("abs exp log sqrt rsqrt square negative sin cos", _one),
    **{"keras.activations.relu": _one(ops.relu), "nn.swish": _one(ops.silu), "Neg": _one(ops.negative)},
    **dict.fromkeys(
        ("nn.softmax", "Softmax"), lambda logits, axis=-1, **_: ops.softmax(logits, -1 if axis is None else axis)
    ),
    "nn.leaky_relu": lambda features, alpha=0.2, **_: ops.leaky_relu(features, negative_slope=alpha),
    "nn.gelu": lambda features, approximate=False, **_: ops.gelu(features, approximate=bool(approximate)),
    **dict.fromkeys(("identity", "stop_gradient", "Identity"), _one(lambda x: x)),
    **{f"{of}reduce_{kind}": _reduced(getattr(ops, kind)) for kind in KINDS for of in ("", "math.")},
    "math.reduce_variance": _reduced(ops.var),
    "cast": _cast,
    "clip_by_value": lambda t, clip_value_min, clip_value_max, **_: ops.clip(t, clip_value_min, clip_value_max),
    "concat": lambda values, axis, **_: ops.concatenate(values, axis=axis),
    "stack": _stacked,
    **dict.fromkeys(("reshape", "Reshape"), _reshaped),
    "nn.bias_add": lambda value, bias, data_format=None, **_: ops.add(
        value, np.reshape(bias, (-1, 1, 1) if str(data_format).startswith("NC") else -1).astype("float32")
    ),
    **dict.fromkeys(("shape", "Shape"), _shape),
    "split": _split,
    "unstack": lambda value, axis=0, **_: ops.unstack(value, axis=axis),
    **dict.fromkeys(("linalg.matmul", "matmul"), _product),
    **dict.fromkeys(("math.l2_normalize", "nn.l2_normalize", "linalg.l2_normalize"), _unit_length),
    "image.per_image_standardization": _standardized,
    "image.rgb_to_grayscale": lambda images, **_: ops.sum(images * LUMINANCE, axis=-1, keepdims=True),
    "image.grayscale_to_rgb": lambda images, **_: ops.repeat(images, 3, axis=-1),
    "image.flip_left_right": lambda image, **_: ops.flip(image, -2),
    "tile": lambda input, multiples, **_: ops.tile(input, tuple(multiples)),
    "repeat": lambda input, repeats, axis=None, **_: ops.repeat(input, repeats, axis=axis),
    "math.add_n": lambda inputs, **_: sum(inputs[1:], inputs[0]),
    "where": lambda condition, x, y, **_: ops.where(condition, x, y),
    "transpose": lambda a, perm=None, **_: ops.transpose(a, perm),
    "expand_dims": lambda input, axis, **_: ops.expand_dims(input, axis),
    "squeeze": lambda input, axis=None, **_: ops.squeeze(input, tuple(axis) if isinstance(axis, list) else axis),
    "pad": _padded,
    "reverse": lambda tensor, axis, **_: ops.flip(tensor, axis),
    "__operators__.getitem": _item,
    "image.resize": _resized,
    "compat.v1.image.resize_nearest_neighbor": lambda images, size, **_: _resized(images, size, "nearest"),
    **dict.fromkeys(("nn.depth_to_space", "nn.pixel_shuffle"), _depth_to_space),
    "nn.space_to_depth": _space_to_depth,
    **{f"nn.{of}_pool{rank}": _pooled(average=of == "avg") for of in ("max", "avg") for rank in ("", "2d")},
}


def operation(layer: dict[str, Any]) -> Callable[..., Any]:
    """What a layer that stands for an operation of TensorFlow computes: called as the file calls it, on Keras tensors.

    Raises Unreadable for an operation that has no counterpart here.
    """
    inner = layer["config"]
    if layer["class_name"] == "TensorFlowOpLayer":
        return _of_graph(inner)
    return _found(inner.get("function"), inner["name"])


def _found(name: Any, layer: str) -> Callable[..., Any]:
    plain = re.sub(r"^(tf\.|compat\.v1\.(?!image))", "", str(name))
    if plain not in OPERATIONS:
        raise Unreadable(
            f"its layer {layer!r} is the operation {plain!r} of TensorFlow, which is not known here; replace it by a "
            "layer of Keras (keras.layers) and save the network again"
        )
    known = OPERATIONS[plain]

    def call(*args: Any, **kwargs: Any) -> Any:
        kwargs.pop("name", None)
        try:
            return known(*args, **kwargs)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise Unreadable(
                f"its layer {layer!r} ({plain} of TensorFlow) can't be turned into an operation of Keras: "
                f"{reason(error, 160)}; replace it by a layer of Keras and save the network again"
            ) from error

    return call


def _of_graph(inner: dict[str, Any]) -> Callable[..., Any]:
    """TF 2.0 to 2.3: one node of a graph, as text, and its inputs that are constants, by place."""
    node = inner.get("node_def", "")
    if isinstance(node, dict):
        name = node.get("op", "")
    elif text := re.search(r'"?op"?: "(\w+)"', str(node)):
        name = text[1]
    else:  # the message itself, base64: its second field is the operation
        found = re.search(rb"\x12[\x01-\x40]([A-Za-z0-9]+)", base64.b64decode(str(node) + "==") if node else b"")
        name = found[1].decode() if found else ""
    constants = {int(place): value for place, value in (inner.get("constants") or {}).items()}
    known = _found(name, inner["name"])

    def call(*tensors: Any, **_: Any) -> Any:
        given = list(tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors)
        for place in sorted(constants):
            given.insert(place, constants[place])
        return known(*given)

    return call
