"""One image file -> pixels; whatever is wrong with it is one line."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from cnnviz.errors import InputError
from cnnviz.files import lfs_pointer
from cnnviz.images.levels import as_bytes
from cnnviz.images.sets import Pixels

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP")
KINDS = "PNG, JPEG, WebP, TIFF, GIF or BMP"
MAX_PIXELS = 50_000_000  # of one image; a larger one is taken for a mistake or a decompression bomb
WHITE = "white"

# Pillow keeps only the high byte of two where a pixel has several 16-bit channels. Read by the raw mode on the right,
# the same file gives the low bytes.
_LOW = {f"{mode};16{order}": f"{mode};16{other}" for mode in ("RGB", "RGBA") for order, other in ("BL", "LB", "NB")}
_GREY_ALPHA = "LA;16B"  # has no such partner, but its four bytes are those of an RGBA pixel


@dataclass(frozen=True)
class Header:
    """What a file says before its pixels are decoded.

    deep: more than 8 bits a channel, or floating point; frames: its first is taken.
    """

    height: int
    width: int
    deep: bool
    frames: int


@contextmanager
def _opened(stream: Any, name: str) -> Iterator[Image.Image]:
    """Open an image file; whatever is wrong with it, here or in the body, becomes an InputError naming it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Pillow's remarks on odd EXIF data
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if not isinstance(stream, Path):
                stream.seek(0)
            with Image.open(stream, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"{name}: over {MAX_PIXELS // 10**6} million pixels; scale it down first") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, TypeError, KeyError) as error:
        if isinstance(error, UnidentifiedImageError):
            if isinstance(stream, Path) and (pointer := lfs_pointer(stream)):
                raise InputError(f"{name}: {pointer}") from None
            raise InputError(f"{name}: damaged or no {KINDS} image; save it again as PNG, or remove it") from None
        said = " ".join(str(error).split())[:120]
        raise InputError(f"{name}: damaged or cut short ({said}); copy it again, or remove it") from None


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8. For a PNG file without it, Pillow would decode all of the image first."""
    if image.format == "TIFF":  # turned by Pillow itself, its size is that of the upright image
        return 1
    known = image.format != "PNG" or any("exif" in str(key).lower() or "xmp" in str(key) for key in image.info)
    return image.getexif().get(0x0112, 1) if known else 1


def _raw_mode(image: Image.Image) -> str:
    """How Pillow calls the arrangement of the file's bytes."""
    arguments = tile[0][3] if (tile := getattr(image, "tile", None)) else ""
    return str(arguments if isinstance(arguments, str) else (arguments or ("",))[0])


def header(stream: Any, name: str) -> Header:
    """Read no more than the header of a file (path or binary stream). Raises InputError as `decode` does."""
    with _opened(stream, name) as image:
        turned = _orientation(image) in (5, 6, 7, 8)
        width, height = image.size[::-1] if turned else image.size
        raw = _raw_mode(image)
        deep = image.mode[0] in "IF" or raw in _LOW or raw == _GREY_ALPHA
        return Header(height, width, deep, getattr(image, "n_frames", 1))


def _upright(image: Image.Image) -> Image.Image:
    return image if _orientation(image) == 1 else ImageOps.exif_transpose(image)


def deep_values(stream: Any, name: str) -> NDArray:
    """A `deep` file's numbers as they stand in it: `(h, w, channels)`, grey, RGB, or either with a last of alpha."""
    with _opened(stream, name) as image:
        if image.mode[0] in "IF":
            return np.asarray(_upright(image))[..., None]
        raw = _raw_mode(image)
        grey = raw == _GREY_ALPHA
        if grey:
            _read_as(image, "RGBA")
        first = np.asarray(_upright(image)).astype(np.uint16)
    if grey:
        return first[..., ::2] << 8 | first[..., 1::2]
    with _opened(stream, name) as image:
        _read_as(image, _LOW[raw])
        return first << 8 | np.asarray(_upright(image))


def _read_as(image: Image.Image, mode: str) -> None:
    """Let Pillow read the file's bytes by another raw mode."""

    def changed(arguments: Any) -> Any:
        return mode if isinstance(arguments, str) else (mode, *arguments[1:])

    image.tile = [(*tile[:3], changed(tile[3])) for tile in image.tile]  # type: ignore[attr-defined]


def decode(stream: Any, name: str, background: str = WHITE) -> Pixels:
    """Decode an image file (path or binary stream) to uint8 `(h, w, 3)`, RGB, turned upright by its EXIF tag.

    Grey, palette, CMYK, 16 bit and float images are converted (levels.py); transparent ones are laid over the
    `background`; of several images in a file the first is taken. Raises InputError naming the file where it is damaged,
    cut short, too large or of another format.
    """
    return decoded(stream, name, background)[0]


def decoded(
    stream: Any,
    name: str,
    background: str = WHITE,
    largest: float | None = None,
    size: tuple[int, int] | None = None,
) -> tuple[Pixels, bool]:
    """What `decode` returns, and whether anything of it was transparent.

    largest: see `as_bytes`. size: height and width, smaller ones, to be scaled to while reading.
    """
    clear = False
    about = header(stream, name)
    if about.deep:
        values = deep_values(stream, name)
        alpha = values[..., -1] if values.shape[2] in (2, 4) else None
        colour = values if alpha is None else values[..., :-1]
        made = as_bytes(colour, name, largest)
        made = np.repeat(made, 3, axis=-1) if made.shape[2] == 1 else made
        if alpha is not None:
            made, clear = _over(Image.fromarray(np.dstack([made, as_bytes(alpha, name)])), background)
        return made if size is None else shrunk(made, size), clear
    with _opened(stream, name) as image:
        if size is not None and image.format in ("JPEG", "MPO"):
            turned = _orientation(image) in (5, 6, 7, 8)
            image.draft(None, size if turned else size[::-1])
        upright = _upright(image)
        if upright.has_transparency_data:
            made, clear = _over(upright.convert("RGBA"), background)
        else:
            made = np.asarray(upright.convert("RGB"))
    return made if size is None else shrunk(made, size), clear


def _over(image: Image.Image, background: str) -> tuple[Pixels, bool]:
    """Lay an RGBA image over a colour; and whether that changes anything."""
    ground = Image.new("RGBA", image.size, ImageColor.getrgb(background)[:3])
    clear = bool((np.asarray(image)[..., 3] < 255).any())
    return np.asarray(Image.alpha_composite(ground, image).convert("RGB")), clear


def shrunk(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Scale uint8 `(h, w, channels)` to `(height, width, channels)`, averaging; the image itself at its own size."""
    if image.shape[:2] == size:
        return image
    if image.shape[2] == 3:
        return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS))
    planes = [Image.fromarray(plane).resize(size[::-1], Image.Resampling.LANCZOS) for plane in np.moveaxis(image, 2, 0)]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)
