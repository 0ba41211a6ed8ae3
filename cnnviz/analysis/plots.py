"""Plots of one model's analysis, PNG bytes by file name."""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnviz.analysis.layers import PREFERS, LayerAnalysis
from cnnviz.analysis.measures import histogram_edges
from cnnviz.pictures import plots

LOWEST = 1e-4  # of the highest mean activation: what is lower is drawn there
Columns = dict[str, dict[str, NDArray]]


def draw(model: str, layers: dict[str, LayerAnalysis], columns: Columns) -> Iterator[tuple[str, bytes]]:
    """All plots of one model, as PNG and SVG; columns: analysis.per_filter of each layer."""
    sets = list(next(iter(layers.values())).sets)
    drawn = {
        "histograms": _both(_histograms, model, layers, sets),
        "statistics": _both(_statistics, model, layers, columns, sets),
    }
    drawn |= {f"sets_{a}_{b}": _both(_two_sets, model, columns, a, b) for a, b in combinations(sets, 2)}
    for name, files in drawn.items():
        for suffix, data in files.items():
            yield name + suffix, data


@plots.alone
def _both(draw: Callable[..., Figure], *args: Any) -> dict[str, bytes]:
    return plots.both(draw(*args))


def _histograms(model: str, layers: dict[str, LayerAnalysis], sets: list[str]) -> Figure:
    """Share of all positions per octave of the pre-activation, for up to 12 layers."""
    edges = histogram_edges()
    octaves = np.abs(np.diff(np.log2(np.abs(edges))))
    octaves[len(octaves) // 2] = np.inf  # the bin around 0
    names = [list(layers)[i] for i in sorted({int(i) for i in np.linspace(0, len(layers) - 1, 12).round()})]
    rows = -(-len(names) // 4)
    figure, axes = plots.panels(rows, min(4, len(names)), 3.4, 2.5)
    figure.suptitle(
        f"{model}: pre-activations of all units, share of positions per octave", x=0.01, ha="left", fontweight="bold"
    )
    for one, name in zip(axes.flat, names, strict=False):
        counts = [layers[name].sets[s].histogram.counts.sum(0) for s in sets]
        together = np.cumsum(np.sum([one / max(one.sum(), 1) for one in counts], axis=0)) / len(sets)
        low, high = int(np.searchsorted(together, 0.002)), int(np.searchsorted(together, 0.998))
        largest = float(max(abs(edges[low]), edges[min(high, len(together) - 1) + 1]))
        share = [one / max(one.sum(), 1) / octaves for one in counts]
        for i, values in enumerate(share):
            one.stairs(values, edges, color=plots.color(i), label=sets[i], fill=True, alpha=0.18)
            one.stairs(values, edges, color=plots.color(i), lw=1.2)
        one.axvline(0, color="#888888", lw=0.8, ls=":")
        one.set_xscale("symlog", linthresh=2.0 ** np.floor(np.log2(largest) - 5), base=2)
        one.set_xlim(-largest, largest)
        limits = [-largest, -largest / 8, 0, largest / 8, largest]
        one.set_xticks(limits, [f"{v:.4g}" for v in limits], fontsize=7)
        one.set_xticks([], minor=True)
        one.set_ylim(bottom=0)
        one.set_title(name, fontsize=8 if len(name) > 24 else None)
        one.yaxis.set_major_formatter(lambda v, _: f"{100 * v:.0f}%")
    for one in axes.flat[len(names) :]:
        one.set_visible(False)
    axes[0, 0].legend(fontsize=8)
    figure.supxlabel("pre-activation (signed logarithmic scale)", fontsize=9)
    return figure


def _statistics(model: str, layers: dict[str, LayerAnalysis], columns: Columns, sets: list[str]) -> Figure:
    names = list(layers)
    x = np.arange(len(names))
    figure, axes = plots.panels(2, 3, 4.6, 3.1, sharex=True)
    figure.suptitle(
        f"{model}: what its filters do, layer by layer (line: median filter, band: middle half)",
        x=0.01,
        ha="left",
        fontweight="bold",
    )
    for one, key, title in zip(
        (axes[0, 0], axes[0, 1], axes[1, 0]),
        ("firing_rate", "lifetime_sparsity", "class_selectivity"),
        ("firing rate", "lifetime sparsity", "class selectivity"),
        strict=True,
    ):
        _bands(one, columns, names, key, sets)
        one.set_title(title)
    if not axes[1, 0].lines:
        axes[1, 0].text(0.5, 0.5, "no set with two labelled\nimages of every class", ha="center", va="center")
        axes[1, 0].set_xlim(-0.5, len(names) - 0.5)
    for i, name in enumerate(sets):
        population = [layers[layer].sets[name].moments.population_sparsity for layer in names]
        axes[0, 2].plot(x, population, marker="o", ms=3, color=plots.color(i))
    axes[0, 2].set_title("population sparsity")
    axes[0, 2].set_ylim(0, 1)
    states = [columns[layer]["state"] for layer in names]
    kinds = ("never-active", "rarely-active")
    never, rarely = (np.array([(state == kind).mean() for state in states]) for kind in kinds)
    axes[1, 1].bar(x, never, color="#444444", label="never active")
    axes[1, 1].bar(x, rarely, bottom=never, color="#bbbbbb", label="rarely active")
    axes[1, 1].set_title("share of silent filters")
    axes[1, 1].set_ylim(0, max(0.05, 1.15 * float((never + rarely).max())))
    axes[1, 1].legend(fontsize=8, loc="upper right")
    if not (never + rarely).any():
        axes[1, 1].text(0.5, 0.5, "none", ha="center", va="center", transform=axes[1, 1].transAxes, color="#777777")
    for kind, style in (("activation", "-"), ("kernel", "--")):
        redundant = [1 - (columns[layer][f"{kind}_cluster"].max() + 1) / layers[layer].channels for layer in names]
        axes[1, 2].plot(x, redundant, style, marker="o", ms=3, color="#444444", label=f"by {kind}")
    axes[1, 2].set_title("redundant share of filters")
    axes[1, 2].set_ylim(bottom=0)
    axes[1, 2].legend(fontsize=8)
    for one in axes[1]:
        plots.layer_ticks(one, names)
    axes[0, 0].legend(fontsize=8)
    return figure


def _bands(axes: Any, columns: Columns, names: list[str], key: str, sets: list[str]) -> None:
    for i, name in enumerate(sets):
        if f"{key}/{name}" not in columns[names[0]]:
            continue
        quartiles = np.array([_quartiles(columns[layer][f"{key}/{name}"]) for layer in names]).T
        axes.fill_between(range(len(names)), quartiles[0], quartiles[2], color=plots.color(i), alpha=0.18, lw=0)
        axes.plot(quartiles[1], marker="o", ms=3, color=plots.color(i), label=name)
        if f"{key}_chance/{name}" in columns[names[0]]:
            chance = [_quartiles(columns[layer][f"{key}_chance/{name}"])[1] for layer in names]
            axes.plot(chance, ls=":", color=plots.color(i), label="labels shuffled")
            axes.legend(fontsize=8)
    axes.set_ylim(0, 1)


def _quartiles(values: NDArray) -> NDArray:
    known = values[np.isfinite(values)]
    return np.quantile(known, [0.25, 0.5, 0.75]) if len(known) else np.full(3, np.nan)


def _two_sets(model: str, columns: Columns, a: str, b: str) -> Figure:
    """Mean activation of every filter on one set against the other, for four depths."""
    names = list(columns)
    shown = [names[i] for i in sorted({int(i) for i in np.linspace(0, len(names) - 1, 4).round()})]
    figure, axes = plots.panels(1, len(shown), 3.4, 3.5)
    figure.suptitle(f"{model}: every filter on two image sets", x=0.01, ha="left", fontweight="bold")
    for one, name in zip(axes.flat, shown, strict=True):
        x, y = (columns[name][f"rate/{s}"] for s in (a, b))
        highest = max(x.max(), y.max(), 1e-30)
        x, y = np.maximum(x, highest * LOWEST), np.maximum(y, highest * LOWEST)
        prefers = columns[name][f"preference/{a}/{b}"]
        sides = [prefers >= PREFERS, prefers <= -PREFERS]
        limits = (highest * LOWEST * 0.7, highest * 1.5)
        one.plot(limits, limits, color="#bbbbbb", lw=0.8, zorder=1)
        one.scatter(x, y, s=9, c=np.select(sides, [plots.color(0), plots.color(1)], "#777777"))
        one.set(xscale="log", yscale="log", xlim=limits, ylim=limits, title=name, xlabel=f"mean activation on {a}")
        for i, (s, place, side, va) in enumerate(
            ((a, (0.97, 0.03), "right", "bottom"), (b, (0.03, 0.97), "left", "top"))
        ):
            text = f"{sides[i].sum()} of {len(x)} prefer {s}"
            one.text(*place, text, color=plots.color(i), ha=side, va=va, fontsize=8, transform=one.transAxes)
    axes[0, 0].set_ylabel(f"mean activation on {b}")
    return figure
