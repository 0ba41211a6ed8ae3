"""A Keras model as one flat graph, nested models opened: each conv layer with what goes in, what comes out and what
belongs to its unit.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from cnnviz.errors import InputError, choices

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
_POOLINGS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
_RELUS = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU, keras.layers.ELU)
_SMOOTH = {"relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "swish", "softplus", "hard_silu", "hard_swish"}


@dataclass
class Call:
    """One call of a layer: Keras tensors in the flat graph."""

    name: str
    layer: keras.layers.Layer
    input: Any
    output: Any
    receptive_field: float
    jump: float


@dataclass
class Conv(Call):
    """A convolution with the batch normalization and the nonlinearity that follow it directly.

    `norm` and `nonlinearity` are None where there is none, or where the layer's own activation comes first.
    """

    norm: Call | None = None
    nonlinearity: Call | None = None

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        """(kh, kw, in, out); depthwise (kh, kw, in, multiplier)."""
        if isinstance(self.layer, keras.layers.SeparableConv2D):
            return (*self.layer.kernel_size, int(self.input.shape[-1]), int(self.output.shape[-1]))
        return tuple(int(n) for n in self.layer.kernel.shape)

    @property
    def filters(self) -> int:
        return int(self.output.shape[-1])

    @property
    def unit(self) -> Call:
        """The call after which the unit's value is what the rest of the network sees."""
        return self.nonlinearity or self.norm or self


@dataclass
class Graph:
    """`input` and the calls are Keras tensors of one functional graph; layers as in model.json.

    outputs: the model's output tensors in order, none where its end was not reached; output_names: as Keras has them.
    """

    input: Any
    calls: list[Call] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    output_names: list[str] = field(default_factory=list)
    layers: list[dict[str, Any]] = field(default_factory=list)
    convs: dict[str, Conv] = field(default_factory=dict)
    users: dict[int, list[Call]] = field(default_factory=dict)


def _opened(layer: Any) -> bool:
    return isinstance(layer, keras.Sequential) or (
        isinstance(layer, keras.Model) and type(layer).__name__ in ("Functional", "Model")
    )


def trace(model: keras.Model, input_shape: Sequence[int | None], until: str | Sequence[str] | None = None) -> Graph:
    """Walk a functional or sequential model (nested too) on a fresh input of shape (h, w, channels).

    Weights are shared with the model. With `until`, only those layers and their units must accept the size: the
    classifier head behind them need not. Raises InputError if the model is no graph of layers or does not accept the
    size.
    """
    if not _opened(model):
        raise InputError(
            f"{type(model).__name__} is a subclassed model without a graph; build it with the functional API"
        )
    graph = Graph(keras.Input(tuple(input_shape)))
    reach: dict[int, tuple[float, float]] = {id(graph.input): (1.0, 1.0)}
    names: dict[str, int] = {}
    keep: list[Any] = []  # tensors are looked up by id: hold them, so that no id is used twice

    def call(layer: Any, prefix: str, *args: Any, **kwargs: Any) -> Any:
        if _opened(layer):
            return walk(layer, args[0], f"{layer.name}.")
        inputs = [t for t in keras.tree.flatten((args, kwargs)) if isinstance(t, keras.KerasTensor)]
        output = layer(*args, **kwargs)
        keep.append(output)
        name = layer.name if layer.name not in names else prefix + layer.name
        names[layer.name] = names.get(layer.name, 0) + 1
        if name in {c.name for c in graph.calls}:
            name = f"{name}-{names[layer.name]}"  # one layer called again: its weights are shared
        field_, jump = _grow(layer, [reach[id(t)] for t in inputs if id(t) in reach])
        for tensor in keras.tree.flatten(output):
            reach[id(tensor)] = (field_, jump)
        kind = Conv if isinstance(layer, CONVOLUTIONS) else Call
        made = kind(name, layer, args[0] if args else None, output, field_, jump)
        graph.calls.append(made)
        for tensor in inputs:
            graph.users.setdefault(id(tensor), []).append(made)
        return output

    def walk(nested: Any, tensor: Any, prefix: str) -> Any:
        if isinstance(nested, keras.Sequential):
            for layer in nested.layers:
                tensor = call(layer, prefix, tensor)
            return tensor
        # What clone_model does, but its result would hang on inputs of its own, cut off from the graph around it.
        return nested._run_through_graph(
            tensor,
            operation_fn=lambda layer: layer,  # Keras before 3.14 asks for it
            call_fn=lambda layer, *args, **kwargs: call(layer, prefix, *args, **kwargs),
        )

    try:
        graph.outputs = keras.tree.flatten(walk(model, graph.input, ""))
        graph.output_names = list(getattr(model, "output_names", []))
    except (ValueError, TypeError) as error:
        needed = [until] if isinstance(until, str) else until
        if needed and set(needed) <= {call.name for call in graph.calls}:
            _find_units(graph)
            return graph
        reason = " ".join(str(error).split())[:240]
        raise InputError(f"the network does not accept an input of shape {tuple(input_shape)}: {reason}") from error
    _find_units(graph)
    return graph


def unit(graph: Graph, layer: str) -> Conv:
    """A conv layer, or a layer of another kind (one's own too) whose output is (n, h, w, channels), as one.

    Raises InputError for a layer that is not there or has no channels, with the nearest names.
    """
    if layer in graph.convs:
        return graph.convs[layer]
    for call in graph.calls:
        if call.name == layer and len(getattr(call.output, "shape", ())) == 4:
            return Conv(**vars(call))
    raise InputError(f"no conv layer {layer!r}; {choices(layer, graph.convs)}")


def _find_units(graph: Graph) -> None:
    def only_user(call: Call) -> Call | None:
        found = graph.users.get(id(call.output), [])
        return found[0] if len(found) == 1 else None

    for call in graph.calls:
        shape = [list(t.shape[1:]) for t in keras.tree.flatten(call.output)]
        graph.layers.append(
            {
                "name": call.name,
                "type": type(call.layer).__name__,
                "output_shape": shape[0] if len(shape) == 1 else shape,
                "parameters": int(call.layer.count_params()) if call.layer.built else 0,
            }
        )
        if not isinstance(call, Conv):
            continue
        graph.convs[call.name] = call
        if keras.activations.serialize(call.layer.activation) != "linear":
            continue
        after = only_user(call)
        if after and isinstance(after.layer, keras.layers.BatchNormalization):
            call.norm, after = after, only_user(after)
        if after and is_nonlinearity(after.layer):
            call.nonlinearity = after


def is_nonlinearity(layer: Any) -> bool:
    """Whether a layer is an elementwise nonlinearity such as ReLU."""
    activation = layer.activation if isinstance(layer, keras.layers.Activation) else None
    return isinstance(layer, _RELUS) or getattr(activation, "__name__", "") in _SMOOTH


def _grow(layer: Any, inputs: list[tuple[float, float]]) -> tuple[float, float]:
    """Receptive field and jump (input pixels per output pixel) after a layer, from those of its inputs."""
    size, jump = max((i[0] for i in inputs), default=1.0), max((i[1] for i in inputs), default=1.0)
    if isinstance(layer, CONVOLUTIONS):
        extent, stride = (
            max(d * (k - 1) for k, d in zip(layer.kernel_size, layer.dilation_rate, strict=True)),
            layer.strides[0],
        )
    elif isinstance(layer, _POOLINGS):
        extent, stride = max(layer.pool_size) - 1, layer.strides[0]
    elif isinstance(layer, keras.layers.UpSampling2D):
        return size, jump / layer.size[0]
    elif "Global" in type(layer).__name__ or isinstance(layer, keras.layers.Flatten):
        return math.inf, math.inf
    else:
        return size, jump
    return size + extent * jump, jump * stride


def content(array: np.ndarray) -> str:
    """SHA-256 of an array's shape and float32 content."""
    return hashlib.sha256(repr(array.shape).encode() + np.ascontiguousarray(array, "<f4").tobytes()).hexdigest()


def describe(conv: Conv, keys: dict[str, str]) -> dict[str, Any]:
    """A conv layer as model.json lists it; `keys` maps content() of an array to its key in the weights file."""
    layer = conv.layer
    if isinstance(layer, keras.layers.SeparableConv2D):
        kernel: Any = [keys[content(k.numpy())] for k in (layer.depthwise_kernel, layer.pointwise_kernel)]
    else:
        kernel = keys[content(layer.kernel.numpy())]
    return {
        "name": conv.name,
        "type": type(layer).__name__,
        "kernel_shape": list(conv.kernel_shape),
        "filters": conv.filters,
        "strides": list(layer.strides),
        "padding": layer.padding,
        "dilation": list(layer.dilation_rate),
        "activation": keras.activations.serialize(layer.activation),
        "input_shape": list(conv.input.shape[1:]),
        "output_shape": list(conv.output.shape[1:]),
        "depthwise": isinstance(layer, keras.layers.DepthwiseConv2D),
        "receptive_field": conv.receptive_field if math.isfinite(conv.receptive_field) else None,
        "kernel_key": kernel,
        "bias_key": keys[content(layer.bias.numpy())] if layer.use_bias else None,
        "unit": [call.name for call in (conv.norm, conv.nonlinearity) if call],
    }
