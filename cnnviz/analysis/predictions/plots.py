"""Pictures of predictions, PNG bytes: all of them in one sheet, and one page for each that is explained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import examples
from cnnviz.pictures import montage, plots

Image = NDArray[np.uint8]
SHEET, TILE = 40, 96  # images at most in the sheet; pixels of one
COLUMNS = 6
VIEWS = {"maximized": "maximized image", "patch": "top patch"}


@dataclass(frozen=True)
class FilterView:
    """A filter on an explained page: its maximized image and top patch, None where there is none."""

    title: str
    maximized: Image | None
    patch: Image | None


@dataclass(frozen=True)
class Page:
    """One explained prediction. heats: title and map `(H, W)` each, drawn over `image` `(H, W, 3)`, the largest value
    opaque; nearest: title and image, or None; judged: whether an image can be right."""

    title: str
    image: Image
    heats: Sequence[tuple[str, NDArray]]
    nearest: tuple[str, Image] | None
    filters_title: str
    filters: Sequence[FilterView]
    judged: bool = True


def sheet(images: Sequence[Image], lines: Sequence[tuple[str, str]]) -> bytes:
    """The first 40 images with two lines of text each."""
    count = min(SHEET, len(images))
    tiles = np.stack([examples.tile(one, TILE) for one in images[:count]])
    wide = np.pad(tiles, ((0, 0), (0, 0), (28, 28), (0, 0)), constant_values=255)
    for i in (1, 0):
        wide = montage.caption(wide, [_short(pair[i]) for pair in lines[:count]], 10)
    return montage.png_bytes(montage.montage(wide, columns=min(8, count)))


def _short(text: str, most: int = 26) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


@plots.alone
def page(one: Page) -> bytes:
    """The image, its heat maps and the nearest right image above; below them the filters."""
    drawn = [view for view in ("maximized", "patch") if any(getattr(f, view) is not None for f in one.filters)]
    figure, axes = plots.panels(1 + len(drawn), COLUMNS, 2.15, 2.35, subplot_kw={"xticks": [], "yticks": []})
    figure.suptitle(_text(f"{one.title}\n{one.filters_title}"), x=0.01, ha="left", fontsize=10, parse_math=False)
    for each in axes.flat:
        each.set_axis_off()
    _show(axes[0, 0], one.image, "image")
    for axis, (title, heat) in zip(axes[0, 1:], one.heats, strict=False):
        _show(axis, one.image, title)
        highest = float(np.max(heat, initial=0))
        if highest > 0:
            share = np.clip(heat / highest, 0, 1)
            axis.imshow(share, cmap="inferno", vmin=0, vmax=1, alpha=0.25 + 0.6 * share)
    if one.nearest:
        _show(axes[0, 5], one.nearest[1], one.nearest[0])
    elif one.judged:
        axes[0, 5].text(0.5, 0.5, "no image is\nknown to be right", ha="center", va="center", color="#777777")
    for row, view in enumerate(drawn, 1):
        for axis, each in zip(axes[row], one.filters, strict=False):
            picture = getattr(each, view)
            title = "\n".join([*([each.title] if row == 1 else []), VIEWS[view]])
            if picture is None:
                picture, title = np.full((1, 1, 3), 240, np.uint8), f"{title}: not rendered"
            _show(axis, picture, title)
    return plots.png(figure)


def _show(axis: Any, picture: Image, title: str) -> None:
    axis.imshow(picture, interpolation="nearest" if max(picture.shape[:2]) < 96 else "antialiased")
    axis.set_title(_text(title), fontsize=8, parse_math=False)


def _text(text: str) -> str:
    """As one line or more, without characters that no font has."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)
