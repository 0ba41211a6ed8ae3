"""Named, deterministic ways to make an image harder. Formulas: docs/analysis.md.

An image: uint8 `(h, w, channels)`; a strength: above 0, at most 1. Returned: uint8 of the same shape.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.uint8]
SEED = 0  # of the noise: the same for every image and strength


def shift(image: Image, strength: float) -> Image:
    """Move the image to the right; the column at the left edge fills what it leaves."""
    by = _pixels(image.shape[1], strength)
    return np.concatenate([np.repeat(image[:, :1], by, 1), image[:, : image.shape[1] - by]], axis=1)


def darken(image: Image, strength: float) -> Image:
    """Towards black."""
    return _whole(image * (1 - strength))


def contrast(image: Image, strength: float) -> Image:
    """Towards the image's mean colour."""
    middle = image.mean((0, 1))
    return _whole(middle + (image - middle) * (1 - strength))


def noise(image: Image, strength: float) -> Image:
    """Add Gaussian noise, each number by itself."""
    return _whole(image + 255 * strength * np.random.default_rng(SEED).standard_normal(image.shape))


def blur(image: Image, strength: float) -> Image:
    """Gaussian, the edges repeated outwards."""
    sigma = strength * min(image.shape[:2])
    return _whole(ndimage.gaussian_filter(image.astype(np.float64), (sigma, sigma, 0), mode="nearest"))


def occlude(image: Image, strength: float) -> Image:
    """A box in the middle, as high and wide as this share of the image, in the image's mean colour."""
    made = image.copy()
    (top, high), (left, wide) = (
        ((side - n) // 2, n) for side, n in ((s, _pixels(s, strength)) for s in image.shape[:2])
    )
    made[top : top + high, left : left + wide] = np.rint(image.mean((0, 1)))
    return made


TRANSFORMS: dict[str, Callable[[Image, float], Image]] = {
    "shift": shift,
    "darken": darken,
    "contrast": contrast,
    "noise": noise,
    "blur": blur,
    "occlude": occlude,
}


def said(name: str, strength: float, size: tuple[int, int]) -> str:
    """In words, what a transform does to images of this size (height, width)."""
    height, width = size
    words = {
        "shift": f"shifted to the right by {_pixels(width, strength)} of {width} pixels",
        "darken": f"darkened by {100 * strength:.3g}%",
        "contrast": f"contrast lowered by {100 * strength:.3g}%",
        "noise": f"noise added, standard deviation {255 * strength:.3g} of 255",
        "blur": f"blurred, standard deviation {strength * min(size):.3g} pixels",
        "occlude": f"middle covered, {_pixels(height, strength)} × {_pixels(width, strength)} "
        f"of {height} × {width} pixels",
    }
    return words[name]


def _pixels(side: int, strength: float) -> int:
    """So many of a side's pixels, one at least."""
    return max(1, round(side * strength))


def _whole(values: NDArray[np.floating[Any]]) -> Image:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
