"""One channel of a convolution for each image, each image its own, or a weighted sum of channels.

The other channels of the layer are never computed: per image, the layer's input times one filter's taps is a matrix
product, the taps' maps are then shifted and added.
Numbers agree with the full layer to float32 rounding.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnviz.networks import Conv


def transposed(call: Any) -> bool:
    """Whether a call is one of Keras's own transposed convolutions that `channel_maps` knows how to compute."""
    layer = call.layer
    kind = isinstance(call, Conv) and type(layer) is keras.layers.Conv2DTranspose
    return kind and layer.data_format == "channels_last" and layer.dilation_rate in (1, (1, 1))


def channel_maps(conv: Conv, inputs: tf.Tensor, kernels: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    """Return each image's own channel before its nonlinearity, `(n, h, w)`.

    inputs: the conv layer's input `(n, h, w, in)`; kernels `(n, kh, kw, in)` and offsets `(n,)` of filter_kernels.
    """
    layer: Any = conv.layer
    height, width, channels = inputs.shape[1:]
    kh, kw = layer.kernel_size
    taps = tf.transpose(tf.reshape(kernels, [-1, kh * kw, channels]), [0, 2, 1])
    products = tf.reshape(tf.reshape(inputs, [-1, height * width, channels]) @ taps, [-1, height, width, kh * kw])
    if isinstance(layer, keras.layers.Conv2DTranspose):
        each_at_its_place = np.eye(kh * kw, dtype="float32").reshape(kh, kw, 1, kh * kw)
        shape = tf.stack([tf.shape(products)[0], *conv.output.shape[1:3], 1])
        maps = tf.nn.conv2d_transpose(products, each_at_its_place, shape, layer.strides, layer.padding.upper())
    else:
        each_at_its_place = np.eye(kh * kw, dtype="float32").reshape(kh, kw, kh * kw, 1)
        maps = tf.nn.convolution(
            products, each_at_its_place, layer.strides, layer.padding.upper(), dilations=layer.dilation_rate
        )
    return maps[..., 0] + offsets[:, None, None]
