"""What a run holds, read from the files of docs/artifacts.md: numbers, curves, files, pictures. Knows no MLflow.

Everything that two models are compared by has the same key in both: `near_zero_share`, `mean_firing_rate/<set>`,
`score` and the slots `early/0` … `late/3` of the image matrix instead of layer names. What a number is called here, it
is called in the stages' own files and on the site.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.files import ARTIFACTS, npz, read_csv, read_json
from cnnviz.tracking import inputs as run_inputs
from cnnviz.tracking import pictures as run_pictures
from cnnviz.tracking.curves import Curve, is_number, mean, mean_curve, progress, thin

LAYER_POINTS = 32  # steps kept of a layer's and of a filter's curve; the mean over all filters keeps every step
FILTER_POINTS = 16
FILTER_SERIES = (
    *("robust_score", "against_nature", "nature_percentile", "selectivity_rank", "seed_stability"),
    "spectrum_distance",
)
DEPTHS = {"early": 1 / 6, "middle": 1 / 2, "late": 5 / 6}  # of the way through the network's conv layers
SLOTS = 4  # filters per depth in the image matrix and in the pictures by step
STAGES = ("models", "weights", "feature_maps", "maximize", "analyze", "judge")  # what a model's own run is made from
FOLDERS = {"analyze": "analysis"}  # of stages that write elsewhere than their name says
MODEL_CURVES = ("progress", "score", *(f"score/{depth}" for depth in DEPTHS))  # shown on the model's own run, too


@dataclass
class Content:
    """Final numbers, curves, files as (path, folder in the run) and pictures as (key, step or None, uint8 (h, w, 3)).

    `table` is the image matrix: (slot, picture). `strip` is a low and wide picture for the top of the run's page, above
    `note`, which is Markdown. `page` is the file in the run that its top links to.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    files: list[tuple[Path, str]] = field(default_factory=list)
    pictures: list[tuple[str, int | None, np.ndarray]] = field(default_factory=list)
    table: list[tuple[str, np.ndarray]] = field(default_factory=list)
    inputs: list[run_inputs.Input] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    strip: np.ndarray | None = None
    note: str = ""
    page: str | None = None


def legal(key: str) -> str:
    """Replace what MLflow refuses in the names of metrics, params and pictures by _."""
    return re.sub(r"[^\w\-. /]", "_", key, flags=re.ASCII)


def rounded(number: float) -> float:
    """Six digits for what is no whole number: MLflow's tables show as many as there are."""
    return float(number) if number == round(number) else float(f"{number:.6g}")


def of_stage(stage: str, model: str | None) -> Content:
    """Read one stage's outputs. A stage without numbers of its own gets its files."""
    folder = ARTIFACTS / FOLDERS.get(stage, stage) / (model or "")
    content = _READERS.get(stage, lambda _: Content())(folder)
    if not content.files and folder.is_dir():
        content.files = [(folder, "")]
    content.metrics = {legal(k): rounded(v) for k, v in content.metrics.items() if is_number(v)}
    content.curves = {legal(k): [p for p in points if isfinite(p[1])] for k, points in content.curves.items()}
    return content


def of_model(model: str) -> Content:
    """Read what stands for a whole model: its headline numbers and curves, and its column of the image matrix."""
    content, about = Content(), read_json(ARTIFACTS / "models" / model / "model.json")
    content.note = f"{about['title']}  \nfrom {about['origin']}  \nlicence: {about['license']}"
    # the compare page begins with the first params in which runs differ, so those worth an axis come first
    content.params = {f"about.{key}": about[key] for key in ("input_shape", "trained_on")}
    content.params["about.preprocessing"] = about["preprocessing"]["name"]
    if found := about.get("head"):
        content.params["about.head"] = f"{found['kind']}: {found['output']}"
    if notes := [*about.get("notes", []), *_notes(model)]:
        content.tags["notes"] = "\n".join(notes)
    content.params |= {f"model.{key}": about.get(key) for key in ("title", "origin", "license", "source", "digest")}
    for stage in STAGES:
        if (ARTIFACTS / FOLDERS.get(stage, stage) / model).is_dir():
            part = of_stage(stage, model)
            content.metrics |= part.metrics
            content.inputs += [one for one in part.inputs if one not in content.inputs]
            content.tags |= part.tags
            content.strip = content.strip if part.strip is None else part.strip
            content.curves |= {key: part.curves[key] for key in MODEL_CURVES if key in part.curves}
    if (ARTIFACTS / "report" / f"{model}.html").is_file():
        content.page = f"report/{model}.html"
    rendered = ARTIFACTS / "maximize" / model
    content.files = [(path, "maximize") for path in sorted(rendered.glob("*.npz"))]  # pictures: in the stage's run
    content.files += [(path, "maximize/objectives") for path in sorted(rendered.glob("objectives/*.png"))]
    content.files += [(path, "") for path in rendered.glob("filters.csv")]
    for depth, layer in _depths(model).items():
        with npz.opened(rendered / f"{layer}.npz") as arrays:
            for i, (index, image) in enumerate(
                zip(arrays["filters"][:SLOTS], run_pictures.final(arrays)[:SLOTS], strict=True)
            ):
                content.table.append((f"{depth}/{i}", run_pictures.cell(image, f"{layer} · {index}")))
    return content


def _notes(model: str) -> list[str]:
    path = ARTIFACTS / "analysis" / model / "notes.json"
    return list(read_json(path)) if path.is_file() else []


def _models(folder: Path) -> Content:
    about = read_json(folder / "model.json")
    layers = about["conv_layers"]
    metrics = {
        "parameters": about["parameters"],
        "conv_layers": len(layers),
        "conv_filters": sum(layer["filters"] for layer in layers),
    }
    # the weights are in the run of their own stage
    return Content(metrics, files=[(folder / "model.json", "")], inputs=[run_inputs.model(folder.name)])


def _weights(folder: Path) -> Content:
    layers = list(read_json(folder / "statistics.json").values())
    content = Content({"near_zero_share": mean(_join(layers, "near_zero_share"))})
    content.inputs = [run_inputs.model(folder.name)]
    content.metrics["nearest_cosine"] = mean(_join(layers, "nearest_cosine"))
    for key in ("l2", "near_zero_share", "nearest_cosine"):
        content.curves[f"by layer/{key}"] = [(i, mean(layer[key])) for i, layer in enumerate(layers)]
    return content


def _feature_maps(folder: Path) -> Content:
    paths = sorted(folder.glob("*/statistics.json"))
    content = Content(inputs=[run_inputs.model(folder.name), *run_inputs.images(path.parent.name for path in paths)])
    for path in paths:
        layers = list(read_json(path).values())
        for key, name in (("firing_rate", "mean_firing_rate"), ("never_active", "never_active_share")):
            content.metrics[f"{name}/{path.parent.name}"] = mean(_join(layers, key))
            curve = [(i, mean(layer[key])) for i, layer in enumerate(layers)]
            content.curves[f"by layer/{name}/{path.parent.name}"] = curve
    rates = [v for k, v in content.metrics.items() if k.startswith("mean_firing_rate/")]
    content.metrics["mean_firing_rate"] = mean(rates)  # over the sets, each with the same weight
    return content


def _maximize(folder: Path) -> Content:
    numbers = read_json(folder / "metrics.json")
    count = numbers["rendered_filters"]
    content = Content({"rendered_filters": count})
    for state in ("ok", "weak", "dead"):
        content.metrics[f"{state}_filters"] = numbers[f"{state}_filters"]
        content.metrics[f"{state}_share"] = numbers[f"{state}_filters"] / max(1, count)
    content.metrics |= {key: value for key, value in numbers.items() if key.startswith("median_")}
    every = [entry for filters in numbers["layers"].values() for entry in filters.values()]
    for key in FILTER_SERIES:
        content.curves[f"by filter/{key}"] = [
            (i, entry[key]) for i, entry in enumerate(every) if is_number(entry.get(key))
        ]
    _add_curves(content, folder)
    for depth, layer in _depths(folder.name).items():
        with npz.opened(folder / f"{layer}.npz") as arrays:
            content.pictures.append(
                (f"final image/{depth}", None, run_pictures.grid(run_pictures.final(arrays)[:SLOTS], layer))
            )
            for i, step in enumerate(arrays["snapshot_steps"].tolist()):
                picture = run_pictures.grid(arrays["snapshots"][:SLOTS, i], layer)
                content.pictures.append((f"image by step/{depth}", int(step), picture))
    content.files = [(folder, "")]
    used = {one["precision"] for one in read_json(folder / "settings.json").values() if "precision" in one}
    content.tags["environment.precision"] = ", ".join(sorted(used))
    content.inputs = [run_inputs.model(folder.name), *run_inputs.images(run_inputs.sets_of(folder.name))]
    if layers := run_pictures.spread(list(numbers["layers"])):
        content.strip = run_pictures.strip(folder, layers)
        content.note = f"The first rendered filter of {', '.join(map(legal, layers))}"
    return content


def _add_curves(content: Content, folder: Path) -> None:
    """Curves of history.csv: the mean over all filters, over each layer's, those of the three depths, every filter."""
    scores: dict[tuple[str, str], Curve] = {}
    for row in read_csv(folder / "history.csv"):
        point = (int(row["step"]), float(row["score"] or "nan"))
        scores.setdefault((row["layer"], row["filter"]), []).append(point)
    layers: dict[str, list[Curve]] = defaultdict(list)
    for (layer, index), curve in scores.items():
        layers[layer].append(curve)
        content.curves[f"score by filter/{layer}/{index}"] = thin(curve, FILTER_POINTS)
    for layer, curves in layers.items():
        content.curves[f"score by layer/{layer}"] = thin(mean_curve(curves), LAYER_POINTS)
    content.curves["score"] = mean_curve(scores.values())
    content.curves["progress"] = mean_curve(progress(curve) for curve in scores.values() if curve[-1][1] > curve[0][1])
    for depth, layer in _depths(folder.name).items():
        content.curves[f"score/{depth}"] = thin(mean_curve(layers[layer]), LAYER_POINTS)


def _depths(model: str) -> dict[str, str]:
    """The rendered layer nearest to each depth of the network."""
    folder = ARTIFACTS / "maximize" / model
    if not (folder / "metrics.json").is_file():
        return {}
    order = [layer["name"] for layer in read_json(ARTIFACTS / "models" / model / "model.json")["conv_layers"]]
    place = {name: i / max(1, len(order) - 1) for i, name in enumerate(order)}
    rendered = [layer for layer in read_json(folder / "metrics.json")["layers"] if layer in place]
    if not rendered:
        return {}
    return {depth: min(rendered, key=lambda layer: abs(place[layer] - at)) for depth, at in DEPTHS.items()}


def _images(folder: Path) -> Content:
    sets = read_json(folder / "images.json")
    return Content({f"images/{name}": entry["count"] for name, entry in sets.items()})


def _fixed_filters(folder: Path) -> Content:
    about = read_json(folder / "fixed_filters.json")
    content = Content({"kernels": len(about["kernels"]), "images": len(about["images"])})
    content.inputs = run_inputs.images([about["set"]])
    return content


def _analyze(folder: Path) -> Content:
    """All plain numbers of the stage's metrics.json, `accuracy` among them where the model classifies the images."""
    inputs = [run_inputs.model(folder.name), *run_inputs.images(run_inputs.sets_of(folder.name))]
    content = Content(read_json(folder / "metrics.json"), files=_shown(folder), inputs=inputs)
    layers = list(read_json(folder / "statistics.json").values())
    for name in layers[0]["sets"]:
        found = [one["sets"][name]["population_sparsity"] for one in layers]
        curve = [(i, value) for i, value in enumerate(found) if is_number(value)]
        content.curves[f"by layer/population_sparsity/{name}"] = curve
    return content


def _judge(folder: Path) -> Content:
    """Shares of right answers, see docs/scores.md."""
    return Content(read_json(folder / "metrics.json"), files=_shown(folder), inputs=[run_inputs.model(folder.name)])


def _compare(folder: Path) -> Content:
    pairs = read_json(folder / "metrics.json")["pairs"].items()
    return Content({f"{key}/{name}": value for name, one in pairs for key, value in one.items()}, files=_shown(folder))


def _shown(folder: Path) -> list[tuple[Path, str]]:
    """Pictures, tables and arrays, each in its own sub-folder; without features.npz (46 MB), what `compare` reads."""
    suffixes = (".png", ".csv", ".json", ".npz")
    kept = [path for path in sorted(folder.rglob("*")) if path.suffix in suffixes and path.name != "features.npz"]
    return [(path, "" if path.parent == folder else path.parent.relative_to(folder).as_posix()) for path in kept]


def _report(folder: Path) -> Content:
    """Numbers and plots. The self-contained pages are in the models' runs; the site has thousands of linked files."""
    kept = [p for p in sorted(folder.iterdir()) if p.name == "plots" or (p.is_file() and p.suffix != ".html")]
    return Content(files=[(path, path.name if path.is_dir() else "") for path in kept])


_READERS = {
    "models": _models,
    "weights": _weights,
    "feature_maps": _feature_maps,
    "maximize": _maximize,
    "analyze": _analyze,
    "judge": _judge,
    "compare": _compare,
    "images": _images,
    "fixed_filters": _fixed_filters,
    "report": _report,
}


def _join(layers: list[dict[str, Any]], key: str) -> list[float]:
    return [value for layer in layers for value in layer[key]]
