"""Captioned pictures, as HTML for a notebook and as one picture for all else."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from cnnviz.pictures import Picture, montage, png_bytes

TILE = 144  # pixels of a tile on the page
COARSE = 96  # pixels up to which a picture is enlarged with its pixels as squares
# Colours that can be read on white and on black: half transparent, or white on a dark ground
BADGES = {"ok": "#1a7f37", "weak": "#9a6700", "dead": "#b42318"}
QUIET = "font-size:12px;line-height:1.35;opacity:.75"


@dataclass(frozen=True)
class Tile:
    """A picture uint8 `(h, w, 3)` with words. name: of its file; status: ok, weak, dead or none."""

    picture: Picture
    name: str
    title: str = ""
    lines: Sequence[str] = ()
    status: str = ""


@dataclass(frozen=True)
class Row:
    """Tiles side by side. width: of each in pixels, 0 for a sheet in its own size."""

    label: str
    tiles: Sequence[Tile]
    width: int = TILE


def as_picture(image: NDArray[np.uint8]) -> Picture:
    """An image `(h, w, channels)` as RGB `(h, w, 3)`; with neither 1 nor 3 channels, they lie side by side, grey."""
    if image.shape[2] == 3:
        return image
    if image.shape[2] == 1:
        return np.repeat(image, 3, axis=2)
    return montage.montage(np.moveaxis(image, 2, 0))


def safe(text: str, most: int = 200) -> str:
    """Text as part of a file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._")[:most] or "picture"


def html(row: Row) -> str:
    """A row for a notebook: no script, no style sheet, legible on light and dark ground."""
    label = f'<div style="margin:10px 0 0">{escape(row.label)}</div>' if row.label else ""
    tiles = "".join(_figure(tile, row.width) for tile in row.tiles)
    return f'{label}<div style="display:flex;flex-wrap:wrap;gap:12px;margin:6px 0">{tiles}</div>'


def _figure(tile: Tile, width: int) -> str:
    data = base64.b64encode(png_bytes(tile.picture)).decode()
    high, wide = tile.picture.shape[:2]
    style = f"width:{width}px;height:{round(width * high / wide)}px" if width else "max-width:100%;height:auto"
    if width and max(high, wide) <= COARSE:
        style += ";image-rendering:pixelated"
    words = ""
    if tile.title:
        words = f'<div style="font-size:13px;overflow-wrap:anywhere">{escape(tile.title)}{_badge(tile.status)}</div>'
    lines = "".join(f"<div>{escape(line)}</div>" for line in tile.lines)
    words += f'<div style="{QUIET}">{lines}</div>' if lines else ""
    alt = escape(" ".join([tile.title or tile.name, tile.status, *tile.lines]))
    image = f'<img alt="{alt}" src="data:image/png;base64,{data}" style="{style};margin:0">'
    return f'<div style="{f"width:{width}px" if width else "max-width:100%"}">{image}{words}</div>'


def _badge(status: str) -> str:
    style = f"background:{BADGES.get(status, '#57606a')};color:#fff;border-radius:8px;padding:0 7px;font-size:11px"
    return f' <span style="{style}">{escape(status)}</span>' if status else ""


def band(row: Row) -> Picture:
    """A row as one picture, its words above the tiles; many without a label are laid out about square."""
    if row.width:
        tiles = np.stack([_square(tile.picture, row.width) for tile in row.tiles])
        words = [[": ".join(filter(None, [t.title, t.status])), *t.lines] for t in row.tiles]
        for i in reversed(range(max(map(len, words)))):
            tiles = montage.caption(tiles, [_cut(w[i], row.width) if i < len(w) else "" for w in words], 10)
    else:
        tiles = row.tiles[0].picture[None]
    laid = montage.montage(tiles, len(tiles) if row.label else None, padding=6)
    return montage.caption(laid[None], [_cut(row.label, laid.shape[1], 12)], 12)[0] if row.label else laid


def _square(picture: Picture, size: int) -> Picture:
    tile = montage.fit(picture[None], size)[0]
    above, left = (size - tile.shape[0]) // 2, (size - tile.shape[1]) // 2
    square = np.full((size, size, 3), montage.WHITE, np.uint8)
    square[above : above + tile.shape[0], left : left + tile.shape[1]] = tile
    return square


def _cut(text: str, width: int, font_size: int = 10) -> str:
    """Text that fits `width` pixels when drawn, … where something is missing."""
    if montage.text_size(text, font_size)[0] <= width:
        return text
    while text and montage.text_size(f"{text}…", font_size)[0] > width:
        text = text[:-1]
    return f"{text}…"
