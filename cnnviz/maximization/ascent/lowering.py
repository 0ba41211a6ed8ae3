"""The network from images to the tensors that objectives look at, as a card computes it: convolutions in a precision
that is said in the graph, poolings that scatter nothing, all else as Keras has it, in float32.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from cnnviz.maximization.ascent.pooling import max_pool
from cnnviz.networks import graph, preprocess

CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.Conv2DTranspose,
)


class Lowered:
    """The layers of a traced network that `outputs`, Keras tensors of its graph, need.

    preprocessing: as Trunk takes it; precision: float32, tf32 (float32 to the graph), bfloat16 or float16.
    """

    def __init__(self, traced: graph.Graph, outputs: Sequence[Any], preprocessing: Any, precision: str) -> None:
        self.preprocessing = preprocessing
        dtype = tf.as_dtype("float32" if precision == "tf32" else precision)
        unknown = {id(call.layer) for call in traced.calls if None in getattr(call.input, "shape", ())[1:]}

        def lowered(layer: Any) -> Any:
            if getattr(layer, "data_format", None) != "channels_last":
                return layer
            if type(layer) in CONVOLUTIONS and dtype != tf.float32:
                return _Convolution(layer, dtype)
            return _Pooling(layer) if type(layer) is keras.layers.MaxPooling2D and id(layer) not in unknown else layer

        model = keras.Model(traced.input, list(outputs))
        self.model = keras.models.clone_model(model, clone_function=lowered)

    def __call__(self, images: tf.Tensor) -> list[tf.Tensor]:
        """Return the outputs for images float32 `(n, h, w, channels)` in [0, 1], each in the precision it has there."""
        found: list[tf.Tensor] = keras.tree.flatten(self.model(self._inputs(images * 255.0), training=False))
        return found

    def _inputs(self, images: tf.Tensor) -> Any:
        spec = self.preprocessing
        if isinstance(spec, dict) and spec["reverse_channels"]:  # no product with a permutation: TF32 would round it
            return preprocess(tf.reverse(images, [3]), spec | {"reverse_channels": False})
        return preprocess(images, spec)


class _Convolution(keras.layers.Layer):  # type: ignore[misc]
    """A convolution, its bias and, where it is a ReLU, its activation in `dtype`; other activations in float32."""

    def __init__(self, layer: keras.layers.Layer, dtype: tf.DType) -> None:
        super().__init__(name=layer.name, autocast=False)
        self.layer, self.low = layer, dtype
        self.convolve = _convolution(layer, lambda weights: _held(weights, dtype))
        self.offsets = _held(layer.bias, dtype) if layer.use_bias else None

    def call(self, maps: tf.Tensor) -> tf.Tensor:
        layer: Any = self.layer
        maps = self.convolve(tf.cast(maps, self.low))
        maps = maps if self.offsets is None else tf.nn.bias_add(maps, self.offsets)
        if layer.activation is keras.activations.relu:
            return tf.nn.relu(maps)
        return maps if layer.activation is keras.activations.linear else layer.activation(tf.cast(maps, tf.float32))


def _held(weights: Any, dtype: tf.DType) -> tf.Tensor:
    """Weights in a type that some may be too large for: infinite there, and an image that sees them is not sound."""
    return tf.cast(tf.constant(keras.ops.convert_to_numpy(weights), tf.float32), dtype)


def _convolution(layer: Any, held: Callable[[Any], tf.Tensor]) -> Callable[[tf.Tensor], Any]:
    """What a layer computes of maps, before its bias; held: its weights, as they are kept."""
    where = {"strides": layer.strides, "padding": layer.padding, "data_format": layer.data_format}
    where["dilation_rate"] = layer.dilation_rate
    if isinstance(layer, keras.layers.SeparableConv2D):
        depthwise, pointwise = held(layer.depthwise_kernel), held(layer.pointwise_kernel)
        return lambda maps: keras.ops.separable_conv(maps, depthwise, pointwise, **where)
    kernel = held(layer.kernel)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return lambda maps: keras.ops.depthwise_conv(maps, kernel, **where)
    if isinstance(layer, keras.layers.Conv2DTranspose):
        where["output_padding"] = layer.output_padding
        return lambda maps: keras.ops.conv_transpose(maps, kernel, **where)
    return lambda maps: layer.convolution_op(maps, kernel)


class _Pooling(keras.layers.Layer):  # type: ignore[misc]
    def __init__(self, layer: keras.layers.MaxPooling2D) -> None:
        super().__init__(name=layer.name, autocast=False)
        self.layer = layer

    def call(self, maps: tf.Tensor) -> tf.Tensor:
        layer: Any = self.layer
        return max_pool(maps, layer.pool_size, layer.strides, layer.padding)
