"""What changes from layer to layer, measured on pictures: how fine, how colourful. See docs/analysis.md."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

SMALLEST = 8  # pixels: a smaller patch has too few frequencies
_LUMA = np.array([0.299, 0.587, 0.114])  # Rec. 601


def dominant_frequency(picture: NDArray) -> float:
    """Power-weighted mean frequency of the luminance of `(h, w, 3)`, in cycles per pixel (at most 0.71).

    The mean under a Hann window is taken off first. NaN for a picture of one luminance or with a side under 8 pixels.
    """
    if min(picture.shape[:2]) < SMALLEST:
        return float("nan")
    luma = picture.astype(np.float64) @ _LUMA
    h, w = luma.shape
    hann = np.outer(*(np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2 for side in (h, w)))
    luma = (luma - (luma * hann).sum() / hann.sum()) * hann
    power = np.abs(np.fft.rfft2(luma)) ** 2
    power[:, 1 : (w + 1) // 2] *= 2  # rfft2 leaves out the mirrored half
    frequency = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w))
    total = power.sum()
    return float((power * frequency).sum() / total) if total > 1e-6 * h * w else float("nan")


def chroma_share(picture: NDArray) -> float:
    """Share of a picture's variation `(h, w, 3)` that is colour: 0 grey, 1 colours of one brightness; NaN if constant.

    The variation around the mean value of all pixels and channels falls into that of the pixels' brightness (mean of
    R, G and B) and that of the channels around it.
    """
    x = picture.astype(np.float64)
    grey = x.mean(-1, keepdims=True)
    total = ((x - x.mean()) ** 2).sum()
    return float(((x - grey) ** 2).sum() / total) if total > 0 else float("nan")


def median(values: Iterable[float | None]) -> float | None:
    """Median of what is known; None if nothing is."""
    known = [v for v in values if v is not None and np.isfinite(v)]
    return float(f"{np.median(known):.6g}") if known else None
