"""One PNG or JPEG file -> pixels; whatever is wrong with it is one line."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cnnviz.errors import InputError
from cnnviz.images.sets import Pixels

MAX_PIXELS = 50_000_000  # of one image; a larger one is taken for a mistake or a decompression bomb


@contextmanager
def _opened(stream: Any, name: str) -> Iterator[Image.Image]:
    """Open a PNG or JPEG file; whatever is wrong with it, here or in the body, becomes an InputError naming it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Pillow's remarks on odd EXIF data
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(stream, formats=("PNG", "JPEG")) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"{name}: over {MAX_PIXELS // 10**6} million pixels; scale it down first") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        reason = "or no PNG or JPEG image" if isinstance(error, UnidentifiedImageError) else f"or cut short ({error})"
        raise InputError(f"{name}: damaged {reason}") from None


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8. For a PNG file without it, Pillow would decode all of the image first."""
    known = image.format != "PNG" or any("exif" in str(key).lower() or "xmp" in str(key) for key in image.info)
    return image.getexif().get(0x0112, 1) if known else 1


def decode(stream: Any, name: str) -> Pixels:
    """Decode a PNG or JPEG file (path or binary stream) to uint8 `(h, w, 3)`, RGB, turned upright by its EXIF tag.

    Grey, palette, CMYK and 16 bit images are converted, transparency is dropped, of an animation the first image is
    taken. Raises InputError naming the file where it is damaged, cut short, too large or of another format.
    """
    with _opened(stream, name) as image:
        upright = image if _orientation(image) == 1 else ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16 bit grey, which convert() would clip at 255
            grey = np.clip(np.asarray(upright).astype(np.int64) // 257, 0, 255).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=-1)
        return np.asarray(upright.convert("RGB"))


def _size(path: Path) -> tuple[int, int]:
    """Height and width that `decode` will return, read from the header only."""
    with _opened(path, str(path)) as image:
        return image.size if _orientation(image) in (5, 6, 7, 8) else image.size[::-1]
