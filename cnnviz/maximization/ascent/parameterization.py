"""How an image is represented while it is optimised: pixels, Fourier coefficients, or the phases of a fixed spectrum.

Gradient ascent on Fourier coefficients in a decorrelated colour space favours no frequency and no colour beyond what
natural images do, which is what keeps the pictures from turning into high-frequency noise. Source: Olah, Mordvintsev,
Schubert, "Feature Visualization", Distill 2017; the colour matrix is the one measured on ImageNet by tensorflow/lucid.

Coefficients of an image are float32 `(channels, width // 2 + 1, 2, height)`: frequency along x (the half that a real
image needs), real and imaginary part, frequency along y. The inverse transform is two matrix products, several times
faster on a CPU than TensorFlow's FFT at these sizes.
"""

import math

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnviz.maximization.ascent.settings import LANES, TINY, Settings, Size

Floats = NDArray[np.float32]

# Square root of the colour covariance of ImageNet, divided by its largest column norm: independent -> RGB channels.
_COLOUR = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], "float32")
COLOUR = _COLOUR / np.linalg.norm(_COLOUR, axis=0).max()
SLOPE = 4.0  # by so much a pixel's logit changes with its value, at mid grey
# how far the logits of ImageNet's photographs are from mid grey, root mean square: along an axis of COLOUR, and in one
# of red, green and blue, or where colours are no colours
PHOTOGRAPHS = {True: SLOPE * np.linalg.norm(_COLOUR, axis=0).max(), False: SLOPE * np.sqrt((_COLOUR**2).sum(1).mean())}
START = 0.01  # standard deviation of the start noise
DARKEST = 0.02  # of a start image: 0 and 1 lie infinitely far out behind the sigmoid


def spectrum_scale(size: Size, decay: float = 1.0) -> Floats:
    """Return the 1/f**decay weights of the coefficients, float32 `(width // 2 + 1, height)`, for about unit variance.

    f: cycles per pixel, so that a wave is weighted alike along both sides.
    """
    height, width = size
    frequency = np.hypot(np.fft.rfftfreq(width)[:, None], np.fft.fftfreq(height)[None, :])
    slowest = 1 / max(size)  # stands for the mean colour
    return (math.sqrt(height * width) / np.maximum(frequency, slowest) ** decay / 4).astype("float32")


def _waves(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosine and sine of each whole frequency at each place, `(size, size)`."""
    angle = 2 * np.pi * np.outer(np.arange(size), np.arange(size)) / size
    return np.cos(angle), np.sin(angle)


def _logit(images: Floats) -> Floats:
    inside = np.clip(np.asarray(images, float), DARKEST, 1 - DARKEST)
    return np.log(inside / (1 - inside)).astype("float32")


class Pixel:
    """Each pixel by itself: variables `(n, h, w, channels)`, image = sigmoid of them."""

    fused = False

    def __init__(self, size: Size, channels: int = 3) -> None:
        self.shape = (*size, channels)

    def noise(self, rng: np.random.Generator) -> Floats:
        """Draw start variables of one image."""
        return rng.normal(0.0, START, self.shape).astype("float32")

    def encode(self, image: Floats) -> Floats:
        """Return the variables that give an image `(h, w, channels)` in [0, 1] (0.02 to 0.98 exactly)."""
        return _logit(image)

    def images(self, variables: tf.Tensor) -> tf.Tensor:
        """Turn variables `(n, …)` into images `(n, h, w, channels)` in (0, 1)."""
        return tf.sigmoid(variables)


class Fourier:
    """Scaled Fourier coefficients, in decorrelated colours where there are 3 channels and `colour` is set.

    fused: mix colours as a sum, not as a matrix product; XLA puts it into the pass over the image.

    contrast: how many times as far from mid grey as photographs the image may be, along each axis of colour, 0 for any
    distance. What goes beyond is scaled back, inside the gradient: what pays least has to yield to what pays most.
    """

    fused = False

    def __init__(
        self, size: Size, channels: int = 3, decay: float = 1.0, colour: bool = True, contrast: float = 0.0
    ) -> None:
        self.size, self.channels = size, channels
        self.most = contrast * float(PHOTOGRAPHS[colour and channels == 3])
        (height, width), half = size, size[1] // 2 + 1
        self.mixing = COLOUR if colour and channels == 3 else np.eye(channels, dtype="float32")
        cos, sin = _waves(height)
        self.scale = spectrum_scale(size, decay)[:, None, :]
        self.along_y = np.block([[cos, sin], [-sin, cos]]).astype("float32")  # (re|im of y frequency) x (re|im of y)
        count = np.full(half, 2.0)  # each coefficient stands for its conjugate too, but for the two real ones
        count[0] = 1.0
        if width % 2 == 0:
            count[-1] = 1.0
        cos, sin = _waves(width)
        along_x = np.stack([cos[:half], -sin[:half]], 1) * count[:, None, None] / (height * width)
        self.along_x = along_x.reshape(2 * half, width).astype("float32")

    def noise(self, rng: np.random.Generator) -> Floats:
        """Draw start variables of one image."""
        height, width = self.size
        return rng.normal(0.0, START, (self.channels, width // 2 + 1, 2, height)).astype("float32")

    def spectrum(self, image: Floats) -> Floats:
        """Return the unscaled coefficients of an image `(h, w, channels)` in [0, 1]."""
        planes = np.einsum("dc,hwc->dhw", np.linalg.inv(self.mixing), _logit(image))
        spectrum = np.fft.rfft2(planes).transpose(0, 2, 1)
        return np.stack([spectrum.real, spectrum.imag], 2).astype("float32")

    def encode(self, image: Floats) -> Floats:
        """Return variables that give an image `(h, w, channels)` in [0, 1], exactly from 0.02 to 0.98 with no limit."""
        return self.spectrum(image) / self.scale

    def images(self, variables: tf.Tensor) -> tf.Tensor:
        """Turn variables `(n, …)` into images `(n, h, w, channels)` in (0, 1)."""
        return self._decode(variables * self.scale)

    def _limited(self, planes: tf.Tensor) -> tf.Tensor:
        """Scale back those of the planes `(n, h, channels, w)` whose root mean square is beyond the limit."""
        # sums along the last axis (in the gradient, too), and one number for each vector lane: with others rounding
        # depends on the place in a batch
        each = tf.reshape(tf.transpose(planes, [0, 2, 1, 3]), [-1, self.channels, math.prod(self.size)])
        power = tf.reduce_mean(each**2, -1, keepdims=True) * tf.ones(LANES)
        each *= tf.minimum(1.0, self.most * tf.math.rsqrt(power + TINY))[..., :1]
        return tf.transpose(tf.reshape(each, [-1, self.channels, *self.size]), [0, 2, 1, 3])

    def _decode(self, coefficients: tf.Tensor) -> tf.Tensor:
        """Inverse real Fourier transform `(n, channels, width // 2 + 1, 2, height)`, colour mixing, sigmoid."""
        (height, width), half, channels = self.size, self.size[1] // 2 + 1, self.channels
        rows = tf.reshape(tf.reshape(coefficients, [-1, 2 * height]) @ self.along_y, [-1, channels, half * 2, height])
        rows = tf.reshape(tf.transpose(rows, [0, 3, 1, 2]), [-1, 2 * half])  # n, y, channel, x frequency
        planes = tf.reshape(rows @ self.along_x, [-1, height, channels, width])
        planes = self._limited(planes) if self.most else planes
        if channels == 3 and self.fused:
            axes = tf.unstack(planes, axis=2)
            mixed = [tf.add_n([float(w) * axis for w, axis in zip(row, axes, strict=True)]) for row in self.mixing]
            return tf.sigmoid(tf.stack(mixed, 3))
        images = tf.transpose(planes, [0, 1, 3, 2])
        if channels == 3:
            images = tf.reshape(tf.reshape(images, [-1, 3]) @ self.mixing.T, [-1, height, width, 3])
        return tf.sigmoid(images)


class MaCo(Fourier):
    """Phases only: each coefficient's magnitude is the mean of those of natural images `(m, h, w, channels)`.

    Variables `(n, channels, width // 2 + 1, 1, height)`, in radians. Source: Fel et al., "Unlocking Feature
    Visualization for Deeper Networks with MAgnitude Constrained Optimization", NeurIPS 2023.
    """

    def __init__(self, size: Size, channels: int, colour: bool, natural: Floats) -> None:
        super().__init__(size, channels, colour=colour)
        spectra = np.stack([self.spectrum(image) for image in natural])
        self.magnitude = np.hypot(spectra[:, :, :, :1], spectra[:, :, :, 1:]).mean(0).astype("float32")

    def noise(self, rng: np.random.Generator) -> Floats:
        return rng.uniform(-np.pi, np.pi, self.magnitude.shape).astype("float32")

    def encode(self, image: Floats) -> Floats:
        """Return the phases of an image; its magnitudes are not kept."""
        spectrum = self.spectrum(image)
        return np.arctan2(spectrum[:, :, 1:], spectrum[:, :, :1])

    def images(self, variables: tf.Tensor) -> tf.Tensor:
        return self._decode(tf.concat([tf.cos(variables), tf.sin(variables)], 3) * self.magnitude)


def choose(settings: Settings, channels: int, natural: Floats | None) -> Pixel | Fourier:
    """Return the parameterization that the settings name; `natural` as MaCo takes it."""
    if settings.parameterization == "pixel":
        return Pixel(settings.size, channels)
    colour = settings.colour == "decorrelated"
    if settings.parameterization == "maco" and natural is not None:
        return MaCo(settings.size, channels, colour, natural)
    return Fourier(settings.size, channels, settings.decay, colour, settings.contrast)
