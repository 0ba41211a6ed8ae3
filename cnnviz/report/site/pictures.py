"""Files that the pages show: sprite sheets, pictures and tiny kernels. One sheet per layer, so that a page with all
filters of a layer makes one request for them.
"""

import base64
import io
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cnnviz.report.pictures import Picture, opened, size
from cnnviz.report.site.links import url

QUALITY, METHOD = 78, 0  # of WebP: files of few kilobytes, quickly made
FRAMES = 120  # of a film at most
FILM = 96  # pixels: smaller ones are enlarged until they nearly have as many
QUICK, EASY, LAST = 60, 600, 1800  # milliseconds of a frame, and of the last one
WAITING = 64  # pictures that wait for their turn,
HELD = 64_000_000  # and bytes of the arrays that they are made of, where these are large
SMALLEST = 256  # a histogram shows values down to this part of the largest
TALLEST = 128  # rows of a sheet that is 16 tiles wide: a WebP has 16,383 pixels at most
PART, ABREAST, LARGEST = 64, 8, 256  # pictures of a sheet at their own size, those in a row, pixels of one
TILES = ((64, 128), (256, 96), (10**9, 64))  # (up to so many tiles, pixels of each)


@dataclass(frozen=True)
class Sheet:
    """A grid of square tiles in one file; `index` says which tile belongs to which filter."""

    path: str
    columns: int
    rows: int
    index: dict[int, int]
    insets: dict[int, tuple[float, float]] = field(default_factory=dict)  # of tiles that are no square

    @property
    def src(self) -> str:
        return url(*self.path.split("/"))

    def place(self, k: int) -> tuple[int, int] | None:
        """Column and row of filter k."""
        at = self.index.get(k)
        return None if at is None else (at % self.columns, at // self.columns)


class Files:
    """Writes the files of the site. Pictures are encoded by threads, beside the pages that name them."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.waiting: deque[tuple[Future[None], int]] = deque()
        self.held = 0
        self.folders: set[Path] = set()
        self.begin()

    def begin(self) -> None:
        """Once more after `finish`, as in another process."""
        self.pool = ThreadPoolExecutor(os.cpu_count() or 1)

    def write(self, path: str, data: bytes) -> None:
        """Into a folder that is new: what a kill leaves is made again from the start. No file is written twice."""
        target = self.out / path
        if target.parent not in self.folders:
            target.parent.mkdir(parents=True, exist_ok=True)
            self.folders.add(target.parent)
        with target.open("xb") as file:
            file.write(data)

    def later(self, path: str, make: Callable[[], bytes], held: int = 0) -> None:
        """Make and write a file beside other work; few wait at a time, so that memory stays bounded.

        held: bytes that `make` holds, where they are many.
        """
        self.waiting.append((self.pool.submit(lambda: self.write(path, make())), held))
        self.held += held
        while len(self.waiting) > WAITING or self.held > HELD:
            self._wait()

    def _wait(self) -> None:
        """For the file that was asked for first."""
        made, held = self.waiting.popleft()
        made.result()
        self.held -= held

    def copy(self, source: Path, path: str, alt: str) -> Picture | None:
        """Take a picture over as it is, with its SVG where that lies beside it; None where there is none.

        Raises InputError if it is no image.
        """
        if not source.is_file():
            return None
        width, height = size(source)
        self.write(path, source.read_bytes())
        vector = ""
        if source.with_suffix(".svg").is_file():
            vector = path.removesuffix(".png") + ".svg"
            self.write(vector, source.with_suffix(".svg").read_bytes())
        return Picture(url(*path.split("/")), width, height, alt, url(*vector.split("/")))

    def unpack(self, picture: Picture, path: str) -> Picture:
        """Write a picture that was made for the inside of a page into a file of its own."""
        self.write(path, base64.b64decode(picture.src.partition(",")[2]))
        return replace(picture, src=url(*path.split("/")))

    def finish(self) -> None:
        """Wait for all files. Raises what went wrong with one of them."""
        while self.waiting:
            self._wait()
        self.pool.shutdown()


def webp(image: Image.Image | NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, "WEBP", quality=QUALITY, method=METHOD)
    return buffer.getvalue()


def png(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def write_sheet(files: Files, path: str, filters: Mapping[int, int], images: NDArray[np.uint8]) -> Sheet:
    """Write images `(n, h, w, 3)` as one sheet of squares, on white where they are none.

    filters: which image is whose, in the order of the sheet.
    """
    size = next(pixels for most, pixels in TILES if len(images) <= most)
    size = min(size, max(images.shape[1:3]))
    columns = min(len(images), 16 * -(-len(images) // (16 * TALLEST)))
    rows = -(-len(images) // columns)
    sheet = np.zeros((rows * size, columns * size, 3), np.uint8)
    for i, image in enumerate(_square(images[row]) for row in filters.values()):
        if image.shape[0] != size:
            image = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS))
        y, x = i // columns * size, i % columns * size
        sheet[y : y + size, x : x + size] = image
    files.later(path, lambda: webp(sheet), sheet.nbytes)
    return Sheet(path, columns, rows, {k: i for i, k in enumerate(filters)})


def write_parts(files: Files, path: str, images: NDArray[np.uint8]) -> None:
    """Write images `(n, h, w, 3)` at their own size, PART to a sheet: `<path>_0.webp`, `<path>_1.webp`, …"""
    for start in range(0, len(images), PART):
        some = list(images[start : start + PART])
        make = partial(strip, some, LARGEST, ABREAST)
        files.later(f"{path}_{start // PART}.webp", make, sum(one.nbytes for one in some))


def rewrite_overview(
    files: Files, path: str, source: Path, count: int, insets: dict[int, tuple[float, float]], gap: int = 3
) -> Sheet | None:
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
    files.later(path, lambda: webp(tiles), tiles.nbytes)
    return Sheet(path, columns, rows, {k: k for k in range(count)}, insets)


def strip(images: Sequence[NDArray[np.uint8]], size: int, columns: int = 0) -> bytes:
    """Images row by row without a gap, each `size` pixels wide at most; on a square of white where they are none.

    columns: 0 puts all of them side by side.
    """
    tiles = [Image.fromarray(i) for i in map(_square, images)]
    side, columns = min(size, tiles[0].width), columns or len(tiles)
    sheet = Image.new("RGB", (side * columns, side * -(-len(tiles) // columns)))
    for i, picture in enumerate(tiles):
        small = picture if picture.size == (side, side) else picture.resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(small, (i % columns * side, i // columns * side))
    return webp(sheet)


def film(snapshots: NDArray[np.uint8]) -> bytes:
    """States of a picture `(s, h, w, 3)` as an animated WebP that starts again and again, at their own size.

    Small ones are enlarged by a whole factor.
    """
    chosen = sorted({int(i) for i in np.linspace(0, len(snapshots) - 1, min(FRAMES, len(snapshots))).round()})
    factor = max(1, FILM // max(snapshots.shape[1:3]))
    frames = [ImageOps.scale(Image.fromarray(snapshots[i]), factor, Image.Resampling.NEAREST) for i in chosen]
    each = min(EASY, max(QUICK, 5000 // len(frames)))
    buffer = io.BytesIO()
    lasting = [each] * (len(frames) - 1) + [LAST]
    options = {"duration": lasting, "loop": 0, "quality": QUALITY, "method": METHOD}
    options |= {"kmin": 0, "kmax": 0}  # else each frame is encoded twice, as a key frame and as none
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], **options)
    return buffer.getvalue()


def _square(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    side = max(image.shape[:2])
    if image.shape[0] == image.shape[1]:
        return image
    square = np.full((side, side, 3), 255, np.uint8)
    above, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    square[above : above + image.shape[0], left : left + image.shape[1]] = image
    return square


def diverging(kernels: Sequence[NDArray[np.float32]]) -> str:
    """Kernels `(kh, kw)` side by side as data URI, a pixel per weight: red positive, blue negative, white 0.

    One scale for all; smaller ones stand in the middle of a box as large as the largest.
    """
    height, width = (max(kernel.shape[axis] for kernel in kernels) for axis in (0, 1))
    value = np.zeros((height, len(kernels) * width, 1), np.float32)
    for i, kernel in enumerate(kernels):
        top, left = (height - kernel.shape[0]) // 2, i * width + (width - kernel.shape[1]) // 2
        value[top : top + kernel.shape[0], left : left + kernel.shape[1], 0] = kernel
    return exactly(signed(value[..., 0] / (float(np.abs(value).max()) or 1.0)))


def signed(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Numbers -1..1 `(h, w)` as colours `(h, w, 3)`: red positive, blue negative, white 0."""
    red, blue = np.array([178, 24, 43], np.float32), np.array([33, 102, 172], np.float32)
    value = values[..., None]
    return np.rint(255 + (np.where(value > 0, red, blue) - 255) * np.abs(value)).astype(np.uint8)


def colours(kernel: NDArray[np.float32]) -> str:
    """A kernel `(kh, kw, 3)` in RGB as data URI, between its own minimum and maximum."""
    low, high = float(kernel.min()), float(kernel.max())
    return exactly(np.nan_to_num(np.rint((kernel - low) * (255 / ((high - low) or 1)))).astype(np.uint8))


def exactly(pixels: NDArray[np.uint8]) -> str:
    """A few pixels `(h, w, 3)` as data URI, without loss."""
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode()


def outlines(counts: list[NDArray], edges: NDArray[np.float64]) -> list[tuple[str, float, float]]:
    """Histograms of one filter on several sets -> SVG paths in a 300 x 60 box, all over the same range of values.

    counts: `(bins,)` each. What is below 1/256 of the largest value counts as 0. With each path: the first and last of
    the drawn edges.
    """
    used = np.flatnonzero(np.sum(counts, axis=0) > 0)
    first, last = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, len(edges) - 1)
    small = max(abs(edges[first]), abs(edges[last])) / SMALLEST
    starts = [i for i in range(first, last) if i == first or abs(edges[i]) >= small or edges[i - 1] <= -small]
    shares = [np.add.reduceat(c[first:last], np.array(starts) - first) / max(c.sum(), 1) for c in counts]
    highest = max(float(one.max()) for one in shares) or 1.0
    step = 300 / len(starts)
    found = []
    for one in shares:
        path = "M0,60"
        for i, share in enumerate(one):
            path += f"V{60 - 56 * share / highest:.1f}H{(i + 1) * step:.1f}"
        found.append((path + "V60Z", float(edges[first]), float(edges[last])))
    return found
