"""Operations of TensorFlow that the functional networks of TF 2.0 to 2.15 hold as layers, as operations of Keras 3."""

import base64
import re
from collections.abc import Callable
from typing import Any

from keras import ops

from cnnviz.networks.files.mending import Unreadable
from cnnviz.networks.files.precision import LOWER

CLASSES = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")


def _two(operation: Any) -> Callable[..., Any]:
    return lambda x, y, **_: operation(x, y)


def _one(operation: Any) -> Callable[..., Any]:
    return lambda x=None, features=None, logits=None, **_: operation(
        next(value for value in (x, features, logits) if value is not None)
    )


def _reduced(operation: Any) -> Callable[..., Any]:
    def call(input_tensor: Any, axis: Any = None, keepdims: Any = False, **_: Any) -> Any:
        return operation(input_tensor, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=bool(keepdims))

    return call


def _softmax(logits: Any, axis: Any = -1, **_: Any) -> Any:
    return ops.softmax(logits, axis=-1 if axis is None else axis)


def _cast(x: Any, dtype: Any, **_: Any) -> Any:
    name = str(getattr(dtype, "name", dtype))
    return ops.cast(x, "float32" if name in LOWER else name)


def _padded(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0, **_: Any) -> Any:
    if mode.upper() == "CONSTANT":
        return ops.pad(tensor, paddings, mode="constant", constant_values=constant_values)
    return ops.pad(tensor, paddings, mode=mode.lower())


def _item(tensor: Any, slice_spec: Any, **_: Any) -> Any:
    def of(spec: Any) -> Any:
        return slice(spec["start"], spec["stop"], spec["step"]) if isinstance(spec, dict) else spec

    return tensor[tuple(of(spec) for spec in slice_spec) if isinstance(slice_spec, list) else of(slice_spec)]


def _resized(images: Any, size: Any, method: str = "bilinear", preserve_aspect_ratio: Any = False, **kw: Any) -> Any:
    if preserve_aspect_ratio or kw.get("antialias"):
        raise ValueError("keeps the aspect ratio, or smooths")
    return ops.image.resize(images, tuple(size), interpolation=method.lower())


def _nearest(images: Any, size: Any, **_: Any) -> Any:
    return ops.image.resize(images, tuple(size), interpolation="nearest")


def _depth_to_space(input: Any, block_size: int, **_: Any) -> Any:
    _, height, width, channels = input.shape
    n = int(block_size)
    x = ops.reshape(input, (-1, height, width, n, n, channels // n**2))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, height * n, width * n, channels // n**2))


def _pooled(average: bool) -> Callable[..., Any]:
    def call(
        input: Any = None, value: Any = None, ksize: Any = 2, strides: Any = None, padding: str = "VALID", **_: Any
    ) -> Any:
        def pair(given: Any) -> Any:
            return tuple(given)[1:3] if isinstance(given, list) and len(given) == 4 else given

        pool = ops.average_pool if average else ops.max_pool
        return pool(input if input is not None else value, pair(ksize), pair(strides), padding.lower())

    return call


OPERATIONS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("add", "math.add", "__operators__.add", "AddV2", "Add"), _two(ops.add)),
    **dict.fromkeys(("subtract", "math.subtract", "Sub"), _two(ops.subtract)),
    **dict.fromkeys(("multiply", "math.multiply", "Mul"), _two(ops.multiply)),
    **dict.fromkeys(("divide", "truediv", "math.divide", "math.truediv", "RealDiv"), _two(ops.divide)),
    **dict.fromkeys(("maximum", "math.maximum", "Maximum"), _two(ops.maximum)),
    **dict.fromkeys(("minimum", "math.minimum", "Minimum"), _two(ops.minimum)),
    **dict.fromkeys(("pow", "math.pow", "Pow"), _two(ops.power)),
    **dict.fromkeys(("nn.relu", "keras.activations.relu", "Relu"), _one(ops.relu)),
    **dict.fromkeys(("nn.relu6", "Relu6"), _one(ops.relu6)),
    **dict.fromkeys(("nn.elu", "Elu"), _one(ops.elu)),
    **dict.fromkeys(("nn.selu", "Selu"), _one(ops.selu)),
    **dict.fromkeys(("nn.silu", "nn.swish"), _one(ops.silu)),
    **dict.fromkeys(("nn.softplus", "math.softplus", "Softplus"), _one(ops.softplus)),
    **dict.fromkeys(("nn.sigmoid", "math.sigmoid", "sigmoid", "Sigmoid"), _one(ops.sigmoid)),
    **dict.fromkeys(("nn.tanh", "math.tanh", "tanh", "Tanh"), _one(ops.tanh)),
    **dict.fromkeys(("nn.softmax", "Softmax"), _softmax),
    "nn.leaky_relu": lambda features, alpha=0.2, **_: ops.leaky_relu(features, negative_slope=alpha),
    "nn.gelu": lambda features, approximate=False, **_: ops.gelu(features, approximate=bool(approximate)),
    **dict.fromkeys(("abs", "math.abs", "Abs"), _one(ops.abs)),
    **dict.fromkeys(("exp", "math.exp", "Exp"), _one(ops.exp)),
    **dict.fromkeys(("math.log", "Log"), _one(ops.log)),
    **dict.fromkeys(("sqrt", "math.sqrt", "Sqrt"), _one(ops.sqrt)),
    **dict.fromkeys(("square", "math.square", "Square"), _one(ops.square)),
    **dict.fromkeys(("math.negative", "negative", "Neg"), _one(ops.negative)),
    **dict.fromkeys(("identity", "stop_gradient", "Identity"), _one(lambda x: x)),
    **dict.fromkeys(("math.reduce_mean", "reduce_mean"), _reduced(ops.mean)),
    **dict.fromkeys(("math.reduce_sum", "reduce_sum"), _reduced(ops.sum)),
    **dict.fromkeys(("math.reduce_max", "reduce_max"), _reduced(ops.max)),
    **dict.fromkeys(("cast",), _cast),
    "clip_by_value": lambda t, clip_value_min, clip_value_max, **_: ops.clip(t, clip_value_min, clip_value_max),
    "concat": lambda values, axis, **_: ops.concatenate(values, axis=axis),
    "stack": lambda values, axis=0, **_: ops.stack(values, axis=axis),
    "reshape": lambda tensor, shape, **_: ops.reshape(tensor, tuple(shape)),
    "transpose": lambda a, perm=None, **_: ops.transpose(a, perm),
    "expand_dims": lambda input, axis, **_: ops.expand_dims(input, axis),
    "squeeze": lambda input, axis=None, **_: ops.squeeze(
        input, axis if axis is None else tuple([axis] if isinstance(axis, int) else axis)
    ),
    "pad": _padded,
    "reverse": lambda tensor, axis, **_: ops.flip(tensor, axis),
    "__operators__.getitem": _item,
    "image.resize": _resized,
    "compat.v1.image.resize_nearest_neighbor": _nearest,
    **dict.fromkeys(("nn.depth_to_space", "nn.pixel_shuffle"), _depth_to_space),
    **dict.fromkeys(("nn.max_pool2d", "nn.max_pool"), _pooled(average=False)),
    **dict.fromkeys(("nn.avg_pool2d", "nn.avg_pool"), _pooled(average=True)),
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
                f"{' '.join(str(error).split())[:160]}; replace it by a layer of Keras and save the network again"
            ) from error

    return call


def _of_graph(inner: dict[str, Any]) -> Callable[..., Any]:
    """TF 2.0 to 2.3: one node of a graph, as text, and its inputs that are constants, by place."""
    node = inner.get("node_def", "")
    if isinstance(node, dict):
        name = node.get("op", "")
    else:
        if not isinstance(node, str):
            node = str(node)
        text = re.search(r'op: "(\w+)"', node) or re.search(r'"op": "(\w+)"', node)
        if not text:  # the message itself, base64: its second field is the operation
            raw = base64.b64decode(node + "==", validate=False) if node else b""
            found = re.search(rb"\x12[\x01-\x40]([A-Za-z0-9]+)", raw)
            name = found[1].decode() if found else ""
        else:
            name = text[1]
    constants = {int(place): value for place, value in (inner.get("constants") or {}).items()}
    known = _found(name, inner["name"])

    def call(*tensors: Any, **_: Any) -> Any:
        given = list(tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors)
        for place in sorted(constants):
            given.insert(place, constants[place])
        return known(*given)

    return call
