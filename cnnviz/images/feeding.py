"""Images of a set as a network sees them: at its size, with its channels."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError
from cnnviz.images.sets import ImageSet, resized

OPAQUE = 255
GREY = "grey network: the images were converted by luminance"
ALPHA = "network of four channels: the images got an opaque fourth one"


def fits(channels: int, wanted: int) -> bool:
    """Whether images of so many channels can be shown to a network that wants so many."""
    return channels == wanted or (channels == 3 and wanted in (1, 4))


def conversion(channels: int, wanted: int) -> str | None:
    """In a sentence, what is done to images of so many channels for a network that wants so many."""
    return {(3, 1): GREY, (3, 4): ALPHA}.get((channels, wanted))


def converted(images: NDArray[np.float32], wanted: int, name: str = "images") -> NDArray[np.float32]:
    """Images `(..., channels)` in 0..255 with the channels that a network wants, float32.

    3 to 1: luminance as Rec. 601 and Pillow's mode L define it, in whole numbers; 1 to 3: repeated; 3 to 4: with an
    opaque fourth channel. Raises InputError, naming `name`, for any other two numbers.
    """
    channels = images.shape[-1]
    if channels == wanted:
        return images
    if channels == 3 and wanted == 1:
        whole = np.rint(images).astype(np.int64)  # as Pillow's L, which knows no other numbers
        grey = (whole @ np.array([19595, 38470, 7471]) + 2**15) >> 16
        return grey[..., None].astype(np.float32)
    if channels == 1 and wanted == 3:
        return np.repeat(images, 3, axis=-1)
    if channels == 3 and wanted == 4:
        return np.concatenate([images, np.full_like(images[..., :1], OPAQUE)], axis=-1)
    raise InputError(f"{name}: {said(channels)}, the network sees {said(wanted)}; give images of as many")


def said(channels: int) -> str:
    return f"{channels} channel{'' if channels == 1 else 's'}"


def fed(image_set: ImageSet, indices: Iterable[int], input_shape: Sequence[int]) -> NDArray[np.float32]:
    """The chosen images of a set as a network of this `input_shape` (height, width, channels) sees them.

    Scaled as `resized` does, then `converted`: float32 `(n, height, width, channels)` in 0..255.
    """
    height, width, channels = input_shape
    return converted(resized(image_set, indices, (height, width)), channels)
