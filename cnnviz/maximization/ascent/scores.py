"""How good an image of a filter is: five scores, defined with formulas, uses and limits in docs/scores.md.

`robust` runs a network (TensorFlow); the others are NumPy, compute in float64 and return float32. Throughout, n filters
with one image each, m natural images, C channels of the layer.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from cnnviz.errors import InputError
from cnnviz.maximization.ascent import transforms

Floats = NDArray[np.float32]

# Fixed, so that scores of different runs and seeds compare: points of a lattice, whose mean is nearer to that over very
# many transforms than that over 32 drawn ones (docs/scores.md). Of such lattices the one of lowest centred discrepancy.
HELD_OUT, LATTICE = 16, (1, 3, 5, 7)
SHIFT, SCALE, ROTATION = 0.06, 0.1, 10.0  # at most: share of the canvas, relative change of size, degrees
BLUR_RADIUS = 3
STD_FLOOR = 0.01  # of the layer's median: a channel that hardly moves on natural images must not outweigh all others
TINY = 1e-12
SAME = 1e-5  # relative: one pre-activation computed in two ways differs by less, so that a dead filter stays a tie
FLAT = 1e-7  # contrast (standard deviation) below which an image is one colour: float32 resolves no less around 1
ROUNDING = 1e-8  # share of the power per bin that rounding to 8 bits makes at 128 px and ordinary contrast
REC601 = (0.299, 0.587, 0.114)


def held_out(size: tuple[int, int]) -> Floats:
    """Return the transforms that every image is scored under: float32 `(16, 8)`, as transforms.draw gives them.

    Shift up to 6% of the canvas, scale 0.9 to 1.1, rotation up to 10 degrees, each at the middles of 16 equal parts of
    its range, and with each transform its opposite; the same in proportion at any size (height, width).
    """
    return moved_by((2 * np.arange(HELD_OUT)[:, None] + 1) * LATTICE / (2 * HELD_OUT) % 1, size)


def moved_by(points: NDArray[np.floating], size: tuple[int, int]) -> Floats:
    """Transforms from points `(n, 4)` in [0, 1]: shift in x and y, scale and rotation between their bounds."""
    amounts = 2 * points - 1
    return transforms.matrices(size, SHIFT * amounts[:, :2], 1 + SCALE * amounts[:, 2], ROTATION * amounts[:, 3])


def blur(images: tf.Tensor, sigma: float = 1.0) -> tf.Tensor:
    """Blur images `(n, h, w, c)`, float32, by a Gaussian of `sigma` pixels, cut off at 3 pixels, sum 1.

    Borders are mirrored (edge pixel repeated): no new edge, and a constant image stays as it is. A side of less than 3
    pixels, which has to be known, is left as it is.
    Shifted sums, not a depthwise convolution: that one would be rounded to bfloat16 where convolutions are.
    """
    offsets = np.arange(-BLUR_RADIUS, BLUR_RADIUS + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    weights = [float(w) for w in kernel / kernel.sum()]
    r, height, width = BLUR_RADIUS, tf.shape(images)[1], tf.shape(images)[2]
    if (images.shape[1] or r) >= r:
        rows = tf.pad(images, [[0, 0], [r, r], [0, 0], [0, 0]], "SYMMETRIC")
        images = tf.add_n([w * rows[:, i : i + height] for i, w in enumerate(weights)])
    if (images.shape[2] or r) >= r:
        columns = tf.pad(images, [[0, 0], [0, 0], [r, r], [0, 0]], "SYMMETRIC")
        images = tf.add_n([w * columns[:, :, i : i + width] for i, w in enumerate(weights)])
    return images


def robust(images: tf.Tensor, maps: Callable[[tf.Tensor], tf.Tensor], move: Any = transforms.apply) -> tf.Tensor:
    """Return the robust score of each image, float32 `(n,)`: its mean pre-activation over 16 transforms, each blurred.

    images: float32 `(n, h, w, c)` in [0, 1], h and w known; maps: images -> each image's own channel before its
    nonlinearity, `(n, h', w')`; move: as `transforms.apply`. An image's score doesn't depend on the others. For eager
    use and inside tf.function; one transform's images are in memory at a time.
    """
    moves = tf.constant(held_out(tuple(images.shape[1:3])))
    count = tf.shape(images)[0]

    def add(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        moved = blur(move(images, tf.broadcast_to(moves[i], [count, 8])))
        return i + 1, total + tf.reduce_mean(maps(tf.ensure_shape(moved, images.shape)), [1, 2])

    shapes = (tf.TensorShape([]), tf.TensorShape([None]))
    start = (tf.constant(0), tf.zeros([count]))
    _, total = tf.while_loop(lambda i, _: i < HELD_OUT, add, start, shapes, parallel_iterations=1)
    return tf.ensure_shape(total, images.shape[:1]) / HELD_OUT


def against_nature(robust: ArrayLike, peaks: ArrayLike) -> tuple[Floats, Floats]:
    """Compare robust scores `(n,)` with `peaks` `(m, n)`, the highest pre-activation of each natural image.

    Returns, float32 `(n,)` each: the ratio to the best natural image, NaN where that one's peak is not above 0; the
    percentile, 0 to 100: the share of natural images whose peak is below the score (by more than rounding). NaN where m
    is 0.
    """
    own, nature = np.asarray(robust, float), np.asarray(peaks, float)
    if own.ndim != 1 or nature.ndim != 2 or nature.shape[1] != len(own):
        raise InputError(f"against nature: scores {own.shape}, peaks {nature.shape} given; expected (n,) and (m, n)")
    if not len(nature):
        return np.full(len(own), np.nan, np.float32), np.full(len(own), np.nan, np.float32)
    best = nature.max(axis=0)
    ratio = np.where(best > 0, own / np.where(best > 0, best, 1.0), np.nan)
    percentile = np.where(np.isnan(own), np.nan, 100 * (nature < own - SAME * np.abs(own)).mean(axis=0))
    return ratio.astype(np.float32), percentile.astype(np.float32)


def standardise(features: ArrayLike, natural: ArrayLike) -> Floats:
    """Return features `(..., C)` less each channel's mean over the natural images `(m, C)`, over its deviation there.

    Population standard deviation, at least 1% of the median one of the channels that vary at all. float32, shape of
    `features`. Raises InputError without natural images or where the channels differ.
    """
    own, nature = np.asarray(features, float), np.asarray(natural, float)
    if nature.ndim != 2 or not len(nature) or own.shape[-1:] != nature.shape[1:]:
        raise InputError(f"standardise: features {own.shape}, natural {nature.shape} given; expected (..., C), (m, C)")
    deviation = nature.std(axis=0)
    varying = deviation[deviation > TINY]
    floor = STD_FLOOR * float(np.median(varying)) if len(varying) else TINY
    return ((own - nature.mean(axis=0)) / np.maximum(deviation, floor)).astype(np.float32)


def selectivity_rank(features: ArrayLike, channels: ArrayLike, natural: ArrayLike) -> NDArray[np.int32]:
    """Rank each image's own channel among the layer's channels, standardised, on that image: int32 `(n,)`.

    features `(n, C)`, channels int `(n,)`, natural `(m, C)`. 1: no other channel stands out as much; ties count against
    the target, so that C is the rank in a layer where nothing moves. 0 (unknown) for fewer than two natural images.
    """
    index, nature = np.asarray(channels, int), np.asarray(natural, float)
    if len(nature) < 2:
        return np.zeros(len(index), np.int32)
    own = standardise(features, nature)
    target = np.take_along_axis(own, index[:, None], axis=1)
    return np.sum(~(own < target), axis=1).astype(np.int32)  # counts the target itself; NaN is below nothing


def seed_stability(features: ArrayLike, natural: ArrayLike | None = None) -> Floats:
    """Return the mean cosine similarity of all pairs of a filter's images from different seeds: float32 `(n,)`, -1..1.

    features `(n, seeds, C)`, standardised over natural `(m, C)`, or taken as they are without or with fewer than two
    natural images. NaN for fewer than two seeds, and where an image's vector is 0: it points nowhere.
    """
    vectors = np.asarray(features, float)
    n, seeds, _ = vectors.shape
    if natural is not None and len(np.asarray(natural)) >= 2:
        vectors = standardise(vectors, natural).astype(float)
    length = np.linalg.norm(vectors, axis=2, keepdims=True)
    unit = vectors / np.where(length > 0, length, np.nan)
    first, second = np.triu_indices(seeds, 1)
    if not len(first):
        return np.full(n, np.nan, np.float32)
    cosines = np.einsum("npc,npc->np", unit[:, first], unit[:, second])
    return np.clip(cosines.mean(axis=1), -1, 1).astype(np.float32)


def radial_spectrum(images: ArrayLike) -> Floats:
    """Return the radial power spectrum of images `(n, h, w, c)` in [0, 1]: float32 `(n, s // 2)`, sum 1 per image.

    s is the shorter side. Entry k - 1 is the mean power of the luminance (Rec. 601 for 3 channels, else their mean) at
    the frequencies that round to k cycles per s pixels, in any direction, Hann window, mean removed. NaN for an image
    of one colour.
    """
    pixels = np.asarray(images, float)
    if pixels.ndim != 4 or min(pixels.shape[1:3]) < 2:
        raise InputError(f"spectrum: images {pixels.shape} given; expected (n, h, w, c), h and w of 2 or more")
    height, width, channels = pixels.shape[1:]
    size = min(height, width)
    luminance = pixels @ np.array(REC601 if channels == 3 else [1 / channels] * channels)
    window = np.outer(*(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(side) / side) for side in (height, width)))
    # the mean under the window: of any other, the window would put the rest into bin 1
    centred = luminance - (luminance * window).sum((1, 2), keepdims=True) / window.sum()
    power = np.abs(np.fft.fft2(centred * window)) ** 2
    down, along = (np.fft.fftfreq(side, 1 / size) for side in (height, width))
    ring = np.rint(np.hypot(down[:, None], along[None, :])).astype(int)
    mean = np.stack([power[:, ring == k].mean(axis=1) for k in range(1, size // 2 + 1)], axis=1)
    mean[luminance.std(axis=(1, 2)) < FLAT] = np.nan
    return (mean / mean.sum(axis=1, keepdims=True)).astype(np.float32)


def spectrum_distance(images: ArrayLike, natural: ArrayLike) -> Floats:
    """Return how far the images' spectra are from those of natural images, in decades (powers of ten), float32 `(n,)`.

    Root mean square over the bins of log10(spectrum) less its mean over the natural images. images `(n, h, w, c)` and
    natural `(m, h, w, c)` in [0, 1], of one size. NaN where there is no natural image, an image has one colour or is a
    single line.
    """
    own, nature = np.asarray(images), np.asarray(natural)
    if not len(nature) or min(own.shape[1:3]) < 2:
        return np.full(len(own), np.nan, np.float32)
    if own.shape[1:3] != nature.shape[1:3]:
        raise InputError(f"spectrum distance: images {own.shape}, natural {nature.shape} given; expected one size")
    reference = np.log10(radial_spectrum(nature) + ROUNDING, dtype=float)
    reference = reference[~np.isnan(reference).any(axis=1)]
    if not len(reference):
        return np.full(len(own), np.nan, np.float32)
    difference = np.log10(radial_spectrum(own) + ROUNDING, dtype=float) - reference.mean(axis=0)
    return np.sqrt((difference**2).mean(axis=1)).astype(np.float32)
