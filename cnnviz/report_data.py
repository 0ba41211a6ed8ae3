"""Artifacts -> what the pages say: plain dictionaries and pictures, one per model, layer and filter. No TensorFlow.

What a stage has not written (a layer that was not rendered, a set without feature maps) is None or empty here.
"""

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from cnnviz.params import Params
from cnnviz.report_pictures import Inliner, Picture, curves, histogram
from cnnviz.stage import read_json

NEAR_DUPLICATE = 0.95  # cosine from which two filters of a layer count as near duplicates
CARDS = 12  # filters of a layer shown with steps and curve; more of them are shown small

Facts = dict[str, Any]

_MAXIMIZED = (
    *("filters", "images", "scores", "snapshot_steps", "snapshots", "snapshot_scores"),
    *("gain_10_100", "gain_10_last", "status"),
)


def _json(path: Path) -> Any:
    return read_json(path) if path.is_file() else {}


def _npz(path: Path, *keys: str) -> dict[str, NDArray]:
    """Read these members only; an empty dictionary where there is no file."""
    if not path.is_file():
        return {}
    with np.load(path) as archive:
        return {key: archive[key] for key in keys}


def _number(value: Any) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def image_titles(artifacts: Path, name: str) -> list[str]:
    """One word for each image of a set: its class where that is known, else its file's name."""
    data = _npz(artifacts / "images" / f"{name}.npz", "labels", "names", "class_names")
    if not data:
        return []
    classes = data["class_names"]
    return [
        str(classes[label]) if 0 <= label < len(classes) else str(title)
        for label, title in zip(data["labels"].tolist(), data["names"], strict=True)
    ]


def _statistics(entry: Facts) -> Facts | None:
    if not entry:
        return None
    l2, cosine = np.asarray(entry["l2"], float), np.asarray(entry["nearest_cosine"], float)
    close = [int(k) for k in np.argsort(-cosine, kind="stable") if cosine[k] >= NEAR_DUPLICATE]
    pairs = {tuple(sorted((k, int(entry["nearest"][k])))): float(cosine[k]) for k in close}
    return {
        "l2": [float(np.min(l2)), float(np.median(l2)), float(np.max(l2))],
        "l1": float(np.median(entry["l1"])),
        "std": float(np.median(entry["std"])),
        "near_zero": float(np.mean(entry["near_zero_share"])),
        "duplicates": len(close),
        "pairs": [(a, b, cos) for (a, b), cos in pairs.items()],
        "bars": histogram(l2.tolist(), 0.0, float(np.max(l2))),
    }


def _maps(artifacts: Path, key: str, layer: str, params: Params, inline: Inliner, stats: Facts) -> list[Facts]:
    found = []
    for name in params.images.sets:
        folder = artifacts / "feature_maps" / key / name
        shown = _npz(folder / f"{layer}.npz", "images", "channels")
        titles = image_titles(artifacts, name)
        rows = [titles[i] if i < len(titles) else str(i) for i in shown.get("images", np.array([], int)).tolist()]
        alt = f"Feature maps of {layer} on the set {name}. Rows: {', '.join(rows)}. A column per channel."
        picture = inline.file(folder / f"{layer}.png", alt, 1100)
        entry = stats.get(name, {}).get(layer, {})
        if picture is None and not entry:
            continue
        rate, never = entry.get("firing_rate", []), entry.get("never_active", [])
        facts: Facts = {"set": name, "images": rows, "picture": picture, "measured_at": entry.get("measured_at", "")}
        facts |= {"channels": shown.get("channels", np.array([], int)).tolist(), "filters": len(rate)}
        if rate:
            facts |= {
                "median": float(np.median(rate)),
                "never": [k for k, silent in enumerate(never) if silent],
                "busiest": [(int(k), rate[int(k)]) for k in np.argsort(-np.asarray(rate), kind="stable")[:5]],
                "bars": histogram(rate, 0.0, 1.0),
            }
        found.append(facts)
    return found


def _maximized(folder: Path, layer: str, settings: Facts, inline: Inliner) -> Facts | None:
    data = _npz(folder / f"{layer}.npz", *_MAXIMIZED)
    if not data or not len(data["filters"]):
        return None
    steps = data["snapshot_steps"].tolist()
    cards = []
    for i, k in enumerate(data["filters"].tolist()):
        weak = str(data["status"][i]) != "ok"
        what = f"filter {k} of {layer}" + (" (weak)" if weak else "")
        strip = f"How the image of {what} grows: after step {', '.join(map(str, steps))}"
        small = i >= CARDS
        cards.append(
            {
                "filter": k,
                "weak": weak,
                "status": str(data["status"][i]),
                "small": small,
                "picture": inline.photo(data["images"][i], f"Image that drives {what}", 64 if small else 192),
                "steps": None if small else inline.strip(data["snapshots"][i], strip, 96),
                "score": _number(data["snapshot_scores"][i, -1]),
                "gain_10_100": _number(data["gain_10_100"][i]),
                "gain_10_last": _number(data["gain_10_last"][i]),
            }
        )
    shown, marks = data["scores"][:CARDS], data["snapshot_scores"][:CARDS]
    return {
        "cards": cards,
        "snapshot_steps": steps,
        "last": steps[-1],
        "weak": sum(card["weak"] for card in cards),
        "chart": curves(shown, [f"filter {k}" for k in data["filters"][:CARDS]], steps, marks),
        "settings": settings,
        "mean_curve": data["scores"].astype(np.float64).mean(axis=0).tolist(),
    }


def _telling(cards: list[Facts]) -> Facts:
    """The card that stands for its layer: the middle one that is not weak.

    Chosen by place, so that models whose layers were rendered for the same filters show the same ones side by side.
    """
    middle = len(cards) // 2
    return min(enumerate(cards), key=lambda c: (c[1]["weak"], abs(c[0] - middle)))[1]


def _shown_params(params: Params, key: str) -> str:
    """The part of params.yaml that shaped this model's pages, as YAML."""
    data = params.model_dump(mode="json", exclude_none=True, exclude_defaults=False)
    for section, inner in (("feature_maps", "channels"), ("maximize", "layers")):
        data[section][inner] = {key: data[section][inner][key]}
    data["models"] = {key: {k: v for k, v in data["models"][key].items() if v not in ([], "not stated")}}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)


def model(artifacts: Path, key: str, params: Params, inline: Inliner) -> Facts:
    """Everything that the page of one model shows."""
    facts: Facts = dict(read_json(artifacts / "models" / key / "model.json"))
    statistics = _json(artifacts / "weights" / key / "statistics.json")
    maps = {s: _json(artifacts / "feature_maps" / key / s / "statistics.json") for s in params.images.sets}
    settings = _json(artifacts / "maximize" / key / "settings.json")
    layers = []
    for depth, conv in enumerate(facts["conv_layers"]):
        name, first = conv["name"], depth == 0
        alt = f"Kernels of {name}" + (", as colours" if first else ", red positive and blue negative")
        layers.append(
            conv
            | {
                "id": f"layer-{depth + 1}",
                "first": first,
                "kernels": inline.file(artifacts / "weights" / key / f"{name}.png", alt, 640, flat=True),
                "statistics": _statistics(statistics.get(name, {})),
                "maps": _maps(artifacts, key, name, params, inline, maps),
                "maximized": _maximized(artifacts / "maximize" / key, name, settings.get(name, {}), inline),
            }
        )
    by_name = {layer["name"]: layer for layer in layers}
    rendered = [layer for layer in layers if layer["maximized"]]
    facts |= {
        "key": key,
        "conv": layers,
        "architecture": [layer | {"conv": by_name.get(layer["name"])} for layer in facts["layers"]],
        "rendered": rendered,
        "telling": [(layer, _telling(layer["maximized"]["cards"])) for layer in rendered],
        "params": _shown_params(params, key),
        "settings": settings,
    }
    facts["headline"] = _headline(facts, statistics, maps, _json(artifacts / "maximize" / key / "metrics.json"))
    return facts


def _headline(facts: Facts, statistics: Facts, maps: dict[str, Facts], metrics: Facts) -> Facts:
    """The few numbers that models are compared by; the same keys for every model."""
    silent = 0
    for conv in facts["conv_layers"]:
        per_set = [s[conv["name"]]["never_active"] for s in maps.values() if conv["name"] in s]
        silent += sum(all(never) for never in zip(*per_set, strict=True)) if per_set else 0
    dense = [entry for entry in statistics.values() if not entry["depthwise"]]  # nine numbers coincide too easily
    near = sum(c >= NEAR_DUPLICATE for entry in dense for c in entry["nearest_cosine"])
    return {
        "parameters": facts["parameters"],
        "conv_layers": len(facts["conv_layers"]),
        "conv_filters": sum(conv["filters"] for conv in facts["conv_layers"]),
        "rendered_filters": metrics.get("filters", 0),
        "weak_filters": metrics.get("weak", 0),
        "median_score_gain": _number(metrics.get("median_score_gain")),
        "near_duplicates": near,
        "never_active": silent,
    }


def fixed_filters(artifacts: Path, inline: Inliner) -> Facts | None:
    """The hand-made and borrowed kernels with their pictures, or None where the stage has not run."""
    folder = artifacts / "fixed_filters"
    facts: Facts = dict(_json(folder / "fixed_filters.json"))
    if not facts:
        return None
    names = ", ".join(kernel["name"] for kernel in facts["kernels"])
    alts = {
        "kernels": f"The kernels themselves: {names}",
        "outputs": f"Each image beside its outputs, a column per kernel: {names}",
        "relu": "The same outputs with negative values set to 0",
        "pooling": "Minimum, average and maximum pooling of the outputs side by side",
    }
    pictures: dict[str, Picture | None] = {n: inline.file(folder / f"{n}.png", alt, 2000) for n, alt in alts.items()}
    return facts | {"pictures": pictures}
