"""The network from images to the tensors that objectives look at: Keras's own values, their gradient at less cost.

What the gradient costs beside the convolutions is memory: passing over the largest maps once more. So the mask of a
ReLU in front of a max pooling is applied to the pooled map, the gradient of the first convolution down to the image is
split into a row and a column, and a reversed order of colours is put into the first kernel.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnviz.networks import graph, preprocess

FEW = 4  # channels of an image; oneDNN computes the gradient of 16 at once, whether they are there or not


class Trunk:
    """The layers of a traced network that `outputs`, Keras tensors of its graph, need.

    preprocessing: a mapping as in model.json, or a function from images in 0..255 to the network's input.
    """

    def __init__(self, traced: graph.Graph, outputs: Sequence[Any], preprocessing: Any) -> None:
        self.preprocessing = preprocessing
        uses = Counter(id(call.layer) for call in traced.calls)
        seen = {id(tensor) for tensor in outputs}
        instead: dict[int, keras.layers.Layer] = {}
        for call in traced.calls:
            if uses[id(call.layer)] > 1:
                continue
            taps = None
            alone = len(traced.users.get(id(traced.input), [])) == 1 and id(traced.input) not in seen
            if call.input is traced.input and alone and _splits(call.layer):
                taps = call.layer.kernel.numpy()
                if isinstance(preprocessing, dict) and preprocessing["reverse_channels"]:
                    taps, self.preprocessing = taps[:, :, ::-1], _reversed(preprocessing)
            pool = _pool_behind(call, traced)
            masked = pool is not None and uses[id(pool)] == 1 and id(call.output) not in seen
            if masked or taps is not None:
                instead[id(call.layer)] = _Unit(call.layer, taps, masked)
            if masked:
                instead[id(pool)] = _MaskedPool(pool)
        model = keras.Model(traced.input, list(outputs))
        self.model = keras.models.clone_model(model, clone_function=lambda layer: instead.get(id(layer), layer))

    def __call__(self, images: tf.Tensor) -> list[tf.Tensor]:
        """Return the outputs for images float32 `(n, h, w, channels)` in [0, 1]."""
        inputs = preprocess(images * 255.0, self.preprocessing)
        found: list[tf.Tensor] = keras.tree.flatten(self.model(inputs, training=False))
        return found


def _splits(layer: Any) -> bool:
    return (
        type(layer) is keras.layers.Conv2D
        and layer.strides == layer.dilation_rate == (1, 1)
        and (layer.padding, layer.data_format, layer.groups) == ("same", "channels_last", 1)
        and all(side % 2 for side in layer.kernel_size)
        and layer.kernel.shape[2] <= FEW
    )


def _reversed(spec: dict[str, Any]) -> dict[str, Any]:
    """The same preprocessing, with the channels left as they are."""
    numbers = {name: np.broadcast_to(np.asarray(spec[name], "float32"), 3)[::-1] for name in ("scale", "offset")}
    return spec | numbers | {"reverse_channels": False}


def _pool_behind(call: graph.Call, traced: graph.Graph) -> keras.layers.MaxPooling2D | None:
    """The max pooling that is all that sees the output of a layer that ends in a ReLU."""
    layer, users = call.layer, traced.users.get(id(call.output), [])
    relu = False
    if type(layer) in (keras.layers.Conv2D, keras.layers.Activation):
        relu = layer.activation is keras.activations.relu
    elif type(layer) is keras.layers.ReLU:
        relu = layer.max_value is None and not layer.negative_slope and not layer.threshold
    if not relu or len(users) != 1 or type(users[0].layer) is not keras.layers.MaxPooling2D:
        return None
    pool = users[0].layer
    return pool if pool.data_format == "channels_last" else None


class _Unit(keras.layers.Layer):  # type: ignore[misc]
    """A convolution and its activation, or a ReLU alone.

    taps: the kernel (h, w, in, out) of a convolution whose gradient is split; masked: the pooling behind masks it.
    """

    def __init__(self, layer: keras.layers.Layer, taps: np.ndarray | None, masked: bool) -> None:
        super().__init__(name=layer.name)
        self.layer, self.masked = layer, masked
        self.convolve = None if taps is None else _split(taps)

    def call(self, maps: tf.Tensor) -> tf.Tensor:
        layer: Any = self.layer
        if isinstance(layer, keras.layers.Conv2D):
            maps = self.convolve(maps) if self.convolve else layer.convolution_op(maps, layer.kernel)
            maps = tf.nn.bias_add(maps, layer.bias) if layer.use_bias else maps
        if self.masked:
            return tf.custom_gradient(lambda inputs: (tf.nn.relu(inputs), lambda upstream: upstream))(maps)
        return layer.activation(maps)


class _MaskedPool(keras.layers.Layer):  # type: ignore[misc]
    """Max pooling of maps behind a ReLU, with the ReLU's gradient: where the maximum is 0, all is silent."""

    def __init__(self, layer: keras.layers.MaxPooling2D) -> None:
        super().__init__(name=layer.name)
        self.layer = layer

    def call(self, maps: tf.Tensor) -> tf.Tensor:
        layer: Any = self.layer
        window = {"ksize": [1, *layer.pool_size, 1], "strides": [1, *layer.strides, 1]}
        options: dict[str, Any] = window | {"padding": layer.padding.upper()}

        def pool(maps: tf.Tensor) -> Any:
            pooled = tf.raw_ops.MaxPool(input=maps, **options)

            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                heard = tf.raw_ops.ReluGrad(gradients=upstream, features=pooled)
                return tf.raw_ops.MaxPoolGrad(orig_input=maps, orig_output=pooled, grad=heard, **options)

            return pooled, gradient

        return tf.custom_gradient(pool)(maps)


def _split(taps: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    """A convolution with a kernel (h, w, in, out) whose gradient takes two steps: along the rows, for each row of the
    kernel and each input channel by itself (nine for 3x3 and RGB: no more than the 16); then down the columns.

    Kernels are tensors from outside the graph: TensorFlow's graph rewriter moves a factor in front of a convolution
    into a constant kernel, and aborts where the batch is of any size.
    """
    height, width, few, filters = taps.shape
    turned = taps[::-1, ::-1].transpose(1, 3, 0, 2).reshape(1, width, filters, height * few)
    to_their_row = np.eye(height * few, dtype="float32").reshape(height, 1, few, height * few).transpose(0, 1, 3, 2)
    kernel, along, down = (tf.constant(array) for array in (taps, turned, to_their_row))

    def convolve(images: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.nn.conv2d(tf.nn.conv2d(upstream, along, 1, "SAME"), down, 1, "SAME")

        return tf.nn.conv2d(images, kernel, 1, "SAME"), gradient

    return tf.custom_gradient(convolve)
