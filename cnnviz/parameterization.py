"""How an image is represented while it is optimised: as Fourier coefficients in a decorrelated colour space.

Gradient ascent in this basis favours no frequency and no colour beyond what natural images do, which is what keeps the
pictures from turning into high-frequency noise. Source: Olah, Mordvintsev, Schubert, "Feature Visualization", Distill
2017; the colour matrix is the one measured on ImageNet by tensorflow/lucid.

Coefficients of an image are float32 `(channels, size // 2 + 1, 2, size)`: frequency along x (the half that a real image
needs), real and imaginary part, frequency along y. The inverse transform is two matrix products, several times faster
on a CPU than TensorFlow's FFT at these sizes.
"""

import numpy as np
import tensorflow as tf

# Square root of the colour covariance of ImageNet, divided by its largest column norm: independent -> RGB channels.
_COLOUR = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], "float32")
COLOUR = _COLOUR / np.linalg.norm(_COLOUR, axis=0).max()


def spectrum_scale(size: int) -> np.ndarray:
    """Return the 1/f weights of the coefficients, float32 `(size // 2 + 1, size)`, for about unit variance."""
    frequency = np.hypot(np.fft.rfftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    return (size / np.maximum(frequency, 1 / size) / 4).astype("float32")


def noise(rng: np.random.Generator, size: int, channels: int = 3, std: float = 0.01) -> np.ndarray:
    """Draw start coefficients of one image."""
    return rng.normal(0.0, std, (channels, size // 2 + 1, 2, size)).astype("float32")


class Fourier:
    """The map from coefficients to images of one size."""

    def __init__(self, size: int) -> None:
        self.size, half = size, size // 2 + 1
        angle = 2 * np.pi * np.outer(np.arange(size), np.arange(size)) / size
        cos, sin = np.cos(angle), np.sin(angle)
        self.scale = spectrum_scale(size)[:, None, :]
        self.along_y = np.block([[cos, sin], [-sin, cos]]).astype("float32")  # (re|im of y frequency) x (re|im of y)
        count = np.full(half, 2.0)  # each coefficient stands for its conjugate too, but for the two real ones
        count[0] = 1.0
        if size % 2 == 0:
            count[-1] = 1.0
        along_x = np.stack([cos[:half], -sin[:half]], 1) * count[:, None, None] / size**2
        self.along_x = along_x.reshape(2 * half, size).astype("float32")

    def images(self, coefficients: tf.Tensor) -> tf.Tensor:
        """Turn coefficients `(n, channels, size // 2 + 1, 2, size)` into images `(n, size, size, channels)` in (0, 1).

        Inverse real Fourier transform of the scaled coefficients, colour mixing for 3 channels, sigmoid.
        """
        size, half, channels = self.size, self.size // 2 + 1, coefficients.shape[1]
        scaled = tf.reshape(coefficients * self.scale, [-1, 2 * size])
        rows = tf.reshape(scaled @ self.along_y, [-1, channels, half * 2, size])
        rows = tf.reshape(tf.transpose(rows, [0, 3, 1, 2]), [-1, 2 * half])  # n, y, channel, x frequency
        planes = tf.reshape(rows @ self.along_x, [-1, size, channels, size])
        images = tf.transpose(planes, [0, 1, 3, 2])
        if channels == 3:
            images = tf.reshape(tf.reshape(images, [-1, 3]) @ COLOUR.T, [-1, size, size, 3])
        return tf.sigmoid(images)
