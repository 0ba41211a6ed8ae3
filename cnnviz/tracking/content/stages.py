"""What a run holds, read from the files of docs/artifacts.md: numbers, curves, files, pictures. Knows no MLflow.

Everything that two models are compared by has the same key in both: `near_zero_share`, `mean_firing_rate/<set>`,
`score` and the slots `early/0` … `late/3` of the image matrix instead of layer names. What a number is called here, it
is called in the stages' own files and on the site.
"""

from math import isfinite
from pathlib import Path
from typing import Any

from cnnviz.files import ARTIFACTS, read_json
from cnnviz.tracking.content import checkpoints, maximized
from cnnviz.tracking.content import inputs as run_inputs
from cnnviz.tracking.content import pictures as run_pictures
from cnnviz.tracking.content.curves import is_number, mean
from cnnviz.tracking.content.holding import Content, legal, rounded

STAGES = (
    "models",
    "weights",
    "feature_maps",
    "maximize",
    "analyze",
    "judge",
    "epochs",
)  # what a model's own run is made from
FOLDERS = {"analyze": "analysis"}  # of stages that write elsewhere than their name says
MODEL_CURVES = (
    "progress",
    "score",
    *(f"score/{depth}" for depth in maximized.DEPTHS),
)  # shown on the model's own run, too
MODEL_SHOWN = ("filters.png",)


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
            content.metrics |= {key: value for key, value in part.metrics.items() if _is_headline(key)}
            content.inputs += [one for one in part.inputs if one not in content.inputs]
            content.tags |= part.tags
            content.shown |= {name: part.shown[name] for name in MODEL_SHOWN if name in part.shown}
            content.curves |= {key: part.curves[key] for key in MODEL_CURVES if key in part.curves}
            if stage == "epochs":  # the steps of a training are those of its model's run
                content.curves |= part.curves
                content.pictures += part.pictures
    if (ARTIFACTS / "report" / f"{model}.html").is_file():
        content.page = f"report/{model}.html"
    rendered = ARTIFACTS / "maximize" / model
    if (ARTIFACTS / "report" / model / "index.html").is_file():
        content.site = f"{model}/index.html"
    content.files = [(path, "maximize") for path in maximized.arrays(rendered)]  # pictures: in the stage's run
    content.files += [(path, "maximize/objectives") for path in sorted(rendered.glob("objectives/*.png"))]
    content.files += [(path, "") for path in rendered.glob("filters.csv")]
    content.table = maximized.cells(model)
    return content


def _is_headline(key: str) -> bool:
    """Whether a stage's number stands for its model, too: not that of one image set, nor a count that a share tells."""
    return "/" not in key and key not in ("ok_filters", "weak_filters", "dead_filters")


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
    series = {key: [mean(layer[key]) for layer in layers] for key in ("l2", "near_zero_share", "nearest_cosine")}
    _show_by_layer(content, series, list(read_json(folder / "statistics.json")))
    return content


def _feature_maps(folder: Path) -> Content:
    paths = sorted(folder.glob("*/statistics.json"))
    content = Content(inputs=[run_inputs.model(folder.name), *run_inputs.images(path.parent.name for path in paths)])
    series, names = {}, list[str]()
    for path in paths:
        found = read_json(path)
        layers, names = list(found.values()), list(found)
        for key, name in (("firing_rate", "mean_firing_rate"), ("never_active", "never_active_share")):
            content.metrics[f"{name}/{path.parent.name}"] = mean(_join(layers, key))
            series[f"{name}/{path.parent.name}"] = [mean(layer[key]) for layer in layers]
    _show_by_layer(content, series, names)
    rates = [v for k, v in content.metrics.items() if k.startswith("mean_firing_rate/")]
    content.metrics["mean_firing_rate"] = mean(rates)  # over the sets, each with the same weight
    return content


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
    layers = read_json(folder / "statistics.json")
    key = "population_sparsity"
    sets = next(iter(layers.values()))["sets"]
    series = {f"{key}/{name}": [one["sets"][name][key] for one in layers.values()] for name in sets}
    _show_by_layer(content, series, list(layers))
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
    "maximize": maximized.read,
    "analyze": _analyze,
    "judge": _judge,
    "epochs": checkpoints.read,
    "compare": _compare,
    "images": _images,
    "fixed_filters": _fixed_filters,
    "report": _report,
}


def _show_by_layer(content: Content, series: dict[str, list[float]], layers: list[str]) -> None:
    """Bars, a panel for each of the series, of which one value belongs to a layer."""
    if any(is_number(value) for values in series.values() for value in values):
        content.shown["by_layer.png"] = run_pictures.bars(series, layers, "a bar for each layer")


def _join(layers: list[dict[str, Any]], key: str) -> list[float]:
    return [value for layer in layers for value in layer[key]]
