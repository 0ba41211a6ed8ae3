"""Plots with a dot for every layer: measures over the depth of networks, layer by layer."""

from collections.abc import Mapping, Sequence

import numpy as np

from cnnviz.report.site.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Curve, Mark, Panel, floats, points
from cnnviz.report.site.layers import Layer, Model
from cnnviz.report.site.tables import Table, Value

Number = float | None
Line = tuple[str, Sequence[Layer], Sequence[Number], Sequence[tuple[Number, Number]]]


def panel(
    title: str,
    lines: Sequence[Line],
    depth: bool,
    log: bool = False,
    zero: bool = True,
) -> Panel | None:
    """Measures of layers as curves: (label, layers, values, quartiles or nothing) each; None where nothing is known.

    depth: from the first layer of each network to its last, instead of layer by layer.
    """
    every = [
        v for _, _, values, ranges in lines for v in (*values, *(v for two in ranges for v in two)) if v is not None
    ]
    if not every:
        return None
    low, high = min(every), max(every)
    low, high = (low, high) if log or not zero else (min(0.0, low), high)
    high = high if high > low else low + 1
    bottom = HEIGHT - BOTTOM
    axis = Axis(low, high, bottom, TOP, log)
    found = []
    for colour, (label, layers, values, ranges) in enumerate(lines):
        last = max(len(layers) - 1, 1)
        places = LEFT + (WIDTH - LEFT - RIGHT) * np.arange(len(layers)) / last
        known = np.array([v is not None for v in values], bool)
        if not known.any():
            continue
        y = axis.at(floats(values)[known])
        rows = [
            (x, v, layer, value)
            for x, v, layer, value in zip(
                places[known].tolist(), y.tolist(), np.array(layers, object)[known], floats(values)[known], strict=True
            )
        ]
        marks = [
            Mark(
                round(x, 1),
                round(v, 1),
                layer.url,
                f"{layer.model.key} {layer.title}: {label + ' ' if not depth else ''}{value:.3g}",
            )
            for x, v, layer, value in rows
        ]
        band = ""
        if ranges:
            ends = floats(v for two in ranges for v in two).reshape(-1, 2)
            both = np.isfinite(ends).all(1)
            up, down = axis.at(ends[both, 1]), axis.at(ends[both, 0])
            band = f"{points(places[both], up)} {points(places[both][::-1], down[::-1])}"
        found.append(
            Curve(colour % 6, label, points(places[known], y), band, marks, dashed=label.startswith("labels shuffled"))
        )
    ends_ = [(float(LEFT), "first layer"), (float(WIDTH - RIGHT), "last")]
    return Panel(title, WIDTH, ends_, axis.ticks(), curves=found)


DEPTH = {
    "receptive_field": "receptive field (pixels)",
    "maximized_frequency": "frequency of pictures (cycles per pixel)",
    "patch_frequency": "frequency of preferred patches",
    "lifetime_sparsity": "lifetime sparsity",
    "class_selectivity": "class selectivity above chance",
    "maximized_chroma": "colour share of pictures",
    "patch_chroma": "colour share of preferred patches",
    "firing_rate": "firing rate",
}


def depth(models: Mapping[str, Model], table: Table) -> list[Panel]:
    """compare/depth.csv: every measure over the depth, a curve per model."""
    if not table:
        return []
    places = list(zip(table["model"], table["layer"], strict=True))
    found = []
    for key, title in DEPTH.items():
        column = floats(table.get(key, [None] * len(places)))
        if key == "class_selectivity":
            column = column - floats(table.get("class_selectivity_chance", [None] * len(places)))
        known = {place: float(v) if np.isfinite(v) else None for place, v in zip(places, column, strict=True)}
        lines: list[Line] = []
        for model in models.values():
            own = [layer for layer in model.ordered() if (model.key, layer.name) in known]
            lines.append((model.key, own, [known[model.key, layer.name] for layer in own], []))
        log = key == "receptive_field"
        if drawn := panel(title, lines, depth=True, log=log):
            found.append(drawn)
    return found


def statistics(model: Model, known: Mapping[str, Table]) -> list[Panel]:
    """What a network's filters do, layer by layer: medians, and the middle half of the filters as a band."""
    layers = model.ordered()
    found = []
    for key, title in (
        ("firing_rate", "firing rate"),
        ("lifetime_sparsity", "lifetime sparsity"),
        ("class_selectivity", "class selectivity"),
    ):
        lines: list[Line] = []
        for name in model.sets:
            quartiles = [_quartiles(known[layer.name].get(f"{key}/{name}", [])) for layer in layers]
            lines.append((name, layers, [q[1] for q in quartiles], [(q[0], q[2]) for q in quartiles]))
            chance = [_quartiles(known[layer.name].get(f"{key}_chance/{name}", []))[1] for layer in layers]
            if any(v is not None for v in chance):
                lines.append((f"labels shuffled, {name}", layers, chance, []))
        found.append(panel(title, lines, depth=False))
    spread: list[Line] = [
        (name, layers, [_population(model, layer, name) for layer in layers], []) for name in model.sets
    ]
    found.append(panel("population sparsity", spread, depth=False))
    silent = [
        [_share(model.analysis.get(layer.name, {}), key) for layer in layers]
        for key in ("never_active", "rarely_active")
    ]
    found.append(
        panel(
            "share of silent filters",
            [("never active", layers, silent[0], []), ("rarely active", layers, silent[1], [])],
            depth=False,
        )
    )
    redundant: list[Line] = [
        (
            f"by {kind}",
            layers,
            [model.analysis.get(layer.name, {}).get(f"{kind}_redundant_share") for layer in layers],
            [],
        )
        for kind in ("activation", "kernel")
    ]
    found.append(panel("redundant share of filters", redundant, depth=False))
    return [one for one in found if one]


def _population(model: Model, layer: Layer, name: str) -> Number:
    found: Number = model.analysis.get(layer.name, {}).get("sets", {}).get(name, {}).get("population_sparsity")
    return found


def _share(entry: Mapping[str, float], key: str) -> Number:
    return entry[key] / entry["filters"] if key in entry and entry.get("filters") else None


def _quartiles(column: Sequence[Value]) -> tuple[Number, Number, Number]:
    known = floats(column)
    known = known[np.isfinite(known)]
    if not len(known):
        return None, None, None
    a, b, c = np.quantile(known, [0.25, 0.5, 0.75]).tolist()
    return a, b, c
