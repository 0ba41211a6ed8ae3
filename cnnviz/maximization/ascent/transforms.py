"""Random shift, scaling and rotation, drawn for each image by itself, inside the gradient.

What survives small transforms is a pattern; what does not is noise. Amounts are relative to the canvas, so that 32-px
networks are not shaken like 224-px ones: a shift is a share of the side that it goes along. Angles and sizes are in
pixels, so that nothing is sheared where the sides differ.
"""

import numpy as np
import tensorflow as tf


def draw(
    rng: np.random.Generator,
    steps: int,
    size: tuple[int, int],
    jitter: float = 0.06,
    scale: float = 0.1,
    rotate: float = 5.0,
) -> np.ndarray:
    """Draw one image's transforms for all steps: float32 `(steps, 8)`, projective matrices from output to input pixels.

    size: height and width; jitter: largest shift as a share of them; scale: largest relative change of size; rotate:
    degrees, about the centre.
    """
    shifts = rng.uniform(-jitter, jitter, (steps, 2))
    return matrices(size, shifts, 1 + rng.uniform(-scale, scale, steps), rng.uniform(-rotate, rotate, steps))


def matrices(size: tuple[int, int], shifts: np.ndarray, factor: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Transforms as `draw` returns them: shifts `(n, 2)`, x and y, as shares of the canvas; factor, degrees `(n,)`."""
    height, width = size
    shift, angle = shifts * (width, height), np.deg2rad(degrees)
    cos, sin, middle, centre = np.cos(angle) / factor, np.sin(angle) / factor, (height - 1) / 2, (width - 1) / 2
    x = centre - cos * centre + sin * middle + shift[:, 0]
    y = middle - sin * centre - cos * middle + shift[:, 1]
    zero = np.zeros(len(factor))
    return np.stack([cos, -sin, x, sin, cos, y, zero, zero], axis=1).astype("float32")


def apply(images: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
    """Transform images `(n, h, w, c)` in [0, 1], each by its own matrix `(n, 8)`; bilinear; grey (0.5) comes in."""
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=matrices,
        output_shape=tf.shape(images)[1:3],
        fill_value=0.5,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return tf.ensure_shape(moved, images.shape)
