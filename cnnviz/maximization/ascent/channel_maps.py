"""One channel of a convolution for each image, each image its own, or a weighted sum of channels.

The other channels of the layer are never computed: per image, the layer's input times one filter's taps is a matrix
product, the taps' maps are then shifted and added.
Numbers agree with the full layer to float32 rounding.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnviz.maximization.ascent.pooling import Side
from cnnviz.networks import Conv


def transposed(call: Any) -> bool:
    """Whether a call is one of Keras's own transposed convolutions that `channel_maps` knows how to compute."""
    layer = call.layer
    kind = isinstance(call, Conv) and type(layer) is keras.layers.Conv2DTranspose
    return kind and layer.data_format == "channels_last" and layer.dilation_rate in (1, (1, 1))


def channel_maps(
    conv: Conv, inputs: tf.Tensor, kernels: tf.Tensor, offsets: tf.Tensor, shifted: bool = False
) -> tf.Tensor:
    """Return each image's own channel before its nonlinearity, float32 `(n, h, w)`.

    inputs: the conv layer's input `(n, h, w, in)`; kernels `(n, kh, kw, in)` and offsets `(n,)` of filter_kernels.
    shifted: add the taps' maps without a convolution, as XLA puts it into one pass over them.
    """
    layer: Any = conv.layer
    height, width, channels = inputs.shape[1:]
    kh, kw = layer.kernel_size
    taps = tf.transpose(tf.reshape(kernels, [-1, kh * kw, channels]), [0, 2, 1])
    products = tf.reshape(inputs, [-1, height * width, channels]) @ tf.cast(taps, inputs.dtype)
    products = tf.cast(tf.reshape(products, [-1, height, width, kh * kw]), tf.float32)
    if isinstance(layer, keras.layers.Conv2DTranspose):
        each_at_its_place = np.eye(kh * kw, dtype="float32").reshape(kh, kw, 1, kh * kw)
        shape = tf.stack([tf.shape(products)[0], *conv.output.shape[1:3], 1])
        maps = tf.nn.conv2d_transpose(products, each_at_its_place, shape, layer.strides, layer.padding.upper())
    elif shifted:
        return _shifted(layer, products) + offsets[:, None, None]
    else:
        each_at_its_place = np.eye(kh * kw, dtype="float32").reshape(kh, kw, kh * kw, 1)
        maps = tf.nn.convolution(
            products, each_at_its_place, layer.strides, layer.padding.upper(), dilations=layer.dilation_rate
        )
    return maps[..., 0] + offsets[:, None, None]


def _shifted(layer: Any, products: tf.Tensor) -> tf.Tensor:
    """Each tap's map `(n, h, w, kh * kw)` where the kernel has it, added up: `(n, h', w')`."""
    (kh, kw), (down, across) = layer.kernel_size, layer.dilation_rate
    wide = ((kh - 1) * down + 1, (kw - 1) * across + 1)
    rows, columns = (Side(*one, layer.padding) for one in zip(products.shape[1:3], wide, layer.strides, strict=True))
    padded = tf.pad(products, [[0, 0], rows.pad, columns.pad, [0, 0]])
    places = [(y * down, x * across) for y in range(kh) for x in range(kw)]
    return tf.add_n(
        [
            tap[:, rows.along(y), columns.along(x)]
            for tap, (y, x) in zip(tf.unstack(padded, axis=3), places, strict=True)
        ]
    )
