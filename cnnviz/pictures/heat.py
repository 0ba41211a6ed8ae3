"""A map of where something is, drawn over the image."""

import numpy as np
from numpy.typing import NDArray

# matplotlib's inferno in eight equal steps
INFERNO = np.array(
    [
        *([0, 0, 4], [33, 12, 74], [87, 16, 110], [138, 34, 106], [188, 55, 84]),
        *([228, 90, 49], [249, 142, 9], [249, 203, 53], [252, 255, 164]),
    ],
    np.float64,
)


def over(image: NDArray[np.uint8], values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Lay a map `(h, w)` over an image `(h, w, 3)`: its largest value brightest and most opaque, below 0 as 0."""
    highest = float(values.max())
    if highest <= 0:
        return image
    share = np.clip(values / highest, 0, 1)
    at = np.linspace(0, 1, len(INFERNO))
    colours = np.stack([np.interp(share, at, INFERNO[:, c]) for c in range(3)], axis=-1)
    alpha = (0.25 + 0.6 * share)[..., None]
    return np.rint(image * (1 - alpha) + colours * alpha).astype(np.uint8)
