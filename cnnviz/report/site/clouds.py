"""Plots with a dot for every filter: what fine-tuning changed, what one image set drives more than another."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from cnnviz.report.site.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Dots, Panel, floats, path
from cnnviz.report.site.layers import Layer, Model
from cnnviz.report.site.links import url
from cnnviz.report.site.pairs import Pair

PER_LAYER = 24  # pixels of a layer's column where every filter is a dot
NAMES = 26  # layers that a wide panel names at most
PREFERS = 5  # times as active on one set as on the other: docs/analysis.md
LOWEST = 1e-4  # of the highest mean activation: what is lower is drawn there


def drift(pair: Pair) -> list[Panel]:
    """Kernel distance and activation correlation of every filter, layer by layer."""
    layers = [layer for layer in pair.one.ordered() if pair.drift_of(layer.name)]
    titles = {"distance": "Kernel moved (share of its norm before)", "correlation": "Activation correlation"}
    return [panel for key, title in titles.items() if (panel := _by_layer(pair, layers, key, title))]


def _by_layer(pair: Pair, layers: Sequence[Layer], key: str, title: str) -> Panel | None:
    columns = [floats(row[key] for row in pair.drift_of(layer.name)) for layer in layers]
    every = np.concatenate(columns) if columns else np.zeros(0)
    every = every[np.isfinite(every) & ((every > 0) | (key != "distance"))]
    if not len(every):
        return None
    log = key == "distance" and every.max() > 8 * every.min()
    low, high = (
        (float(every.min()), float(every.max()))
        if log
        else (min(0.0, float(every.min())), max(1.0, float(every.max())))
    )
    width = max(WIDTH, LEFT + RIGHT + PER_LAYER * len(layers))
    height = HEIGHT + 90
    axis = Axis(low, high, height - BOTTOM - 70, TOP, log)
    step = (width - LEFT - RIGHT) / len(layers)
    panel = Panel(title, width, [], axis.ticks(), height=height)
    drawn = ""
    for i, (layer, values) in enumerate(zip(layers, columns, strict=True)):
        values = np.maximum(values, low) if log else values  # what did not move at all stands at the bottom
        n = np.arange(len(values))
        x = LEFT + step * (i + 0.5 + 0.76 * (n * 0.618034 % 1 - 0.5))
        drawn += path(x, axis.at(values))
        panel.columns.append((round(LEFT + step * i, 1), round(step, 1), layer.url, layer.title))
        panel.layers.append((layer.title, url(pair.one.key, layer.name), len(values)))
        if len(known := values[np.isfinite(values)]):
            y = float(axis.at(np.median(known)))
            panel.medians.append((round(LEFT + step * (i + 0.08), 1), round(LEFT + step * (i + 0.92), 1), round(y, 1)))
    panel.dots.append(Dots("s0", drawn))
    every_nth = -(-len(layers) // max(NAMES, width // PER_LAYER))
    panel.x_ticks = [
        (round(LEFT + step * (i + 0.5), 1), _short(one.title)) for i, one in enumerate(layers) if i % every_nth == 0
    ]
    return panel


def _short(title: str) -> str:
    return title if len(title) <= 13 else f"…{title[-12:]}"


def preferences(model: Model) -> dict[tuple[str, str], list[Panel]]:
    """Mean activation of every filter on one image set against another, for four layers from the first to the last."""
    layers = model.ordered()
    shown = [layers[i] for i in sorted({round(v) for v in np.linspace(0, len(layers) - 1, 4).tolist()})]
    found = {}
    for two in combinations(model.sets, 2):
        panels = [panel for layer in shown if (panel := _two(layer, *two))]
        if panels:
            found[two] = panels
    return found


def _two(layer: Layer, a: str, b: str) -> Panel | None:
    rates = [layer.model.statistics[name].get(f"{layer.name}/rate") for name in (a, b)]
    if any(one is None for one in rates):
        return None
    x, y = (np.asarray(one, np.float64) for one in rates)
    highest = float(np.nanmax([x, y])) or 1.0
    low, high = highest * LOWEST * 0.7, highest * 1.5
    across, up = Axis(low, high, LEFT, WIDTH - RIGHT, True), Axis(low, high, HEIGHT - BOTTOM, TOP, True)
    spots = across.at(np.maximum(x, highest * LOWEST)), up.at(np.maximum(y, highest * LOWEST))
    one, other = (x > 0) & (x >= PREFERS * y), (y > 0) & (y >= PREFERS * x)
    sides = {"s0": one, "s1": other, "even": ~(one | other)}
    dots = [
        Dots(name, path(spots[0][side], spots[1][side]), " ".join(map(str, np.flatnonzero(side).tolist())))
        for name, side in sides.items()
        if side.any()
    ]
    title = f"{layer.title}: {int(sides['s0'].sum())} prefer {a}, {int(sides['s1'].sum())} {b}"
    rule = f"{LEFT},{HEIGHT - BOTTOM} {WIDTH - RIGHT},{TOP}"
    named = [(layer.title, url(layer.model.key, layer.name), layer.filters)]
    return Panel(
        title,
        WIDTH,
        _few(across),
        up.ticks(),
        f"mean activation on {a}; upwards: on {b}",
        dots=dots,
        layers=named,
        rule=rule,
    )


def _few(axis: Axis) -> list[tuple[float, str]]:
    ticks = axis.ticks()
    kept = [ticks[0]] if ticks else []
    for one in ticks[1:]:
        if one[0] - kept[-1][0] > 40:
            kept.append(one)
    return kept
