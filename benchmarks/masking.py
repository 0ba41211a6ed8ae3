"""A natural patch under an alpha mask: what drives a filter there is seen, the rest is grey."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy import ndimage

from cnnviz.analysis import window

GREY = 128


def masked(
    upto: keras.Model, k: int, image: NDArray[np.uint8], box: Sequence[int], blur: float, facts: Mapping[str, Any]
) -> NDArray[np.uint8]:
    """The part of an image `(h, w, 3)` in a box, see analysis.window, opaque where filter k's output depends on it.

    upto: the network up to the layer; blur: in pixels; facts: `preprocessing` of model.json. Opacity: the gradient of
    that output by the pixels, its absolute values summed over the channels, blurred, 1 from the 98th percentile on.
    """
    order = -1 if facts["reverse_channels"] else 1
    fed = image[..., ::order] * np.array(facts["scale"], np.float32) + np.array(facts["offset"], np.float32)
    pixels = tf.Variable(fed[None])
    with tf.GradientTape() as tape:
        highest = tf.reduce_max(upto(pixels)[..., k])
    depends = ndimage.gaussian_filter(np.abs(tape.gradient(highest, pixels).numpy()[0]).sum(-1), blur)
    most = np.quantile(depends[depends > 0], 0.98) if (depends > 0).any() else 1
    opacity = np.rint(255 * np.clip(depends / most, 0, 1)).astype(np.uint8)
    part = window(np.repeat(opacity[..., None], 3, -1), list(box)) / 255
    return np.rint(window(image, list(box)) * part + GREY * (1 - part)).astype(np.uint8)
