"""Image sets as arrays, stored as `<set>.npz` (docs/artifacts.md), and scaled for a network."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnviz.errors import InputError
from cnnviz.files import npz

ARRAYS = ("images", "sizes", "labels", "names", "class_names")  # of <set>.npz

MAX_BYTES = 1_000_000_000  # of all images of a set in memory

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ImageSet:
    """n images of up to h x w pixels.

    images: uint8 `(n, h, w, 3)`, RGB (grey ones, too; or any other number of channels), smaller images in the top left
    corner, 0 elsewhere; sizes: int32 `(n, 2)`, height and width; labels: int32 `(n,)`, -1 where unknown; names: str
    `(n,)`; class_names: str `(classes,)`. origin, license, notes: where the images come from, under which terms, and
    what was assumed in reading them (empty in a set read back from its npz file).
    """

    images: Pixels
    sizes: NDArray[np.int32]
    labels: NDArray[np.int32]
    names: NDArray[np.str_]
    class_names: NDArray[np.str_]
    origin: str = ""
    license: str = ""
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        return int(self.images.shape[3])

    def __len__(self) -> int:
        return len(self.images)

    def image(self, i: int) -> Pixels:
        """Image i in its own size: uint8 `(h, w, channels)`. Raises InputError where there is none."""
        if not 0 <= i < len(self):
            raise InputError(f"image {i}: the set has 0..{len(self) - 1}")
        height, width = self.sizes[i]
        return self.images[i, :height, :width]

    def arrays(self) -> dict[str, NDArray]:
        """What its npz file holds."""
        return {key: getattr(self, key) for key in ARRAYS}

    def digest(self) -> str:
        """SHA-256 over each image's height, width (int32, little-endian) and pixels: the same from any source."""
        hasher = hashlib.sha256()
        for i, size in enumerate(self.sizes):
            hasher.update(size.astype("<i4").tobytes() + self.image(i).tobytes())
        return hasher.hexdigest()


def too_large(sizes: Sequence[tuple[int, ...]], channels: int = 3) -> bool:
    """Whether images of these sizes, in one array, take more than a set may."""
    height, width = (max(side) for side in zip(*sizes, strict=True))
    return len(sizes) * height * width * channels > MAX_BYTES


def load_set(path: Path) -> ImageSet:
    """Read `<set>.npz`. Raises InputError where it is missing or damaged."""
    try:
        with npz.opened(path) as stored:
            images, sizes, labels, names, class_names = (stored[name] for name in ARRAYS)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run `dvc repro images` first") from None
    except KeyError as name:
        raise InputError(f"{path}: damaged (no {name}); remove it, then: make repro") from None
    return ImageSet(images, sizes, labels, names, class_names)


def resize(images: Iterable[NDArray], size: tuple[int, int]) -> NDArray[np.float32]:
    """Scale images of any sizes to `size` (height, width), squashed if need be, as keras.utils.load_img does.

    images: `(h, w, channels)` each, uint8 or float32 in 0..255. Returns float32 `(n, height, width, channels)`, whole
    numbers where uint8 was given (Pillow, bilinear).
    """
    return np.stack([_scaled(image, size) for image in images])


def _scaled(image: NDArray, size: tuple[int, int]) -> NDArray[np.float32]:
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR), np.float32)
    planes = (Image.fromarray(image[..., c]) for c in range(image.shape[2]))  # the same a channel at a time, any dtype
    return np.stack([np.asarray(p.resize(size[::-1], Image.Resampling.BILINEAR), np.float32) for p in planes], axis=-1)


def resized(image_set: ImageSet, indices: Iterable[int], size: tuple[int, int]) -> NDArray[np.float32]:
    """Scale the chosen images of a set, see `resize`: float32 `(n, height, width, channels)` in 0..255."""
    return resize((image_set.image(i) for i in indices), size)
