"""Pictures that stand inside a page: images as data URIs, curves and histograms as SVG coordinates."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cnnviz.errors import InputError

QUALITY = 84  # of WebP
Image.MAX_IMAGE_PIXELS = None  # our own montages; a whole layer of VGG16 is larger than Pillow's alarm


@dataclass(frozen=True)
class Picture:
    """An image inside the page. `width` and `height` in pixels, `alt` says what it shows; vector: it as SVG."""

    src: str
    width: int
    height: int
    alt: str
    vector: str = ""


@dataclass(frozen=True)
class Line:
    """One curve of a chart: an SVG `points` string, and the places of the marks on it."""

    label: str
    points: str
    marks: list[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """Curves in a `width` x `height` box; ticks are (position, text). left: where the axis is, right of its texts."""

    width: int
    height: int
    left: int
    lines: list[Line]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Inliner:
    """Turns images into data URIs. `scale` below 1 makes all of them smaller, for a page that got too large."""

    scale: float = 1.0

    def photo(self, image: Image.Image | NDArray[np.uint8], alt: str, width: int) -> Picture:
        """Inline a picture with soft edges (lossy), at most `width` pixels wide, never enlarged."""
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        return _encode(_shrink(picture, round(width * self.scale)), alt)

    def file(self, path: Path, alt: str, width: int, flat: bool = False) -> Picture | None:
        """Inline an image file, or return None where there is none.

        `flat`: few colours and hard edges (kernels), kept as it is and without loss unless the page got too large.

        Raises InputError if the file is no image.
        """
        if not path.is_file():
            return None
        if flat and self.scale == 1:
            return Picture(_uri(path.read_bytes(), "png"), *size(path), alt)
        return self.photo(opened(path), alt, width)

    def strip(self, images: NDArray[np.uint8], alt: str, tile: int) -> Picture:
        """Inline images (n, h, w, 3) side by side, each at most `tile` pixels wide."""
        tiles = [_shrink(Image.fromarray(i), round(tile * self.scale)) for i in images]
        gap = 2
        width = sum(t.width for t in tiles) + gap * (len(tiles) - 1)
        sheet = Image.new("RGB", (width, max(t.height for t in tiles)), (127, 127, 127))
        for i, picture in enumerate(tiles):
            sheet.paste(picture, (i * (tiles[0].width + gap), 0))
        return _encode(sheet, alt)


def opened(path: Path) -> Image.Image:
    """Read an image file as RGB or grey. Raises InputError if it is no image."""
    try:
        with Image.open(path) as image:
            return image.convert("RGB") if image.mode not in ("RGB", "L") else image.copy()
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{path}: not a readable image; `dvc repro --force` writes it again") from error


def size(path: Path) -> tuple[int, int]:
    """Width and height of an image file, without decoding it. Raises InputError if it is no image."""
    try:
        with Image.open(path) as image:
            return image.size
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{path}: not a readable image; `dvc repro --force` writes it again") from error


def _encode(picture: Image.Image, alt: str) -> Picture:
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=QUALITY, method=1)
    return Picture(_uri(buffer.getvalue(), "webp"), picture.width, picture.height, alt)


def _uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _shrink(picture: Image.Image, width: int) -> Image.Image:
    width = max(width, 8)
    if picture.width <= width:
        return picture
    return picture.resize((width, max(round(picture.height * width / picture.width), 1)), Image.Resampling.LANCZOS)


def _nice(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def curves(
    scores: NDArray[np.float32],
    labels: Sequence[str],
    mark_steps: Sequence[int],
    mark_scores: NDArray[np.float32],
    width: int = 360,
    height: int = 190,
) -> Chart | None:
    """Chart of scores (n, steps) over the step, a line per row, with marks (n, s) at `mark_steps`.

    Returns None without a finite score.
    """
    values, marks = np.asarray(scores, np.float64), np.asarray(mark_scores, np.float64)
    finite = np.concatenate([values[np.isfinite(values)], marks[np.isfinite(marks)]])
    if not finite.size or values.shape[1] < 2:
        return None
    low, high = min(float(finite.min()), 0.0), float(finite.max())
    high = high if high > low else low + 1
    ticks = [(v, _nice(v)) for v in sorted({low, 0.0, high / 2, high})]
    left = max(46, 12 + 7 * max(len(text) for _, text in ticks))  # 7: of a digit at the size of style.css, in pixels
    right, top, bottom = 10, 10, 22
    end = values.shape[1] - 1
    last = max(end, *mark_steps)

    def x(step: float) -> float:
        return round(left + (width - left - right) * step / last, 1)

    def y(score: float) -> float:
        return round(top + (height - top - bottom) * (high - score) / (high - low), 1)

    kept = sorted({*range(min(end, 32) + 1), *np.linspace(0, end, 120).round().astype(int).tolist()})
    lines = []
    for label, row, dots in zip(labels, values, marks, strict=True):
        points = " ".join(f"{x(s)},{y(row[s])}" for s in kept if np.isfinite(row[s]))
        places = [(x(s), y(v)) for s, v in zip(mark_steps, dots, strict=True) if np.isfinite(v)]
        lines.append(Line(label, points, places))
    x_ticks = [(x(s), str(s)) for s in sorted({0, *(t for t in (10, 100) if t < last * 0.85), last})]
    return Chart(width, height, left, lines, x_ticks, [(y(v), text) for v, text in ticks])


def histogram(values: Sequence[float], low: float, high: float, bins: int = 24) -> list[float]:
    """Heights in [0, 1] of equal bins from low to high; the tallest is 1, all are 0 where there is no value."""
    data = np.asarray([v for v in values if v is not None and np.isfinite(v)], np.float64)
    counts = np.histogram(np.clip(data, low, high), bins, (low, high if high > low else low + 1))[0]
    return [round(float(c) / max(int(counts.max()), 1), 3) for c in counts]


def profile(layers: Sequence[dict[str, Any]], width: int = 960, height: int = 120) -> list[dict[str, Any]]:
    """A block per conv layer, side by side: as high as its output is large, as wide as it has filters (both eased)."""
    gap = 3 if len(layers) < 30 else 2
    wide = [math.log2(layer["filters"]) + 1 for layer in layers]
    tall = [math.sqrt(layer["output_shape"][0] or 1) for layer in layers]
    unit = (width - gap * (len(layers) - 1)) / sum(wide)
    blocks, x = [], 0.0
    for layer, w, h in zip(layers, wide, tall, strict=True):
        size = max(round(height * h / max(tall), 1), 4.0)
        blocks.append({"layer": layer, "x": round(x, 1), "y": height - size, "w": round(w * unit, 1), "h": size})
        x += w * unit + gap
    return blocks
