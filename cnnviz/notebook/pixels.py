"""Images as the functions of the notebook take them -> the numbers that a network is shown."""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnviz.errors import InputError
from cnnviz.images import converted, decode, fits, resize
from cnnviz.notebook.given import Subject, said, whole

EXPECTED = "(n, height, width, {c}) or (height, width, {c}), uint8 or float in 0..255, or a list of images or files"

T = TypeVar("T", list[NDArray], NDArray[np.float32])


def images(given: Any, of: Subject, size: int | None = None, name: str = "images") -> NDArray[np.float32]:
    """Images as `listed` takes them, at one size: float32 `(n, height, width, channels)` in 0..255.

    size: their side; that of the network's input if None, or their own where the network takes any.
    """
    several = _listed(given, of.channels, name)
    if size is not None:
        side = whole(size, "size")
        return _at(several, (side, side), of.channels)
    own = {image.shape[:2] for image in several}
    if not (of.height and of.width) and len(own) > 1:
        raise InputError(f"{name}: of {len(own)} sizes, and {of.name} takes any; say which: size=224")
    height, width = several[0].shape[:2]
    return _at(several, (of.height or height, of.width or width), of.channels)


def _at(several: list[NDArray], size: tuple[int, int], channels: int) -> NDArray[np.float32]:
    """Images at one size, then with the channels of the network, as images.fed does it."""
    return np.concatenate([converted(resize([one], size), channels) for one in several])


def listed(given: Any, channels: int, name: str = "images") -> list[NDArray]:
    """Images `(h, w, channels)` of any sizes, uint8 or float32 in 0..255. given: as `_listed` takes it."""
    found = _listed(given, channels, name)
    return [one if one.shape[2] == channels else converted(one.astype(np.float32), channels) for one in found]


def _listed(given: Any, channels: int, name: str) -> list[NDArray]:
    """Images of any sizes, with the channels that they have: RGB, too, where `converted` can give them those wanted.

    given: an array `(n, h, w, channels)`; or one image, or a list of images, each an array `(h, w, channels)`, a PIL
    image or the path of an image file. Grey ones may be `(n, h, w)` or `(h, w)`. Raises InputError for another shape,
    dtype or range, and for NaN.
    """
    if isinstance(given, str | Path | Image.Image):
        return [_opened(given, channels, name)]
    if isinstance(given, list | tuple):
        if not given:
            raise InputError(f"{name}: none given")
        return [one for i, image in enumerate(given) for one in _listed(image, channels, f"{name}[{i}]")]
    array = _numbers(given, channels, name)
    if channels == 1 and (array.ndim == 2 or (array.ndim == 3 and array.shape[-1] > 4)):
        array = array[..., None]  # (h, w) or (n, h, w)
    if array.ndim not in (3, 4) or not fits(array.shape[-1], channels) or 0 in array.shape:
        raise InputError(f"{name}: shape {array.shape} given; expected {EXPECTED.format(c=channels)}")
    return list(array) if array.ndim == 4 else [array]


def alone(several: T, name: str) -> T:
    """Images that have to be one."""
    if len(several) != 1:
        raise InputError(f"{name}: {len(several)} images given; expected one")
    return several


def _numbers(given: Any, channels: int, name: str) -> NDArray:
    """uint8 as it is, other numbers float32, all in 0..255."""
    try:
        array = np.asarray(given)
    except (TypeError, ValueError):
        array = np.asarray(None)
    if array.dtype.kind not in "uif":
        kind = said(given) if array.dtype == object else f"dtype {array.dtype}"
        raise InputError(f"{name}: {kind} given; expected {EXPECTED.format(c=channels)}")
    if array.dtype == np.uint8 or not array.size:
        return array
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():  # NaN is the minimum of what holds it
        raise InputError(f"{name}: hold NaN or infinity; expected numbers in 0..255")
    if low < 0 or high > 255:
        raise InputError(f"{name}: numbers in {low:g}..{high:g} given; expected 0..255, before any preprocessing")
    if array.dtype.kind == "f" and 0 < high <= 1:
        raise InputError(f"{name}: numbers in {low:g}..{high:g} given; expected 0..255: multiply them by 255")
    return array.astype(np.float32)


def _opened(given: Any, channels: int, name: str) -> NDArray[np.uint8]:
    """A PIL image, or an image file, as RGB, for a network of four channels with its transparency; grey as it is."""
    if channels not in (1, 3, 4):
        raise InputError(f"{name}: a picture has 1 or 3 channels, the network reads {channels}; give an array")
    if not isinstance(given, Image.Image):
        if not Path(given).is_file():
            raise InputError(f"{name}: no file {str(given)!r}")
        given = Image.fromarray(decode(Path(given), str(given)))
    if given.mode[0] in "IF":
        raise InputError(f"{name}: a PIL image of mode {given.mode}; expected 8 bits a channel")
    grey = channels == 1 and given.mode in ("1", "L", "LA")
    array = np.asarray(given.convert("L" if grey else "RGBA" if channels == 4 else "RGB"))
    return array[..., None] if grey else array
