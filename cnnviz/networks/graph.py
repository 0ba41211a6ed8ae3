"""A Keras model as one flat graph, nested models opened: each conv layer with what goes in, what comes out and what
belongs to its unit.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import keras

from cnnviz.errors import InputError, choices, reason
from cnnviz.networks import nesting
from cnnviz.networks.nesting import CONVOLUTIONS as CONVOLUTIONS
from cnnviz.networks.nesting import composite, inside, is_graph, opens

_RELUS = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU, keras.layers.ELU)
_NONLINEAR = {
    *("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "swish", "mish", "softplus", "softsign"),
    *("hard_silu", "hard_swish", "tanh", "hard_tanh", "tanh_shrink", "soft_shrink", "hard_shrink", "threshold"),
    *("sigmoid", "hard_sigmoid", "log_sigmoid", "squareplus", "sparse_plus", "exponential"),
}


@dataclass
class Call:
    """One call of a layer, or of an operation that is no layer (`x + y`, `ops.relu`): tensors of the flat graph."""

    name: str
    layer: Any
    input: Any
    output: Any


@dataclass
class Conv(Call):
    """A convolution with the batch normalization and the nonlinearity that follow it directly.

    `norm` and `nonlinearity` are None where there is none, or where the layer's own activation comes first.
    """

    norm: Call | None = None
    nonlinearity: Call | None = None

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        """(kh, kw, in, out), in: the input channels that a filter reads; depthwise (kh, kw, in, multiplier)."""
        if isinstance(self.layer, keras.layers.SeparableConv2D):
            return (*self.layer.kernel_size, int(self.input.shape[-1]), int(self.output.shape[-1]))
        height, width, *channels = (int(n) for n in self.layer.kernel.shape)
        return (height, width, *(reversed(channels) if self.transposed else channels))

    @property
    def transposed(self) -> bool:
        """Whether Keras keeps the kernel as (kh, kw, out, in)."""
        return isinstance(self.layer, keras.layers.Conv2DTranspose)

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
    notes: what of the network can't be shown, a sentence each.
    """

    input: Any
    calls: list[Call] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    output_names: list[str] = field(default_factory=list)
    layers: list[dict[str, Any]] = field(default_factory=list)
    convs: dict[str, Conv] = field(default_factory=dict)
    users: dict[int, list[Call]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def trace(model: keras.Model, input_shape: Sequence[int | None], until: str | Sequence[str] | None = None) -> Graph:
    """Walk a model (nested ones too) on a fresh input of shape (h, w, channels).

    Weights are shared with the model. With `until`, only those layers and their units must accept the size: the
    classifier head behind them need not. Raises InputError if the model is no graph of layers or does not accept the
    size.
    """
    graph = Graph(keras.Input(tuple(input_shape)))
    network = model if is_graph(model) else inside(model, graph.input)
    if network is None:
        raise InputError(
            f"{type(model).__name__} is a subclassed model whose call can't be traced; let it call Keras's layers and "
            "keras.ops only, or build it with the functional API"
        )
    names, times = nesting.names(network), Counter[str]()
    twins: dict[int, Any] = {}  # by the id of a layer: itself, or under the name that it has in the flat graph
    held: list[Any] = []  # so that no id is used twice

    def call(layer: Any, path: tuple[str, ...], *args: Any, **kwargs: Any) -> Any:
        inputs = [t for t in keras.tree.flatten((args, kwargs)) if isinstance(t, keras.KerasTensor)]
        if is_graph(layer):
            return walk(layer, keras.tree.flatten(args) or inputs, (*path, layer.name))
        hidden = composite(layer)
        if hidden and opens(layer) and not kwargs.keys() - {"training"} and (opened := inside(layer, args)):
            return walk(opened, inputs, (*path, layer.name))
        if id(layer) not in twins:
            own = names.get(id(layer)) or nesting.passing(layer, path, {*names.values(), *times})
            if isinstance(layer, keras.layers.Layer) and not layer.built:
                layer(*args, **kwargs)
            twins[id(layer)] = layer if own == layer.name else nesting.renamed(layer, own)
            held.append(layer)
        layer = twins[id(layer)]
        output = layer(*args, **kwargs)
        name = nesting.called(layer.name, times, names.values())
        if hidden:
            convs = [one.name for one in layer._flatten_layers() if isinstance(one, CONVOLUTIONS)]
            graph.notes.append(
                f"{name} ({type(layer).__name__}) has convolutions inside that can't be shown: {', '.join(convs)}"
            )
        first = args[0] if args and any(isinstance(t, keras.KerasTensor) for t in keras.tree.flatten(args[0])) else None
        made = (Conv if isinstance(layer, CONVOLUTIONS) else Call)(
            name, layer, inputs[0] if first is None else first, output
        )
        graph.calls.append(made)
        for tensor in inputs:
            graph.users.setdefault(id(tensor), []).append(made)
        return output

    def walk(nested: Any, tensors: list[Any], path: tuple[str, ...]) -> Any:
        if isinstance(nested, keras.Sequential):
            tensor = tensors[0]
            for layer in nested.layers:
                tensor = call(layer, path, tensor)
            return tensor
        # What clone_model does, but its result would hang on inputs of its own, cut off from the graph around it.
        return nested._run_through_graph(
            tensors,
            operation_fn=lambda layer: layer,  # Keras before 3.14 asks for it
            call_fn=lambda layer, *args, **kwargs: call(layer, path, *args, **kwargs),
        )

    try:
        graph.outputs = keras.tree.flatten(walk(network, [graph.input], ()))
        graph.output_names = list(getattr(model, "output_names", []))
    except Exception as error:  # Keras raises almost anything for a size that a layer does not take
        needed = [until] if isinstance(until, str) else until
        if not needed or not set(needed) <= {call.name for call in graph.calls}:
            said = f"the network does not accept an input of shape {tuple(input_shape)}: {reason(error, 240)}"
            raise InputError(said) from error
    _find_units(graph)
    return graph


def accepts(model: keras.Model, input_shape: Sequence[int], until: str | Sequence[str] | None = None) -> bool:
    """Whether a network, or what of it leads to the layers `until`, computes images of shape (h, w, channels)."""
    try:
        traced = trace(model, input_shape, until)
        needed = {until} if isinstance(until, str) else set(until or ())
        outputs = [call.output for call in traced.calls if call.name in needed] or [traced.calls[-1].output]
        # once for real: a layer may take a shape and then not compute it
        keras.Model(traced.input, outputs)(keras.ops.zeros((1, *input_shape)), training=False)
    except Exception:
        return False
    return True


def numbers(output: Any) -> int:
    """How many numbers a tensor, or each of several, has for one image, where a free side counts as 1."""
    return sum(prod(side or 1 for side in tensor.shape[1:]) for tensor in keras.tree.flatten(output))


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
        counted = isinstance(call.layer, keras.layers.Layer) and call.layer.built
        graph.layers.append(
            {
                "name": call.name,
                "type": type(call.layer).__name__,
                "output_shape": shape[0] if len(shape) == 1 else shape,
                "parameters": int(call.layer.count_params()) if counted else 0,
            }
        )
        if not isinstance(call, Conv):
            continue
        graph.convs[call.name] = call
        if activation_of(call.layer) != "linear":
            continue
        after = only_user(call)
        if after and _normalizes(after):
            call.norm, after = after, only_user(after)
        if after and is_nonlinearity(after.layer):
            call.nonlinearity = after


def _normalizes(call: Call) -> bool:
    """Whether a call is a batch normalization of the channels with numbers of its own, not with those of the batch."""
    layer = call.layer
    if not isinstance(layer, keras.layers.BatchNormalization) or layer.axis not in (-1, 3):
        return False
    operation, node, _ = call.output._keras_history
    return not operation._inbound_nodes[node].arguments.kwargs.get("training")


def is_nonlinearity(layer: Any) -> bool:
    """Whether a layer, or an operation that is none, is an elementwise nonlinearity such as ReLU."""
    if isinstance(layer, keras.layers.Layer):
        own = isinstance(layer, keras.layers.Activation) and activation_of(layer) in _NONLINEAR
        return own or isinstance(layer, _RELUS)
    return nesting.snake(type(layer).__name__) in _NONLINEAR


def activation_of(layer: Any) -> str:
    """What the nonlinearity is called that a layer has itself; "linear" where it has none."""
    own = getattr(layer, "activation", None)
    if own is None or own is keras.activations.linear:
        return "linear"
    if isinstance(own, keras.layers.Layer):
        return activation_of(own) if isinstance(own, keras.layers.Activation) else nesting.snake(type(own).__name__)
    return str(getattr(own, "__name__", None) or nesting.snake(type(own).__name__))


@contextmanager
def activated_by(layer: keras.layers.Layer, function: Any) -> Iterator[None]:
    """Let a layer have another activation for a while."""
    own = layer.activation
    object.__setattr__(layer, "activation", function)  # Keras would track what it is given, and refuse it afterwards
    try:
        yield
    finally:
        object.__setattr__(layer, "activation", own)
