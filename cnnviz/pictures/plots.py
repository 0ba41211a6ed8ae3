"""Matplotlib as cnnviz uses it: one style, no window, the same bytes every time."""

import io
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# One colour per model or image set, in the order of params.yaml (Okabe and Ito, told apart by colour-blind people, too)
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C564B", "#7F7F7F")
MARKERS = "osD^vPX*"
Given = ParamSpec("Given")
Made = TypeVar("Made")
_ALONE = threading.RLock()
_STYLE: Any = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "savefig.dpi": 110.0,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "cnnviz",
}


def alone(draw: Callable[Given, Made]) -> Callable[Given, Made]:
    """For a function that draws from `panels` to bytes where threads run: Matplotlib draws one figure at a time."""

    @wraps(draw)
    def drawn(*args: Given.args, **options: Given.kwargs) -> Made:
        with _ALONE:
            return draw(*args, **options)

    return drawn


def panels(rows: int, columns: int, width: float = 4.2, height: float = 3.0, **options: Any) -> tuple[Figure, Any]:
    """A figure and its axes, `(rows, columns)`, each `width` by `height` inches."""
    mpl.rcParams.update(_STYLE)
    figure = Figure(figsize=(columns * width, rows * height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def png(figure: Figure) -> bytes:
    """Encode and forget a figure."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def both(figure: Figure) -> dict[str, bytes]:
    """The figure as PNG and as SVG, by the suffix of a file's name."""
    figure.draw_without_rendering()  # which lays it out, for both
    figure.set_layout_engine("none")
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return {".png": png(figure), ".svg": stream.getvalue()}


def color(i: int) -> str:
    return COLORS[i % len(COLORS)]


def layer_ticks(axes: Any, names: Sequence[str], most: int = 16, which: str = "x") -> None:
    """Label positions 0, 1, … with layer names; of many layers only some, evenly spread."""
    shown = sorted({int(i) for i in np.linspace(0, len(names) - 1, min(most, len(names))).round()})
    texts = [names[i] if len(names[i]) <= 22 else f"{names[i][:10]}…{names[i][-11:]}" for i in shown]
    if which == "x":
        axes.set_xticks(shown, texts, rotation=90, fontsize=7)
    else:
        axes.set_yticks(shown, texts, fontsize=7)
