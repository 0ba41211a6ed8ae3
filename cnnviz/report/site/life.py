"""A training on the pages of its network: filters from checkpoint to checkpoint, layers against their own states."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cnnviz.report import data
from cnnviz.report.data import Facts
from cnnviz.report.site.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Curve, Panel, floats, points
from cnnviz.report.site.training import MOST, Training

DASH = 2.0  # on either side of a state between two that know nothing
FLIPS = 24  # predictions that are listed
ACCURACIES = ("accuracy", "acc", *(f"{kind}_accuracy" for kind in ("binary", "categorical", "sparse_categorical")))
Number = float | None


def of_filter(training: Training | None, layer: str, k: int) -> Facts | None:
    """What the page of a filter says of its life; None where there is nothing."""
    if training is None or not (arrays := training.arrays(layer)):
        return None
    found: Facts = {"training": training, "strip": training.strips.get((layer, k)), "formed": None}
    lines: dict[str, list[Number]] = {}
    if k in (filters := arrays.get("filters", np.zeros(0, int)).tolist()):
        row = filters.index(k)
        at = int(arrays["formed_at"][row])
        found["formed"] = at if at >= 0 else None
        states = zip(np.isfinite(arrays["score"][row]), arrays["active"][row], strict=True)
        found["nothing"] = ["no number" if not number else "" if active else "silent" for number, active in states]
        found["few"] = not found["nothing"][-1] and not np.isfinite(arrays["similarity"][row, -1])
        lines["similarity to its last picture"] = _list(arrays["similarity"][row])
    if "cosine" in arrays:
        lines["cosine of its kernel to the last"] = _list(arrays["cosine"][k])
        found["distance"] = _list(arrays["distance"][k])
        since = int(arrays["silent_since"][k])
        found["silent"] = since if since >= 0 else None
    rates = {n.partition("/")[2]: _list(arrays[n][k]) for n in arrays if n.startswith("firing_rate/")}
    found["panels"] = [
        one
        for one in (
            panel(training, "alike its last state", lines, top=1.0),
            panel(training, "firing rate", rates),
            panel(training, "kernel distance to the last", {"": found.get("distance", [])}),
        )
        if one
    ]
    found["similarity"] = lines.get("similarity to its last picture", [])
    return found if found["strip"] or found["panels"] else None


def of_layer(training: Training | None, layer: str, filters: Mapping[int, Any]) -> Facts | None:
    """What the page of a layer says: its rendered filters by when they took their form, its states against each other.

    filters: how pages link each rendered filter.
    """
    if training is None or not (arrays := training.arrays(layer)):
        return None
    at = dict(zip(arrays.get("filters", np.zeros(0, int)).tolist(), arrays.get("formed_at", ()), strict=True))
    born = [(filters[k], int(at[k]), training.strips[layer, k]) for k in at if (layer, k) in training.strips]
    born.sort(key=lambda one: (one[1] < 0, one[1]))
    known = training.layers.get(layer, {})
    ends = {
        "CKA with its last state": known.get("cka_to_last", []),
        "median kernel cosine": known.get("median_cosine", []),
    }
    ends["median similarity of pictures"] = known.get("similarity", [])
    sets = {n.partition("/")[2]: known[n] for n in known if n.startswith("class_selectivity/")}
    shares = {
        "by activation": known.get("activation_redundant_share", []),
        "by kernel": known.get("kernel_redundant_share", []),
    }
    panels = [
        panel(training, "alike its last state", ends, top=1.0),
        panel(training, "class selectivity (median)", sets),
        panel(training, "redundant filters (share)", shares),
    ]
    cka = arrays.get("cka")
    return {
        "training": training,
        "born": born,
        "more": max(0, len(at) - MOST),
        "heat": heat(cka) if cka is not None and np.isfinite(cka).any() else [],
        "cells": [[_hundredths(v) for v in row] for row in cka] if cka is not None else [],
        "panels": [one for one in panels if one],
    }


def of_model(training: Training | None, telling: Mapping[str, Any]) -> Facts | None:
    """What the page of a model says. telling: a filter of each layer, as pages link it."""
    if training is None:
        return None
    born = [
        (f, training.strips[layer, f.number]) for layer, f in telling.items() if (layer, f.number) in training.strips
    ]
    logs = list(dict.fromkeys(name for one in training.checkpoints for name in one["logs"]))
    curves = {name: [one["logs"].get(name) for one in training.checkpoints] for name in logs}
    measured: dict[str, dict[str, list[Number]]] = {"accuracy": {}, "loss": {}}
    measured["accuracy"]["here"] = [one.get("accuracy") for one in training.checkpoints]
    for name in logs:
        bare = name.removeprefix("val_")
        measured.setdefault("accuracy" if bare in ACCURACIES else bare, {})[name] = curves[name]
    panels = [
        *(panel(training, of, lines, top=1.0 if of == "accuracy" else None) for of, lines in measured.items()),
        panel(training, "predictions that flipped", {"": [one.get("flipped") for one in training.checkpoints]}),
    ]
    settled = [row for row in training.flips if int(row["settled_at"])]
    return {
        "training": training,
        "born": born,
        "panels": [one for one in panels if one],
        "flips": [row | {"at": training.labels[int(row["settled_at"])]} for row in settled[:FLIPS]],
        "settled": len(settled),
        "predicted": len(training.flips),
    }


def panel(
    training: Training, title: str, lines: Mapping[str, Sequence[Number]], top: float | None = None
) -> Panel | None:
    """Curves over the checkpoints, side by side at equal distances; None where nothing is known, or one state only."""
    known = {name: values for name, values in lines.items() if any(v is not None for v in values)}
    if not known or len(training) < 2:
        return None
    every = [v for values in known.values() for v in values if v is not None]
    low, high = min(0.0, *every), max(top if top is not None else every[0], *every)
    axis = Axis(low, high if high > low else low + 1, HEIGHT - BOTTOM, TOP)
    places = LEFT + (WIDTH - LEFT - RIGHT) * np.arange(len(training)) / (len(training) - 1)
    curves = []
    for colour, (name, values) in enumerate(known.items()):
        given = floats(values)
        for i, part in enumerate(_known(given)):  # what is unknown is a gap
            x, y = places[part], axis.at(given[part])
            if len(x) == 1:  # of which there would be no line
                x, y = x + np.array([-DASH, DASH]), np.repeat(y, 2)
            line = points(x, y)
            label = "" if i or (name == title and len(known) == 1) else name
            curves.append(Curve(colour % 6, label, line, "", []))
    ends = [(float(LEFT), training.labels[0]), (float(WIDTH - RIGHT), training.labels[-1])]
    return Panel(title, WIDTH, ends, axis.ticks(), curves=curves)


def _known(values: NDArray) -> list[slice]:
    """The stretches of an array that hold numbers."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.isfinite(values), [0]]).astype(int)))
    return [slice(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def heat(cka: NDArray) -> list[Markup]:
    """States against states as SVG rectangles of one unit each, none where it is unknown."""
    shades = [[_hundredths(value) for value in row] for row in cka]
    parts = (
        f'<rect class="h{shade // 10}" x="{x}" y="{y}" width="1" height="1"/>'
        for y, row in enumerate(shades)
        for x, shade in enumerate(row)
        if shade is not None
    )
    return [Markup(part) for part in parts]  # noqa: S704 (numbers only)


def _hundredths(value: Any) -> int | None:
    return round(100 * max(float(value), 0.0)) if np.isfinite(value) else None


def _list(values: NDArray) -> list[Number]:
    return [data.number(value) for value in values]
