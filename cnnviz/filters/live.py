"""The kernel of a layer of a network at hand."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cnnviz.filters.kernels import joined


def kernel_of(layer: Any) -> NDArray[np.float32]:
    """As `read_kernel` gives that of a stored network: `(kh, kw, in, out)`, depthwise `(kh, kw, in, multiplier)`."""
    if isinstance(layer, keras.layers.SeparableConv2D):
        return joined(layer.depthwise_kernel.numpy(), layer.pointwise_kernel.numpy())
    kernel = np.asarray(layer.kernel.numpy(), np.float32)
    return kernel.transpose(0, 1, 3, 2) if isinstance(layer, keras.layers.Conv2DTranspose) else kernel
