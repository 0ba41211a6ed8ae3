"""Filters of one network as a ready layer, or as initial weights, of another: docs/borrow.md."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError, choices, said
from cnnviz.files import ARTIFACTS, npz, write_bytes
from cnnviz.networks import filter_kernels, foldable, graph, input_of, opened, selection

Floats = NDArray[np.float32]
INPUT_SIZE = 224  # of a network that takes any


@dataclass(frozen=True, repr=False)
class Borrowed:
    """Some filters of a conv layer, the batch normalization that follows it folded in.

    kernel: float32 `(kh, kw, in, n)`, 0 where a filter doesn't read a channel; bias: float32 `(n,)`; filters: their
    numbers; options: strides, padding, dilation_rate, activation; preprocessing: what the source network does to
    images in 0..255, as in model.json, None for a layer that doesn't see them or where it is not known.
    """

    source: str
    filters: tuple[int, ...]
    kernel: Floats
    bias: Floats
    options: dict[str, Any]
    preprocessing: dict[str, Any] | None = None

    def __repr__(self) -> str:
        height, width, channels, count = self.kernel.shape
        return f"<{count} filter{'s' if count != 1 else ''} of {self.source}, {height} x {width} x {channels}>"

    def layer(self, name: str | None = None) -> keras.layers.Conv2D:
        """A frozen layer of these filters, built, for inputs as the source's layer gets them."""
        if name is not None:
            _name("name", name)
        made = keras.layers.Conv2D(
            len(self.filters), self.kernel.shape[:2], **self.options, trainable=False, name=name or "borrowed"
        )
        made.build((None, None, None, self.kernel.shape[2]))
        made.set_weights([self.kernel, self.bias])
        return made

    def model(self) -> keras.Sequential:
        """The frozen layer as a network for maps of any size, for RGB images in 0..255 where preprocessing is known."""
        channels = self.kernel.shape[2]
        before = [_preprocessing_layer(self.preprocessing)] if self.preprocessing else []
        made = keras.Sequential([keras.Input((None, None, channels)), *before, self.layer()])
        made.trainable = False
        return made

    def save(self, path: str | Path) -> list[Path]:
        """Write `<path>.keras` (`model`) and, beside it, `.npz`: kernel, bias, filters, source. Returns both paths."""
        if not isinstance(path, str | Path):
            raise InputError(f"path: {said(path)} given; expected a file name that ends in .keras")
        path = Path(path)
        if path.suffix != ".keras":
            raise InputError(f"{path}: expected a file name that ends in .keras")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.model().save(path)
        arrays = {"kernel": self.kernel, "bias": self.bias, "filters": np.array(self.filters, np.int32)}
        write_bytes(path.with_suffix(".npz"), npz.pack(arrays | {"source": np.array(self.source)}, compress=True))
        return [path, path.with_suffix(".npz")]

    def grey(self) -> "Borrowed":
        """The same filters for one channel: what they do to an image whose channels are all equal."""
        return replace(self, kernel=self.kernel.sum(2, keepdims=True), preprocessing=None)

    def into(self, model: keras.Model, layer: str) -> list[int]:
        """Write the filters into the first filters of a Conv2D layer as initial weights, trainable as it is.

        Returns the numbers of the filters set; the layer's other filters keep their weights. Raises InputError where
        shapes don't match.
        """
        if not isinstance(model, keras.Model):
            raise InputError(f"model: {said(model)} given; expected a Keras model")
        input_of(model, model.name)
        _name("layer", layer)
        traced = graph.trace(model, [side or INPUT_SIZE for side in model.input_shape[1:3]] + [model.input_shape[-1]])
        if layer not in traced.convs:
            raise InputError(f"no conv layer {layer!r}; {choices(layer, traced.convs)}")
        target = traced.convs[layer].layer
        if type(target) is not keras.layers.Conv2D:
            raise InputError(f"{layer}: filters can be written into a Conv2D, this is a {type(target).__name__}")
        self._fits(layer, [int(n) for n in target.kernel.shape])
        kernel = target.kernel.numpy()
        kernel[..., : len(self.filters)] = self.kernel
        weights = [kernel]
        if target.use_bias:
            weights.append(np.concatenate([self.bias, target.bias.numpy()[len(self.filters) :]]))
        elif self.bias.any():
            raise InputError(f"{layer}: has no bias, the filters of {self.source} have one; give it use_bias=True")
        target.set_weights(weights)
        return list(range(len(self.filters)))

    def _fits(self, layer: str, shape: list[int]) -> None:
        (kh, kw, channels, count), (height, width, reads, room) = self.kernel.shape, shape
        if channels != reads:
            hint = f"put it behind a layer of {channels} channels"
            if channels == 3 and reads == 1:
                hint = "take .grey() of them, or repeat the grey channel 3 times"
            raise InputError(
                f"{layer}: reads {reads} channels, the filters of {self.source} read {channels} in an order that "
                f"means something there; {hint}"
            )
        if (kh, kw) != (height, width):
            raise InputError(f"{layer}: its filters are {height} x {width}, those of {self.source} {kh} x {kw}")
        if count > room:
            raise InputError(f"{layer}: has {room} filters, {count} were borrowed; borrow at most {room}")


def borrow(
    model: keras.Model | str | Path,
    layer: str,
    filters: Sequence[int] | None = None,
    *,
    activation: str | None = None,
    artifacts: str | Path = ARTIFACTS,
) -> Borrowed:
    """Take filters (all by default) out of a conv layer, with the normalization and the activation of its unit.

    model: a Keras model that is a graph of layers, a `.keras` or `.h5` file, or the key of a model in
    `<artifacts>/models/`. activation: instead of the unit's own. Raises InputError for what does not exist.
    """
    _name("layer", layer)
    network, name, described = opened(model, Path(artifacts))
    height, width, channels = input_of(network, name)
    shape = (height or INPUT_SIZE, width or INPUT_SIZE, channels)
    traced = graph.trace(network, described.get("input_shape", shape), until=layer)
    if layer not in traced.convs:
        raise InputError(f"{name}: no conv layer {layer!r}; {choices(layer, traced.convs)}")
    conv = traced.convs[layer]
    if not foldable(conv):
        raise InputError(f"{name}: {layer} is a {type(conv.layer).__name__}; only Keras's own convolutions can be lent")
    every = range(conv.filters)
    numbers = list(every) if filters is None else selection.numbers(filters, conv.filters, f"{layer} of {name}")
    kernels, bias = filter_kernels(conv, numbers)
    options = {
        "strides": tuple(conv.layer.strides),
        "padding": conv.layer.padding,
        "dilation_rate": tuple(conv.layer.dilation_rate),
        "activation": activation or _activation(conv, name),
    }
    sees_image = conv.input is traced.input
    spec = described.get("preprocessing") if sees_image else None
    kernel = np.ascontiguousarray(np.moveaxis(kernels, 0, -1))
    return Borrowed(f"{name} {layer}", tuple(numbers), kernel, bias, options, spec)


def _name(key: str, given: Any) -> None:
    if not isinstance(given, str) or not given:
        raise InputError(f"{key}: {said(given)} given; expected a layer's name")


def _activation(conv: graph.Conv, name: str) -> Any:
    """Of the conv layer or of the layer that follows: what a Conv2D can have as its own."""
    after = conv.nonlinearity.layer if conv.nonlinearity else None
    if after is None:
        return keras.activations.serialize(conv.layer.activation)
    if isinstance(after, keras.layers.Activation):
        return keras.activations.serialize(after.activation)
    if isinstance(after, keras.layers.ReLU) and not after.negative_slope and not after.threshold:
        known = {None: "relu", 6.0: "relu6"}
        if after.max_value in known:
            return known[after.max_value]
    raise InputError(f"{name}: {conv.name} is followed by a {type(after).__name__}; choose an activation= yourself")


def _preprocessing_layer(spec: dict[str, Any]) -> keras.layers.Conv2D:
    """`x * scale + offset`, channels reversed before where said, as a 1 x 1 convolution: a file of it runs no code."""
    made = keras.layers.Conv2D(3, 1, trainable=False, name="preprocessing")
    made.build((None, None, None, 3))
    kernel = np.diag(np.asarray(spec["scale"], "float32"))
    kernel = kernel[::-1] if spec["reverse_channels"] else kernel
    made.set_weights([np.ascontiguousarray(kernel)[None, None], np.asarray(spec["offset"], "float32")])
    return made
