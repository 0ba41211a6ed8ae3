"""A judge that is no network: colour and texture of a patch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnnviz.images import resize
from cnnviz.judging.tasks import Floats

SIDE = 48  # pixels that a patch is scaled to
SCALES = (3, 6, 12, 24)  # pixels per cycle
ORIENTATIONS = 4
OCTAVES = 0.65  # of a log-Gabor filter: sigma over centre frequency, about 1.2 octaves
# Luminance, red against green, blue against yellow: rows orthogonal to each other
OPPONENT = np.array([[1, 1, 1], [1, -1, 0], [-0.5, -0.5, 1]]) / np.array([[3], [2], [2]])
TINY = 1e-4


def embed(patches: Sequence[NDArray[np.uint8]]) -> list[Floats]:
    """RGB patches `(h, w, 3)` of any size as blocks of numbers, `(n, …)` each: what colours, what textures.

    Mean and standard deviation of three opponent colours; the logarithm of their energy at four orientations and four
    scales, by log-Gabor filters (Field, J. Opt. Soc. Am. A 4, 1987).
    """
    pixels = resize(patches, (SIDE, SIDE)).astype(np.float64) / 255
    opponent = pixels @ OPPONENT.T
    means, spreads = opponent.mean((1, 2)), opponent.std((1, 2))
    spectra = np.fft.fft2(opponent - means[:, None, None], axes=(1, 2))
    power = np.square(np.abs(spectra)) / SIDE**4
    energy = np.einsum("nyxc,fyx->nfc", power, np.square(bank()))
    return [np.concatenate([means, spreads], 1), np.log10(energy + TINY**2).reshape(len(pixels), -1)]


def bank() -> Floats:
    """Log-Gabor filters in the frequency domain, `(scales * orientations, SIDE, SIDE)`, 1 at the centre of each."""
    fy, fx = np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE), indexing="ij")
    radius, angle = np.hypot(fy, fx), np.arctan2(fy, fx)
    radius[0, 0] = 1
    filters = []
    for wavelength in SCALES:
        radial = np.exp(-np.square(np.log(radius * wavelength)) / (2 * np.log(OCTAVES) ** 2))
        radial[0, 0] = 0
        for k in range(ORIENTATIONS):
            apart = (angle - np.pi * k / ORIENTATIONS + np.pi / 2) % np.pi - np.pi / 2  # a line has no direction
            filters.append(radial * np.exp(-np.square(apart) / (2 * (np.pi / ORIENTATIONS / 1.5) ** 2)))
    return np.stack(filters)
