"""What the stage `maximize` gives to a run, from `artifacts/maximize/<model>/`. Knows no MLflow."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from cnnviz.files import ARTIFACTS, WHOLE, npz, read_json
from cnnviz.tracking.content import inputs as run_inputs
from cnnviz.tracking.content import pictures as run_pictures
from cnnviz.tracking.content.curves import Curve, Mean, is_number, progress, thin
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
    content.files = _files(folder, numbers["layers"])
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
    of, said = [layer for layer, _ in every], "a bar for each rendered filter, by layer"
    if any(len(entries) > WHOLE for entries in layers.values()):
        medians = {key: [_median(entries, key) for entries in layers.values()] for key in FILTER_SERIES}
        series, of, said = medians, list(layers), "medians over the rendered filters of a layer"
    if any(is_number(value) for values in series.values() for value in values):
        bars = run_pictures.bars(series, of, said)
        content.shown["by_filter.png"] = bars
        content.pictures.append(("by filter/scores", None, bars))


def _median(entries: Entries, key: str) -> float | None:
    known = [float(value) for entry in entries.values() if is_number(value := entry.get(key))]
    return median(known) if known else None


def _files(folder: Path, layers: Mapping[str, Entries]) -> list[tuple[Path, str]]:
    """Everything, but of layers with more than WHOLE rendered filters no pictures of single ones: sheets and tables."""
    left = {layer for layer, entries in layers.items() if len(entries) > WHOLE}
    if not left:
        return [(folder, "")]
    return [(path, path.name if path.is_dir() else "") for path in sorted(folder.iterdir()) if path.name not in left]


def arrays(folder: Path) -> list[Path]:
    """The npz files that a model's run has, too: of layers of up to WHOLE rendered filters."""
    numbers = folder / "metrics.json"
    layers = read_json(numbers)["layers"] if numbers.is_file() else {}
    return [path for path in sorted(folder.glob("*.npz")) if len(layers.get(path.stem, ())) <= WHOLE]


def telling(entries: Entries) -> list[int]:
    """The filters of a layer that a picture can show, the most telling first: ok before weak, never a dead one.

    Chosen by place, from the middle of those of which everything is kept, so that models whose layers were rendered for
    the same filters show the same ones.
    """
    whole = list(entries.items())[:WHOLE]
    places = [(STATES.index(e["status"]), abs(i - len(whole) // 2), int(k)) for i, (k, e) in enumerate(whole)]
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
    score, gained, layers = Mean(), Mean(), defaultdict[str, Mean](Mean)
    for layer, curve in _history(folder / "history.csv"):
        score.add(curve)
        gained.add(progress(curve))
        layers[layer].add(curve)
    by_layer = {layer: thin(one.curve(), LAYER_POINTS) for layer, one in layers.items()}
    content.curves |= {f"score by layer/{layer}": curve for layer, curve in by_layer.items()}
    content.curves |= {"score": score.curve(), "progress": gained.curve()}
    content.curves |= {f"score/{depth}": by_layer[layer] for depth, (layer, _) in depths(folder.name).items()}


def _history(path: Path) -> Iterator[tuple[str, Curve]]:
    """The layer and the curve of each filter, whose rows follow each other: over a million of a whole network."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        for (layer, _), own in groupby(rows, key=lambda row: (row["layer"], row["filter"])):
            yield layer, [(int(row["step"]), float(row["score"] or "nan")) for row in own]
