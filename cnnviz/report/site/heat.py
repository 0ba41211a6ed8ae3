"""Maps of where a prediction looks, drawn over the image: `predictions/<set>_<image>.npz` of the analysis."""

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import covered
from cnnviz.pictures import over


def drawn(image: NDArray[np.uint8], stored: dict[str, NDArray]) -> list[NDArray[np.uint8]]:
    """The image, Grad-CAM for the predicted and the other class, what covering parts of it costs each of them."""
    size = (image.shape[0], image.shape[1])
    hidden = [covered(stored["windows"], np.maximum(drops, 0), size) for drops in stored["drops"]]
    return [image, *(over(image, one) for one in (*stored["gradcam_over_image"], *hidden))]
