"""Images of any number of channels as one can look at them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnnviz.pictures.montage import Picture


def shown(images: NDArray[np.uint8], rgb: Sequence[int] | None = None) -> Picture:
    """Images uint8 `(..., h, w, channels)` as RGB `(..., h, w, 3)`.

    One channel is grey, three are RGB, of four the first three; of any other number the channels `rgb` are taken for
    red, green and blue: 0, 1, 2 where nothing is said, or the first for all three where there are only two.
    """
    channels = images.shape[-1]
    if channels == 3 and rgb is None:
        return images
    if rgb is None:
        rgb = (0, 0, 0) if channels < 3 else (0, 1, 2)
    return np.ascontiguousarray(images[..., list(rgb)])
