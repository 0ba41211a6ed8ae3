"""What results have in common: how a notebook, a terminal and a folder show them, and how filters are picked."""

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from html import escape
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageShow

from cnnviz.errors import InputError, said
from cnnviz.files import npz, write_bytes
from cnnviz.notebook.tiles import QUIET, Row, band, html, safe
from cnnviz.pictures import montage, png_bytes

MOST = 64  # tiles shown at most: a notebook keeps them all in its file


class Shown(ABC):
    """Something that a notebook shows as captioned pictures: `repr` is one line, `.show()`, `.save(folder)`."""

    @abstractmethod
    def _line(self) -> str:
        """What it is, in one line."""

    @abstractmethod
    def _rows(self, most: int = MOST) -> list[Row]:
        """Pictures with their words, of `most` filters at most."""

    @abstractmethod
    def _arrays(self) -> dict[str, NDArray]:
        """What `save` puts into the npz."""

    @abstractmethod
    def _stem(self) -> str:
        """What the npz is called."""

    def _note(self) -> str:
        """A second line, for what is not shown or has to be known."""
        return ""

    def __repr__(self) -> str:
        return f"<{self._line()}>"

    def _repr_html_(self) -> str:
        note = f'<div style="{QUIET}">{escape(self._note())}</div>' if self._note() else ""
        rows = "".join(html(row) for row in self._rows())
        return f'<div style="font-family:sans-serif"><div><b>{escape(self._line())}</b></div>{note}{rows}</div>'

    def picture(self) -> Image.Image:
        """The same in one picture."""
        bands = [band(row) for row in self._rows() if row.tiles]
        if not bands:
            raise InputError(f"{self!r}: nothing to show")
        width = max(one.shape[1] for one in bands)
        padded = [np.pad(b, ((0, 0), (0, width - b.shape[1]), (0, 0)), constant_values=montage.WHITE) for b in bands]
        return Image.fromarray(np.concatenate(padded))

    def show(self) -> None:
        """In a notebook, display it; elsewhere, open `picture()` in the machine's image viewer."""
        ipython = sys.modules.get("IPython")
        if ipython and hasattr(ipython.get_ipython(), "kernel"):
            import_module("IPython.display").display(self)
        elif not (_has_screen() and ImageShow.show(self.picture())):
            print(f"{self!r}: no image viewer here; .save(folder) writes the pictures")

    def save(self, folder: str | Path) -> list[Path]:
        """Write a PNG per picture and one npz with all arrays, the same bytes every time; returns their paths."""
        if not isinstance(folder, str | Path):
            raise InputError(f"save: {said(folder)} given; expected a folder")
        files: dict[str, bytes] = {}
        for tile in (tile for row in self._rows(most=sys.maxsize) for tile in row.tiles):
            files[_free(safe(tile.name), files)] = png_bytes(tile.picture)
        files[f"{safe(self._stem())}.npz"] = npz.pack(self._arrays(), compress=True)
        try:
            for name, content in files.items():
                write_bytes(Path(folder) / name, content)
        except (OSError, ValueError) as error:  # ValueError: a name that no file system takes
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"save: {str(folder)!r}: {reason}; expected a folder that can be written") from None
        return [Path(folder) / name for name in files]


class Several(Shown):
    """Results of several filters (or objectives): `[...]` counts positions, as a list does; `of` takes filter numbers.

    `result[0]`, `result[-1]`, `result[2:5]`, `result[[4, 1]]` and `result[result.status == "ok"]` are results again.
    """

    filters: tuple[int, ...]

    @abstractmethod
    def _take(self, rows: NDArray[np.intp]) -> Self:
        """The same of some positions."""

    def __len__(self) -> int:
        return len(self.filters)

    def __iter__(self) -> Iterator[Self]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Self:
        try:
            rows = np.atleast_1d(np.arange(len(self))[index])
        except (IndexError, TypeError):
            rows = np.zeros((0, 0), np.intp)
        if rows.ndim != 1:
            raise IndexError(
                f"{said(index)}: expected a position in 0..{len(self) - 1}, a slice, or a list or mask of positions; "
                ".of(k) takes filter numbers"
            )
        return self._take(rows)

    def of(self, *filters: int) -> Self:
        """The result of some filters, by their numbers in the layer. Raises InputError with those there are."""
        known = list(self.filters)
        for k in filters or (None,):
            if isinstance(k, bool) or not isinstance(k, int | np.integer) or k not in known:
                there = ", ".join(map(str, known[:16])) + (f", … ({len(known)} in all)" if len(known) > 16 else "")
                raise InputError(f"of: {said(k) if filters else 'no filter'} given; there are {there or 'no filters'}")
        return self._take(np.array([known.index(k) for k in filters], np.intp))


def _free(stem: str, taken: Collection[str]) -> str:
    """`<stem>.png`, with a number where that is taken: names of layers may differ in what file names can't hold."""
    names = (f"{stem}{f'_{n}' if n > 1 else ''}.png" for n in count(1))
    return next(name for name in names if name not in taken)


def _has_screen() -> bool:
    """Without one, a viewer that is installed would only complain."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def short(value: float) -> str:
    """A number in a caption: three digits, or a whole one."""
    return f"{value:.0f}" if 1000 <= abs(value) < 10**6 else f"{value:.3g}"


def rest(shown: int, there: int, what: str, hint: str) -> str:
    """A note where not all is shown."""
    return f"the first {shown} of {counted(there, what)}; {hint}" if shown < there else ""
