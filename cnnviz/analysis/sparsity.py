"""How few of a layer's units an image drives."""

import numpy as np


def population(responses: np.ndarray) -> np.ndarray:
    """Population sparsity, `(images, units)` -> float64 `(images,)`: 1 if one unit responds, 0 if all respond alike.

    (1 - (Σ r/n)² / (Σ r²/n)) / (1 - 1/n) with n units; responses below 0 count as 0. NaN where none responds or n is 1.
    Sources: the ratio of Treves and Rolls, *What determines the capacity of autoassociative memories in the brain?*,
    Network 2, 1991; scaled to 0..1 by Vinje and Gallant, Science 287, 2000.
    """
    r = np.maximum(responses.astype(np.float64), 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (1 - r.mean(1) ** 2 / (r**2).mean(1)) / (1 - 1 / np.float64(r.shape[1]))
