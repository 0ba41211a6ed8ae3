"""Random shift, scaling and rotation, drawn for each image by itself, inside the gradient.

What survives small transforms is a pattern; what does not is noise. Amounts are relative to the canvas, so that 32-px
networks are not shaken like 224-px ones: a shift is a share of the side that it goes along. Angles and sizes are in
pixels, so that nothing is sheared where the sides differ.
"""

from typing import Any

import numpy as np
import tensorflow as tf

GREY = 0.5  # comes in from outside


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
        fill_value=GREY,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return tf.ensure_shape(moved, images.shape)


def gathered(images: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
    """As `apply`, of affine matrices, without an operation of its own: what XLA can compile.

    Its gradient is what TensorFlow takes for that of `apply`, the way back by the inverse: nothing is scattered.
    """

    def there(images: tf.Tensor, matrices: tf.Tensor) -> Any:
        def back(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
            return _sampled(upstream, _inverse(matrices), 0.0), None

        return _sampled(images, tf.unstack(matrices[:, :6], axis=1), GREY), back

    return tf.ensure_shape(tf.custom_gradient(there)(images, matrices), images.shape)


def _inverse(matrices: tf.Tensor) -> list[tf.Tensor]:
    a, b, c, d, e, f = tf.unstack(matrices[:, :6], axis=1)
    one = 1.0 / (a * e - b * d)
    return [e * one, -b * one, (b * f - c * e) * one, -d * one, a * one, (c * d - a * f) * one]


def _sampled(images: tf.Tensor, numbers: list[tf.Tensor], outside: float) -> tf.Tensor:
    """Bilinear, each image by the six numbers of its matrix, `(n,)` each; `outside` comes in."""
    height, width, channels = images.shape[1:]
    a, b, c, d, e, f = (one[:, None, None] for one in numbers)
    row, column = tf.range(height, dtype=tf.float32)[:, None], tf.range(width, dtype=tf.float32)[None, :]
    x, y = a * column + b * row + c, d * column + e * row + f
    left, top = tf.floor(x), tf.floor(y)
    flat = tf.reshape(images, [-1, height * width, channels])

    def read(y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        place = tf.clip_by_value(y, 0.0, height - 1.0) * width + tf.clip_by_value(x, 0.0, width - 1.0)
        found = tf.gather(flat, tf.reshape(tf.cast(place, tf.int32), [-1, height * width]), batch_dims=1)
        return tf.where(inside[..., None], tf.reshape(found, [-1, height, width, channels]), outside)

    right, bottom = left + 1.0, top + 1.0
    sides = right - x, x - left, bottom - y, y - top
    from_left, from_right, from_top, from_bottom = (side[..., None] for side in sides)
    upper = from_left * read(top, left) + from_right * read(top, right)
    lower = from_left * read(bottom, left) + from_right * read(bottom, right)
    return from_top * upper + from_bottom * lower
