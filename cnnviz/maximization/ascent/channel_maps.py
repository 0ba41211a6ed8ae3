"""One channel of a convolution for each image, each image its own, or a weighted sum of channels.

The other channels of the layer are never computed: per image, the layer's input times one filter's taps is a matrix
product, the taps' maps are then shifted and added.
Numbers agree with the full layer to float32 rounding.
"""

import numpy as np
import tensorflow as tf

from cnnviz.networks import Conv


def channel_maps(conv: Conv, inputs: tf.Tensor, kernels: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    """Return each image's own channel before its nonlinearity, `(n, h, w)`.

    inputs: the conv layer's input `(n, h, w, in)`; kernels `(n, kh, kw, in)` and offsets `(n,)` of filter_kernels.
    """
    layer = conv.layer
    height, width, channels = inputs.shape[1:]
    kh, kw = layer.kernel_size
    taps = tf.transpose(tf.reshape(kernels, [-1, kh * kw, channels]), [0, 2, 1])
    products = tf.reshape(tf.reshape(inputs, [-1, height * width, channels]) @ taps, [-1, height, width, kh * kw])
    each_at_its_place = np.eye(kh * kw, dtype="float32").reshape(kh, kw, kh * kw, 1)
    maps = tf.nn.convolution(
        products, each_at_its_place, layer.strides, layer.padding.upper(), dilations=layer.dilation_rate
    )
    return maps[..., 0] + offsets[:, None, None]
