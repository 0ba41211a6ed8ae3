"""One image as the only input: further inputs get values, vectors that are images in a row become images."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import keras
import numpy as np

from cnnviz.errors import choices
from cnnviz.networks.files.channels import has_channels_first
from cnnviz.networks.files.mending import Unreadable
from cnnviz.networks.nesting import is_graph


@keras.saving.register_keras_serializable("cnnviz")
class Given(keras.layers.Layer):  # type: ignore[misc]
    """A fixed value in the place of an input: `value`, of the shape of one example, repeated for each image."""

    sees_nothing = True  # of the image: see networks/reach

    def __init__(self, value: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value = np.asarray(value, "float32")

    def call(self, images: Any) -> Any:
        """images: (n, …), only counted -> (n, *shape of the value)."""
        value = keras.ops.convert_to_tensor(self.value)
        return keras.ops.broadcast_to(value[None], (keras.ops.shape(images)[0], *self.value.shape))

    def compute_output_spec(self, images: Any) -> keras.KerasTensor:
        return keras.KerasTensor((images.shape[0], *self.value.shape), "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "value": self.value.tolist()}


def inputs_of(network: keras.Model) -> dict[str, Any]:
    """The inputs by name, Keras tensors."""
    return {tensor._keras_history.operation.name: tensor for tensor in keras.tree.flatten(network.inputs)}


def one_image(network: keras.Model, given: Mapping[str, Any]) -> tuple[Any, list[Any], list[str]]:
    """A new input of images, what each input of the network gets of it, and notes. Raises Unreadable where none is one.

    given: values of further inputs, a number or an array of one example's shape, by the input's name.
    """
    inputs = inputs_of(network)
    if unknown := sorted(set(given) - set(inputs)):
        raise Unreadable(f"it has no input {unknown[0]!r} (key `inputs`); {choices(unknown[0], inputs)}")
    pictures = {name: tensor for name, tensor in inputs.items() if len(tensor.shape) == 4 and name not in given}
    if not pictures:
        return _of_a_row(network, inputs)
    name, picture = _likeliest(pictures, 1 if has_channels_first(network) else -1)
    image = keras.Input(picture.shape[1:], name=name)
    fed, notes, same = [], [], []
    for other, tensor in inputs.items():
        if other == name or (other in pictures and tuple(tensor.shape) == tuple(picture.shape)):
            fed.append(image)
            same.append(other)
            continue
        value = _value(other, tuple(tensor.shape[1:]), given.get(other, 0.0))
        fed.append(Given(value, name=other)(image))
        how = (
            "as params.yaml says"
            if other in given
            else f"which was assumed: say what it should be, `inputs: {{{other}: …}}`"
        )
        short = f"{float(value.flat[0]):g}" if value.size and np.ptp(value) == 0 else "given values"
        note = f"the input {other!r} of shape {tuple(tensor.shape[1:])} is {short} for every image, {how}"
        notes.append(f"{note}; if it is the image: `inputs: {{{name}: 1}}`" if other in pictures else note)
    if len(same) > 1:
        notes.insert(0, f"the inputs {', '.join(same)} all get the same image")
    return image, fed, notes


def _likeliest(pictures: Mapping[str, Any], axis: int) -> tuple[str, Any]:
    """The input that looks like the image: with three channels, else one (which beside three is a mask), else most."""

    def rank(item: tuple[str, Any]) -> tuple[int, int]:
        shape = item[1].shape
        return [3, 1].index(shape[axis]) if shape[axis] in (3, 1) else 2, -prod(side or 0 for side in shape[1:])

    return min(pictures.items(), key=rank)


def _value(name: str, shape: tuple[int | None, ...], given: Any) -> np.ndarray:
    if None in shape:
        raise Unreadable(f"its input {name!r} has the shape {shape}, of no fixed size; cnnviz can't give it a value")
    try:
        return np.array(np.broadcast_to(np.asarray(given, "float32"), [n or 1 for n in shape]))
    except (ValueError, TypeError):
        raise Unreadable(f"its input {name!r} has the shape {shape}; `inputs` gives {str(given)[:60]}") from None


def _of_a_row(network: keras.Model, inputs: Mapping[str, Any]) -> tuple[Any, list[Any], list[str]]:
    """Images that the network takes as a row of numbers, or without channels, and reshapes first."""
    name, row = next(iter(inputs.items()))
    shape = _reshaped(network, row) if len(inputs) == 1 and None not in row.shape[1:] else None
    if shape is None:
        raise Unreadable(_why_not(network, list(inputs.values())))
    image = keras.Input(shape, name=name)
    flat = keras.layers.Reshape(tuple(row.shape[1:]), name=f"{name}_as_before")(image)
    return image, [flat], [f"its input of shape {tuple(row.shape[1:])} is an image of {shape}, as it reshapes it"]


def _reshaped(network: keras.Model, tensor: Any) -> tuple[int, ...] | None:
    """The first shape (h, w, channels) that a network gives to its numbers, in front of all that was trained."""
    for node in _users(network, tensor):
        if is_graph(node.operation):
            inner = keras.tree.flatten(node.operation.inputs)
            found = _reshaped(node.operation, inner[0]) if len(inner) == 1 else None
            output = node.outputs[0]
        else:
            output = keras.tree.flatten(node.outputs)[0]
            shape, found = tuple(output.shape[1:]), None
            if None in shape or prod(shape) != prod(tensor.shape[1:]):
                continue
            if getattr(node.operation, "weights", None) and not isinstance(node.operation, keras.layers.Normalization):
                continue
            found = shape if len(shape) == 3 else None
        found = found or _reshaped(network, output)
        if found:
            return found
    return None


def _users(network: keras.Model, tensor: Any) -> list[Any]:
    graph = network._functional if isinstance(network, keras.Sequential) else network
    nodes = [node for depth in graph._nodes_by_depth.values() for node in depth]
    return [node for node in nodes if any(t is tensor for t in node.input_tensors)]


def _why_not(network: keras.Model, inputs: Sequence[Any]) -> str:
    """Why a network that takes no images is refused, and what it seems to be."""
    kinds = {type(layer).__name__ for layer in network._flatten_layers()}
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in inputs)
    ranks = {len(tensor.shape) for tensor in inputs}
    two = any("2D" in kind and "Conv" in kind for kind in kinds)
    if "Conv3D" in kinds or "ConvLSTM3D" in kinds or "Conv3DTranspose" in kinds:
        return f"it is a network of 3-D convolutions (input {shapes}); cnnviz shows networks that look at 2-D images"
    if ranks == {5}:
        return f"it takes sequences of images (input {shapes}); give the network that looks at one image"
    if two and ranks == {2}:
        return f"it makes images from a vector (input {shapes}), a generator; cnnviz shows networks that look at images"
    if "Conv1D" in kinds or "SeparableConv1D" in kinds:
        return f"it is a network of 1-D convolutions (input {shapes}); cnnviz shows networks that look at 2-D images"
    return f"it takes no images but {shapes}, text or a table; cnnviz shows networks that look at images"
