"""What a network expects instead of images in 0..255."""

from typing import Any

import numpy as np
import tensorflow as tf


def _reversed(images: Any) -> Any:
    """Reverse the three channels, exactly: a product with a permutation is several times faster than slices."""
    flat = tf.reshape(images, [-1, 3]) @ tf.constant(np.eye(3, dtype="float32")[::-1])
    return tf.reshape(flat, tf.shape(images))


def preprocess(images: Any, spec: Any) -> Any:
    """Apply a network's own preprocessing to images (n, h, w, channels) in 0..255, NumPy or TensorFlow, float32.

    spec: a mapping as in model.json, its `scale` and `offset` one number for all channels or one each; or a function.
    """
    if callable(spec):
        return spec(images)
    if spec["reverse_channels"]:
        images = images[..., ::-1] if isinstance(images, np.ndarray) else _reversed(images)
    return images * np.asarray(spec["scale"], "float32") + np.asarray(spec["offset"], "float32")
