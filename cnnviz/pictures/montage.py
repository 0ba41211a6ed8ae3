"""Arrays -> pictures: tiles of equal size on a grid, with labels, as uint8 arrays and PNG bytes.

A tile is an image `(h, w)` (grey) or `(h, w, 3)` (RGB); `tiles` are `(n, h, w)` or `(n, h, w, 3)`.
"""

import io
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]

WHITE, INK = 255, (60, 60, 60)
_BLUE, _RED = np.array([33.0, 102.0, 172.0]), np.array([178.0, 24.0, 43.0])  # ends of ColorBrewer's RdBu


def _rgb(tiles: NDArray) -> Picture:
    """Return tiles as uint8 `(n, h, w, 3)`; grey ones get three equal channels."""
    tiles = np.asarray(tiles)
    if tiles.ndim == 3:
        tiles = np.repeat(tiles[..., None], 3, axis=-1)
    if tiles.ndim != 4 or tiles.shape[-1] != 3 or 0 in tiles.shape:
        raise ValueError(f"expected at least one tile, shape (n, h, w) or (n, h, w, 3), got shape {tiles.shape}")
    if tiles.dtype != np.uint8:
        raise ValueError(f"expected uint8 tiles (see to_uint8), got {tiles.dtype}")
    return tiles


def to_uint8(x: ArrayLike, low: ArrayLike, high: ArrayLike) -> Picture:
    """Scale numbers so that `low` becomes 0 and `high` 255, rounded; what lies outside is clipped.

    x: any shape; low, high: numbers, or arrays that broadcast against x (one scale per tile: shape `(n, 1, 1, 1)`).
    Where `high` is not above `low` (a constant tile), and where x is no number, the result is 0.
    """
    x, low, high = (np.asarray(a, np.float64) for a in (x, low, high))
    span = np.where(high > low, high - low, np.inf)
    return np.nan_to_num(np.rint(np.clip((x - low) / span, 0, 1) * 255)).astype(np.uint8)


def diverging(x: ArrayLike, limit: ArrayLike) -> Picture:
    """Colour numbers blue (`-limit`) over white (0) to red (`limit`), clipped beyond: shape `x.shape + (3,)`, uint8.

    `limit` is a number or an array that broadcasts against x; where it is 0 everything is white.
    """
    x, limit = np.asarray(x, np.float64), np.asarray(limit, np.float64)
    share = np.clip(x / np.where(limit > 0, limit, np.inf), -1, 1)[..., None]
    colour = np.where(share < 0, _BLUE, _RED)
    return np.rint(255 + np.abs(share) * (colour - 255)).astype(np.uint8)


def enlarge(tiles: NDArray, factor: int) -> NDArray:
    """Repeat every pixel `factor` times in both directions: tiles `(n, h, w[, 3])` -> `(n, h*f, w*f[, 3])`."""
    if tiles.ndim not in (3, 4) or factor < 1:
        raise ValueError(f"expected tiles (n, h, w[, 3]) and a factor >= 1, got shape {tiles.shape}, factor {factor}")
    return tiles.repeat(factor, axis=1).repeat(factor, axis=2)


def fit(tiles: Picture, size: int) -> Picture:
    """Bring tiles to a longest side of about `size` pixels: `(n, h, w[, 3])` uint8 -> the same with another h, w.

    Small tiles are enlarged by a whole factor, so that their pixels stay squares; large ones are averaged down.
    """
    longest = max(tiles.shape[1:3])
    if longest <= size:
        return enlarge(tiles, max(1, size // longest))
    shape = [max(1, round(side * size / longest)) for side in tiles.shape[1:3]]
    return np.stack([np.asarray(Image.fromarray(t).resize((shape[1], shape[0]), Image.Resampling.BOX)) for t in tiles])


def montage(tiles: NDArray, columns: int | None = None, padding: int = 2, background: int = WHITE) -> Picture:
    """Lay tiles out row by row on a grid.

    tiles: uint8 `(n, h, w)` or `(n, h, w, 3)`, n >= 1; columns: default so that the grid is about square.
    Returns uint8 `(H, W, 3)` with `padding` pixels of `background` between the tiles and around them,
    H = rows * (h + padding) + padding. Raises ValueError on no tiles, another shape or another dtype.
    """
    tiles = _rgb(tiles)
    n, h, w, _ = tiles.shape
    columns = min(n, columns if columns is not None else int(np.ceil(np.sqrt(n))))
    if columns < 1 or padding < 0:
        raise ValueError(f"expected columns >= 1 and padding >= 0, got {columns} and {padding}")
    rows = -(-n // columns)
    grid = np.full((rows * columns, h + padding, w + padding, 3), background, np.uint8)
    grid[:n, padding:, padding:] = tiles
    grid = grid.reshape(rows, columns, h + padding, w + padding, 3).swapaxes(1, 2)
    body = grid.reshape(rows * (h + padding), columns * (w + padding), 3)
    return np.pad(body, ((0, padding), (0, padding), (0, 0)), constant_values=background)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@lru_cache(4096)
def text_size(text: str, font_size: int = 11) -> tuple[int, int]:
    """Width and height in pixels that `text` takes when drawn."""
    left, top, right, bottom = _font(font_size).getbbox(text or " ")
    return int(np.ceil(right - left)), int(np.ceil(bottom - top))


def caption(tiles: NDArray, texts: Sequence[str], font_size: int = 9) -> Picture:
    """Write one text centred above each tile: `(n, h, w[, 3])` -> `(n, h + font_size + 3, w, 3)` uint8.

    A text wider than its tile is left out, since a cut number is a wrong number.
    """
    tiles = _rgb(tiles)
    if len(texts) != len(tiles):
        raise ValueError(f"expected one text per tile, got {len(texts)} texts and tiles of shape {tiles.shape}")
    n, _, w, _ = tiles.shape
    strip = Image.new("RGB", (w * n, font_size + 3), (WHITE,) * 3)
    draw = ImageDraw.Draw(strip)
    for i, text in enumerate(texts):
        if text_size(text, font_size)[0] <= w:
            draw.text((i * w + w // 2, font_size + 1), text, INK, _font(font_size), anchor="ms")
    above = np.asarray(strip).reshape(font_size + 3, n, w, 3).swapaxes(0, 1)
    return np.concatenate([above, tiles], axis=1)


def label_grid(
    tiles: NDArray,
    row_labels: Sequence[str],
    column_labels: Sequence[str] = (),
    padding: int = 2,
    font_size: int = 11,
) -> Picture:
    """Lay `len(row_labels)` rows of tiles out with a label left of each row and, if given, above each column.

    tiles: uint8 `(rows * columns, h, w[, 3])`, row by row. Returns uint8 `(H, W, 3)` on white. Column labels that do
    not fit their column are turned by 90 degrees. Raises ValueError where labels and tiles do not match.
    """
    tiles = _rgb(tiles)
    rows = len(row_labels)
    columns = len(tiles) // max(rows, 1)
    if rows * columns != len(tiles) or (column_labels and len(column_labels) != columns):
        raise ValueError(f"{rows} row and {len(column_labels)} column labels do not match tiles of shape {tiles.shape}")
    _, h, w, _ = tiles.shape
    body = montage(tiles, columns, padding)
    sizes = [text_size(text, font_size) for text in column_labels]
    turned = any(width > w for width, _ in sizes)
    left = max(text_size(text, font_size)[0] for text in row_labels) + 6
    top = ((max(width for width, _ in sizes) if turned else font_size) + 6) if sizes else 0
    canvas = Image.new("RGB", (left + body.shape[1], top + body.shape[0]), (WHITE,) * 3)
    canvas.paste(Image.fromarray(body), (left, top))
    draw = ImageDraw.Draw(canvas)
    for i, text in enumerate(row_labels):
        middle = top + padding + i * (h + padding) + h // 2
        draw.text((left - 3, middle), text, INK, _font(font_size), anchor="rm")
    for i, text in enumerate(column_labels):
        middle = left + padding + i * (w + padding) + w // 2
        if turned:
            word = Image.new("RGB", (top, font_size + 4), (WHITE,) * 3)
            ImageDraw.Draw(word).text((3, font_size // 2 + 2), text, INK, _font(font_size), anchor="lm")
            canvas.paste(word.transpose(Image.Transpose.ROTATE_90), (middle - font_size // 2 - 2, 0))
        else:
            draw.text((middle, top - 4), text, INK, _font(font_size), anchor="ms")
    return np.asarray(canvas)


def png_bytes(picture: NDArray) -> bytes:
    """Encode uint8 `(H, W)` or `(H, W, 3)` as PNG: no metadata, the same bytes every time. ValueError otherwise."""
    picture = np.asarray(picture)
    grey_or_rgb = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[-1] == 3)
    if picture.dtype != np.uint8 or not grey_or_rgb or 0 in picture.shape:
        raise ValueError(f"expected uint8 (h, w) or (h, w, 3), got {picture.dtype} {picture.shape}")
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, "PNG", compress_level=6)
    return stream.getvalue()
