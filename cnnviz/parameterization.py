"""How an image is represented while it is optimised: as Fourier coefficients in a decorrelated colour space.

Gradient ascent in this basis favours no frequency and no colour beyond what natural images do, which is what keeps the
pictures from turning into high-frequency noise. Source: Olah, Mordvintsev, Schubert, "Feature Visualization", Distill
2017; the colour matrix is the one measured on ImageNet by tensorflow/lucid.
"""

import numpy as np
import tensorflow as tf

# Square root of the colour covariance of ImageNet, divided by its largest column norm: independent -> RGB channels.
_COLOUR = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], "float32")
COLOUR = _COLOUR / np.linalg.norm(_COLOUR, axis=0).max()


def spectrum_scale(size: int) -> np.ndarray:
    """Return the 1/f weights of the coefficients, float32 `(size, size // 2 + 1)`, for a unit-variance canvas."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    return (size / np.maximum(frequency, 1 / size) / 4).astype("float32")


def noise(rng: np.random.Generator, size: int, channels: int = 3, std: float = 0.01) -> np.ndarray:
    """Draw start coefficients of one image, float32 `(channels, size, size // 2 + 1, 2)`: real and imaginary parts."""
    return rng.normal(0.0, std, (channels, size, size // 2 + 1, 2)).astype("float32")


def to_images(spectra: tf.Tensor, scale: np.ndarray) -> tf.Tensor:
    """Turn coefficients `(n, channels, size, size // 2 + 1, 2)` into images `(n, size, size, channels)` in (0, 1).

    Inverse real FFT of the scaled coefficients, colour mixing for 3 channels, sigmoid. Differentiable.
    """
    size = scale.shape[0]
    scaled = spectra * scale[..., None]
    planes = tf.signal.irfft2d(tf.complex(scaled[..., 0], scaled[..., 1]), fft_length=[size, size])
    images = tf.transpose(planes, [0, 2, 3, 1])
    if images.shape[-1] == 3:
        images = tf.einsum("nhwc,dc->nhwd", images, COLOUR)
    return tf.sigmoid(images)
