"""Files that the pages show: sprite sheets, pictures and tiny kernels. One sheet per layer, so that a page with all
filters of a layer makes one request for them.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnviz.report_pictures import QUALITY, Picture, opened
from cnnviz.site.links import url
from cnnviz.stage import write_bytes

TILES = ((64, 128), (256, 96), (10**9, 64))  # (up to so many tiles, pixels of each)


@dataclass(frozen=True)
class Sheet:
    """A grid of square tiles in one file; `index` says which tile belongs to which filter."""

    path: str
    columns: int
    rows: int
    index: dict[int, int]

    def place(self, k: int) -> tuple[int, int] | None:
        """Column and row of filter k."""
        at = self.index.get(k)
        return None if at is None else (at % self.columns, at // self.columns)


def webp(image: Image.Image | NDArray[np.uint8], lossless: bool = False) -> bytes:
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, "WEBP", lossless=lossless, quality=30 if lossless else QUALITY, method=2)
    return buffer.getvalue()


def png(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def write_sheet(out: Path, path: str, filters: Sequence[int], images: NDArray[np.uint8]) -> Sheet:
    """Write images `(n, h, w, 3)` of these filters as one sheet."""
    size = next(pixels for most, pixels in TILES if len(images) <= most)
    size = min(size, images.shape[1])
    columns = min(len(images), 16)
    rows = -(-len(images) // columns)
    sheet = np.zeros((rows * size, columns * size, 3), np.uint8)
    for i, image in enumerate(images):
        if image.shape[0] != size:
            image = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS))
        y, x = i // columns * size, i % columns * size
        sheet[y : y + size, x : x + size] = image
    write_bytes(out / path, webp(sheet))
    return Sheet(path, columns, rows, {int(k): i for i, k in enumerate(filters)})


def rewrite_overview(out: Path, path: str, source: Path, count: int, gap: int = 3) -> Sheet | None:
    """The picture of the best patch of every filter (examples.overview), without its numbers and gaps, as a sheet."""
    if not source.is_file():
        return None
    columns = min(32, count)
    rows = -(-count // columns)
    pixels = np.asarray(opened(source).convert("RGB"))[gap:, gap:]
    high, wide = pixels.shape[0] // rows, pixels.shape[1] // columns
    tile = wide - gap
    number = high - gap - tile  # pixels of the line above a tile
    tiles = pixels[: rows * high, : columns * wide].reshape(rows, high, columns, wide, 3)
    tiles = tiles[:, number : number + tile, :, :tile].reshape(rows * tile, columns * tile, 3)
    write_bytes(out / path, webp(tiles))
    return Sheet(path, columns, rows, {k: k for k in range(count)})


def strip(images: Sequence[NDArray[np.uint8]], size: int) -> bytes:
    """Images side by side without a gap, each `size` pixels wide at most."""
    tiles = [Image.fromarray(i) for i in images]
    side = min(size, tiles[0].width)
    sheet = Image.new("RGB", (side * len(tiles), side))
    for i, picture in enumerate(tiles):
        small = picture if picture.size == (side, side) else picture.resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(small, (i * side, 0))
    return webp(sheet)


def unpack(out: Path, path: str, picture: Picture) -> Picture:
    """Write a picture that was made for the inside of a page into a file of its own."""
    write_bytes(out / path, base64.b64decode(picture.src.partition(",")[2]))
    return replace(picture, src=url(*path.split("/")))


def diverging(kernel: NDArray[np.float32], scale: float) -> str:
    """A kernel `(kh, kw)` as data URI, a pixel per weight: red positive, blue negative, white 0."""
    value = np.clip(kernel / (scale or 1.0), -1, 1)[..., None]
    red, blue = np.float32([178, 24, 43]), np.float32([33, 102, 172])
    target = np.where(value > 0, red, blue)
    return _uri(255 + (target - 255) * np.abs(value))


def colours(kernel: NDArray[np.float32]) -> str:
    """A kernel `(kh, kw, 3)` in RGB as data URI, between its own minimum and maximum."""
    low, high = float(kernel.min()), float(kernel.max())
    return _uri((kernel - low) * (255 / ((high - low) or 1)))


def _uri(pixels: NDArray) -> str:
    return "data:image/png;base64," + base64.b64encode(png(np.rint(pixels).astype(np.uint8))).decode()
