"""A filter on one small picture, to share: its image, patches and words, with source and digest written on it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, EDGE = 800, 420, 24  # pixels
SIDE, PATCH, PATCHES = 320, 58, 6
PAPER, INK, SOFT, MADE, NATURAL = "#fbfaf7", "#1c1e21", "#5d636b", "#6d3fc0", "#176b34"
COLOURS = 255  # of the file, which stays small


@dataclass(frozen=True)
class Card:
    """picture: uint8 `(h, w, 3)`; patches: `(h, w, 3)` each; numbers, words: lines; source: lines of the foot."""

    title: str
    place: str
    picture: NDArray[np.uint8]
    patches: Sequence[NDArray[np.uint8]]
    numbers: Sequence[str]
    words: Sequence[str]
    source: Sequence[str]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: people's notes have letters that Pillow's own font lacks."""
    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def png(card: Card) -> bytes:
    """The card as PNG."""
    sheet = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(sheet)
    shown = _enlarged(card.picture)
    left, top = EDGE + (SIDE - shown.width) // 2, EDGE + (SIDE - shown.height) // 2
    sheet.paste(shown, (left, top))
    _tag(draw, left, top + shown.height, "made", MADE)
    x, y, most = EDGE + SIDE + EDGE, EDGE, WIDTH - 3 * EDGE - SIDE
    for text, size, colour in ((card.title, 28, INK), (card.place, 15, SOFT), *((n, 15, INK) for n in card.numbers)):
        draw.text((x, y), _cut(text, size, most), colour, _font(size))
        y += round(size * 1.45)
    bottom = EDGE + SIDE - (PATCH + 22 if card.patches else 0)
    for text in card.words:
        for line in _wrapped(text, 14, most):
            if y + 20 <= bottom:
                draw.text((x, y + 4), line, INK, _font(14))
                y += 20
    if card.patches:
        draw.text((x, bottom), "in natural images it reacts most to", SOFT, _font(12))
        for i, patch in enumerate(card.patches[:PATCHES]):
            at = (x + i * (PATCH + 8), bottom + 22)
            sheet.paste(Image.fromarray(patch).resize((PATCH, PATCH), Image.Resampling.BOX), at)
            if not i:
                _tag(draw, at[0], at[1] + PATCH, "natural", NATURAL)
    for i, text in enumerate(card.source[:2]):
        draw.text((EDGE, EDGE + SIDE + 16 + 19 * i), _cut(text, 12, WIDTH - 2 * EDGE), SOFT, _font(12))
    buffer = io.BytesIO()
    sheet.quantize(COLOURS, Image.Quantize.FASTOCTREE).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def _enlarged(picture: NDArray[np.uint8]) -> Image.Image:
    """A whole number of times as large, or reduced to fit."""
    image, longest = Image.fromarray(picture), max(picture.shape[:2])
    if longest <= SIDE:
        times = SIDE // longest
        return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    size = (max(1, image.width * SIDE // longest), max(1, image.height * SIDE // longest))
    return image.resize(size, Image.Resampling.BOX)


def _tag(draw: ImageDraw.ImageDraw, left: int, bottom: int, text: str, colour: str) -> None:
    """The kind of a picture, in its lower left corner."""
    wide = round(draw.textlength(text, _font(11))) + 8
    draw.rectangle((left, bottom - 16, left + wide, bottom - 1), colour)
    draw.text((left + 4, bottom - 15), text, "white", _font(11))


def _cut(text: str, size: int, most: int) -> str:
    """One line of at most so many pixels."""
    text = " ".join(text.split())
    while text and _font(size).getlength(text) > most:
        text = text.removesuffix("…")[:-1].rstrip() + "…"
    return text


def _wrapped(text: str, size: int, most: int) -> list[str]:
    """At most three lines."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _font(size).getlength(longer) <= most:
            lines[-1] = longer
        else:
            lines.append(_cut(word, size, most))
    return [*lines[:2], _cut(" ".join(lines[2:]), size, most)] if len(lines) > 3 else lines
