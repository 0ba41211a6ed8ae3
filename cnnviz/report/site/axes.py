"""Plots whose dots are filters or layers, as coordinates of SVG: each leads to its page (dots.js, dots.html)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.report.site.tables import Value

WIDTH, HEIGHT = 340, 210  # of a panel in pixels, at least: it is never shown smaller, so that its labels stay readable
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 34


@dataclass(frozen=True)
class Mark:
    """A layer on a curve: where, its page, what it is."""

    x: float
    y: float
    url: str
    title: str


@dataclass(frozen=True)
class Curve:
    """A line `points` of class s0, s1, … with its layers; band: an area around it, or empty."""

    colour: int
    label: str
    points: str
    band: str
    marks: list[Mark]
    dashed: bool = False


@dataclass(frozen=True)
class Dots:
    """One dot per filter as a path `M x,y h0 …`, those of `numbers`, or all of the panel's layers where it is None."""

    colour: str
    path: str
    numbers: str = ""


@dataclass
class Panel:
    """One set of axes. layers: (title, folder, filters) of the dots, in their order."""

    title: str
    width: int
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    x_label: str = ""
    height: int = HEIGHT
    curves: list[Curve] = field(default_factory=list)
    dots: list[Dots] = field(default_factory=list)
    columns: list[tuple[float, float, str, str]] = field(default_factory=list)  # left, width, address, title
    medians: list[tuple[float, float, float]] = field(default_factory=list)  # left, right, y
    layers: list[tuple[str, str, int]] = field(default_factory=list)
    rule: str = ""

    @property
    def ends(self) -> tuple[int, int, int, int]:
        """Left, right, top and bottom of the plotted area."""
        return LEFT, self.width - RIGHT, TOP, self.height - BOTTOM


@dataclass(frozen=True)
class Axis:
    """Values from low to high -> pixels from start to end; log: by their logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, values: Any) -> NDArray[np.float64]:
        one, low, high = (np.log(v) if self.log else np.asarray(v) for v in (values, self.low, self.high))
        return self.start + (self.end - self.start) * (one - low) / ((high - low) or 1)

    def ticks(self) -> list[tuple[float, str]]:
        return [
            (round(float(self.at(np.array(v))), 1), f"{v:.4g}")
            for v in (_decades if self.log else _steps)(self.low, self.high)
        ]


def _steps(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers from low to high, about so many."""
    rough = (high - low) / count or 1.0
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * n for n in (1, 2, 2.5, 5, 10) if unit * n >= rough * 0.999)
    return [step * i for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten, of two where there are few of them."""
    for base in (10, 4, 2):
        found = [float(base) ** i for i in range(math.ceil(math.log(low, base)), math.floor(math.log(high, base)) + 1)]
        if len(found) > 2:
            break
    return found[:: max(1, len(found) // 5)] or [low, high]


def points(x: NDArray, y: NDArray) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def path(x: NDArray, y: NDArray) -> str:
    """A dot each; what is unknown far outside, so that every filter has its place."""
    known = np.isfinite(x) & np.isfinite(y)
    spots = zip(np.where(known, x, -99).tolist(), np.where(known, y, -99).tolist(), strict=True)
    return "".join(f"M{a:.1f},{b:.1f}h0" for a, b in spots)


def floats(column: Iterable[Value]) -> NDArray[np.float64]:
    return np.array([np.nan if v is None else v for v in column], np.float64)
