"""What the stage `maximize` gives to a run, from `artifacts/maximize/<model>/`. Knows no MLflow."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.files import ARTIFACTS, npz, read_csv, read_json
from cnnviz.tracking.content import inputs as run_inputs
from cnnviz.tracking.content import pictures as run_pictures
from cnnviz.tracking.content.curves import Curve, is_number, mean_curve, progress, thin
from cnnviz.tracking.content.holding import Content, legal

LAYER_POINTS = 32  # steps kept of a layer's curve; the mean over all filters keeps every step
FILTER_SERIES = (
    *("robust_score", "against_nature", "nature_percentile", "selectivity_rank", "seed_stability"),
    "spectrum_distance",
)
DEPTHS = {"early": 1 / 6, "middle": 1 / 2, "late": 5 / 6}  # of the way through the network's conv layers
SLOTS = 4  # filters per depth in the image matrix and in the pictures by step
STATES = ("ok", "weak", "dead")

Entries = Mapping[str, Mapping[str, Any]]  # of a layer in metrics.json: a filter's numbers by its index


def read(folder: Path) -> Content:
    """Numbers of all filters, curves, the pictures of three depths, bars of every filter's scores."""
    numbers = read_json(folder / "metrics.json")
    count = numbers["rendered_filters"]
    content = Content({"rendered_filters": count})
    for state in STATES:
        content.metrics[f"{state}_filters"] = numbers[f"{state}_filters"]
        content.metrics[f"{state}_share"] = numbers[f"{state}_filters"] / max(1, count)
    content.metrics |= {key: value for key, value in numbers.items() if key.startswith("median_")}
    _add_curves(content, folder)
    for depth, (layer, filters) in depths(folder.name).items():
        with npz.opened(folder / f"{layer}.npz") as arrays:
            rows = run_pictures.rows(arrays, filters)
            final = run_pictures.grid(run_pictures.final(arrays)[rows], layer)
            content.pictures.append((f"final image/{depth}", None, final))
            for i, step in enumerate(arrays["snapshot_steps"].tolist()):
                picture = run_pictures.grid(arrays["snapshots"][rows, i], layer)
                content.pictures.append((f"image by step/{depth}", int(step), picture))
    content.files = [(folder, "")]
    used = {one["precision"] for one in read_json(folder / "settings.json").values() if "precision" in one}
    content.tags["environment.precision"] = ", ".join(sorted(used))
    content.inputs = [run_inputs.model(folder.name), *run_inputs.images(run_inputs.sets_of(folder.name))]
    _add_top(content, folder, numbers["layers"])
    return content


def _add_top(content: Content, folder: Path, layers: Mapping[str, Entries]) -> None:
    """A telling filter of each layer, and below it the scores of all filters as bars."""
    best = {layer: telling(entries)[0] for layer, entries in layers.items() if telling(entries)}
    if chosen := run_pictures.spread(list(best)):
        content.shown["filters.png"] = run_pictures.strip(folder, {layer: best[layer] for layer in chosen})
        content.note = f"A telling filter of {', '.join(f'{legal(x)} ({best[x]})' for x in chosen)}"
    every = [(layer, entry) for layer, entries in layers.items() for entry in entries.values()]
    series = {key: [entry.get(key) for _, entry in every] for key in FILTER_SERIES}
    if any(is_number(value) for values in series.values() for value in values):
        bars = run_pictures.bars(series, [layer for layer, _ in every], "a bar for each rendered filter, by layer")
        content.shown["by_filter.png"] = bars
        content.pictures.append(("by filter/scores", None, bars))


def telling(entries: Entries) -> list[int]:
    """The filters of a layer that a picture can show, the most telling first: ok before weak, never a dead one.

    Chosen by place, from the middle, so that models whose layers were rendered for the same filters show the same ones.
    """
    places = [
        (STATES.index(e["status"]), abs(i - len(entries) // 2), int(k)) for i, (k, e) in enumerate(entries.items())
    ]
    return [k for state, _, k in sorted(places, key=lambda place: place[:2]) if STATES[state] != "dead"]


def depths(model: str) -> dict[str, tuple[str, list[int]]]:
    """The layer nearest to each depth of the network that has a telling filter, and at most SLOTS of these."""
    folder = ARTIFACTS / "maximize" / model
    if not (folder / "metrics.json").is_file():
        return {}
    order = [layer["name"] for layer in read_json(ARTIFACTS / "models" / model / "model.json")["conv_layers"]]
    place = {name: i / max(1, len(order) - 1) for i, name in enumerate(order)}
    layers = read_json(folder / "metrics.json")["layers"]
    shown = {layer: found for layer, entries in layers.items() if layer in place and (found := telling(entries))}
    if not shown:
        return {}
    nearest = {depth: min(shown, key=lambda layer: abs(place[layer] - at)) for depth, at in DEPTHS.items()}
    return {depth: (layer, shown[layer][:SLOTS]) for depth, layer in nearest.items()}


def cells(model: str) -> list[tuple[str, np.ndarray]]:
    """The model's column of the image matrix: (slot, picture)."""
    found = []
    for depth, (layer, filters) in depths(model).items():
        with npz.opened(ARTIFACTS / "maximize" / model / f"{layer}.npz") as arrays:
            images = run_pictures.final(arrays)[run_pictures.rows(arrays, filters)]
        for i, (k, image) in enumerate(zip(filters, images, strict=True)):
            found.append((f"{depth}/{i}", run_pictures.cell(image, f"{layer} · {k}")))
    return found


def _add_curves(content: Content, folder: Path) -> None:
    """Curves of history.csv: the mean over all filters, over each layer's, and those of the three depths."""
    scores: dict[tuple[str, str], Curve] = {}
    for row in read_csv(folder / "history.csv"):
        point = (int(row["step"]), float(row["score"] or "nan"))
        scores.setdefault((row["layer"], row["filter"]), []).append(point)
    layers: dict[str, list[Curve]] = defaultdict(list)
    for (layer, _), curve in scores.items():
        layers[layer].append(curve)
    for layer, curves in layers.items():
        content.curves[f"score by layer/{layer}"] = thin(mean_curve(curves), LAYER_POINTS)
    content.curves["score"] = mean_curve(scores.values())
    content.curves["progress"] = mean_curve(filter(None, map(progress, scores.values())))
    for depth, (layer, _) in depths(folder.name).items():
        content.curves[f"score/{depth}"] = thin(mean_curve(layers[layer]), LAYER_POINTS)
