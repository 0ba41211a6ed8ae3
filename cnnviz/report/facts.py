"""Artifacts -> what the pages say of a model, its layers and filters: plain dictionaries and pictures. No TensorFlow.

What a stage has not written (a layer that was not rendered, a set without feature maps) is None or empty here.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnviz.files import WHOLE, read_json
from cnnviz.pictures import shown
from cnnviz.report import data, wording
from cnnviz.report.data import Facts, Params
from cnnviz.report.pictures import Inliner, curves, histogram

CARDS = 12  # filters of a layer shown with steps and curve; more of them are shown small
NOTING = ("feature_maps", "analysis")  # stages that say what is odd
_MAXIMIZED = (
    *("filters", "images", "scores", "snapshot_steps", "snapshots", "snapshot_scores"),
    *("status", "reason", *data.GAINS, *data.SCORES),
)


def _maps(artifacts: Path, key: str, layer: str, params: Params, inline: Inliner, stats: Facts) -> list[Facts]:
    found = []
    for name in params.images.sets:
        folder = artifacts / "feature_maps" / key / name
        shown = data.arrays(folder / f"{layer}.npz", "images", "channels")
        titles = data.image_titles(artifacts, name)
        rows = [titles[i] if i < len(titles) else str(i) for i in shown.get("images", np.array([], int)).tolist()]
        alt = f"Feature maps of {layer} on the set {name}. Rows: {', '.join(rows)}. A column per channel."
        picture = inline.file(folder / f"{layer}.png", alt, 1100)
        entry = stats.get(name, {}).get(layer, {})
        if picture is None and not entry:
            continue
        rate, never = entry.get("firing_rate", []), entry.get("never_active", [])
        facts: Facts = {"set": name, "images": rows, "picture": picture, "measured_at": entry.get("measured_at", "")}
        facts |= {"channels": shown.get("channels", np.array([], int)).tolist(), "filters": len(rate)}
        if known := {k: value for k, value in enumerate(rate) if value is not None}:  # of maps that are numbers
            facts |= {
                "median": data.median(known.values()),
                "never": [k for k, silent in enumerate(never) if silent],
                "busiest": sorted(known.items(), key=lambda one: -one[1])[:5],
                "bars": histogram(list(known.values()), 0.0, 1.0),
            }
        found.append(facts)
    return found


def _maximized(folder: Path, conv: Facts, settings: Facts, inline: Inliner, rgb: Sequence[int] | None) -> Facts | None:
    """The rendered filters of a layer, of which everything is kept with a card each."""
    layer = conv["name"]
    stored = data.arrays(folder / f"{layer}.npz", *_MAXIMIZED, optional=("negatives", "variants", "from_patches"))
    if not stored or not len(stored["filters"]):
        return None
    steps, count = stored["snapshot_steps"].tolist(), len(stored["filters"])
    cards = [_card(stored, i, layer, inline, rgb) for i in range(min(WHOLE, count))]
    drawn, marks = stored["scores"][:CARDS], stored["snapshot_scores"][:CARDS]
    numbers, status = [data.scores(stored, i) for i in range(count)], stored["status"].tolist()
    finite = np.isfinite(stored["scores"])
    total, known = np.where(finite, stored["scores"], 0).sum(axis=0, dtype=np.float64), finite.sum(axis=0)
    return {
        "cards": cards,
        "rendered": count,
        "snapshot_steps": steps,
        "last": steps[-1],
        "count": {state: status.count(state) for state in data.STATES},
        "standing": wording.standing(numbers),
        "median": {name: data.median(one[name] for one in numbers) for name in data.SCORES},
        "filters": conv["filters"],
        "chart": curves(drawn, [f"filter {k}" for k in stored["filters"][:CARDS]], steps, marks),
        "settings": settings,
        "mean_curve": np.where(known, total / np.maximum(known, 1), np.nan).tolist(),
    }


def _card(stored: dict[str, NDArray], i: int, layer: str, inline: Inliner, rgb: Sequence[int] | None) -> Facts:
    """One rendered filter; those beyond the first CARDS come without the pictures that only a large card shows."""
    k, status, small = int(stored["filters"][i]), str(stored["status"][i]), i >= CARDS
    what = f"filter {k} of {layer}" + (f" ({status})" if status != "ok" else "")
    facts: Facts = {"steps": None, "variants": None, "negative": None, "from_patches": None}
    if not small:
        facts["steps"] = inline.strip(stored["snapshots"][i], _growth(what, stored), 96)
        for name, those in (("variants", "Other images that"), ("from_patches", "Images made from those that most")):
            if name in stored and stored[name].shape[1]:
                facts[name] = inline.strip(stored[name][i], f"{those} drive {what}", 96)
        if "negatives" in stored:
            facts["negative"] = inline.photo(stored["negatives"][i], f"Image that drives {what} down", 96)
    facts |= {"filter": k, "status": status, "reason": str(stored["reason"][i]), "small": small}
    facts["picture"] = inline.photo(shown(stored["images"][i], rgb), f"Image that drives {what}", 64 if small else 192)
    return facts | {"scores": data.scores(stored, i)}


def _growth(what: str, stored: dict[str, NDArray]) -> str:
    return f"How the image of {what} grows: after step {', '.join(map(str, stored['snapshot_steps'].tolist()))}"


def _objectives(folder: Path, settings: Facts, inline: Inliner, rgb: Sequence[int] | None) -> list[Facts]:
    """The objectives other than single filters, in the order of params.yaml."""
    order, numbers = list(settings), data.read(folder / "metrics.json").get("objectives", {})
    found = []
    for path in sorted((folder / "objectives").glob("*.npz")):
        stored = data.arrays(path, "images", "snapshots", "snapshot_steps", "description")
        what = str(stored["description"])
        found.append(
            {
                "name": path.stem,
                "description": what,
                "pictures": [
                    inline.photo(image, f"Image that drives {what}", 256) for image in shown(stored["images"], rgb)
                ],
                "snapshot_steps": stored["snapshot_steps"].tolist(),
                "steps": inline.strip(stored["snapshots"][0], _growth(what, stored), 96),
                "scores": {key: value for key, value in numbers.get(path.stem, {}).items() if key != "description"},
                "settings": settings.get(path.stem, {}),
            }
        )
    return sorted(found, key=lambda facts: order.index(facts["name"]) if facts["name"] in order else len(order))


def _telling(cards: list[Facts]) -> Facts:
    """The card that stands for its layer: the middle one that is ok.

    Chosen by place, so that models whose layers were rendered for the same filters show the same ones side by side.
    """
    middle = len(cards) // 2
    return min(enumerate(cards), key=lambda c: (c[1]["status"] != "ok", abs(c[0] - middle)))[1]


def model(artifacts: Path, key: str, params: Params, inline: Inliner) -> Facts:
    """Everything that the page of one model shows."""
    facts: Facts = dict(read_json(artifacts / "models" / key / "model.json"))
    titles = {conv["name"]: conv["title"] for conv in facts["conv_layers"] if "title" in conv}
    for entries in ("conv_layers", "layers"):  # title: the user's name, where no file can have it
        facts[entries] = [{"title": titles.get(one["name"], one["name"]), **one} for one in facts[entries]]
    statistics = data.read(artifacts / "weights" / key / "statistics.json")
    maps = {s: data.read(artifacts / "feature_maps" / key / s / "statistics.json") for s in params.images.sets}
    rendering = artifacts / "maximize" / key
    settings = data.read(rendering / "settings.json")
    of_objectives, rgb = settings.pop("objectives", {}), facts.get("bands", {}).get("rgb")
    layers = []
    for depth, conv in enumerate(facts["conv_layers"]):
        name, first = conv["name"], depth == 0
        alt = f"Kernels of {conv['title']}" + (", as colours" if first else ", red positive and blue negative")
        layers.append(
            conv
            | {
                "id": f"layer-{depth + 1}",
                "first": first,
                "kernels": inline.file(artifacts / "weights" / key / f"{name}.png", alt, 640, flat=True),
                "statistics": data.weight_statistics(statistics.get(name, {})),
                "maps": _maps(artifacts, key, name, params, inline, maps),
                "maximized": _maximized(rendering, conv, settings.get(name, {}), inline, rgb),
            }
        )
    given = artifacts / "analysis" / key / "outputs"
    alt = "What {} makes of images of the set {}: in above, out below"
    outputs = [(s, inline.file(given / f"{s}.png", alt.format(key, s), 1100)) for s in params.images.sets]
    by_name = {layer["name"]: layer for layer in layers}
    rendered = [layer for layer in layers if layer["maximized"]]
    facts |= {
        **{"key": key, "asked": params.models[key].layers, "conv": layers},
        "architecture": [layer | {"conv": by_name.get(layer["name"])} for layer in facts["layers"]],
        "rendered": rendered,
        "telling": [(layer, _telling(layer["maximized"]["cards"])) for layer in rendered],
        "objectives": _objectives(rendering, of_objectives, inline, rgb),
        "settings": settings,
        "head": facts.get("head"),
        "notes": facts.get("notes", [])
        + [x for room in NOTING for x in data.read(artifacts / room / key / "notes.json")],
        "outputs": [(name, picture) for name, picture in outputs if picture],
    }
    facts["headline"] = _headline(facts, statistics, maps, data.read(rendering / "metrics.json"))
    return facts


def _headline(facts: Facts, statistics: Facts, maps: dict[str, Facts], metrics: Facts) -> Facts:
    """The few numbers that models are compared by; the same keys for every model."""
    silent = 0
    for conv in facts["conv_layers"]:
        per_set = [s[conv["name"]]["never_active"] for s in maps.values() if conv["name"] in s]
        silent += sum(all(never) for never in zip(*per_set, strict=True)) if per_set else 0
    dense = [entry for entry in statistics.values() if not entry["depthwise"]]  # nine numbers coincide too easily
    near = sum(c >= data.NEAR_DUPLICATE for entry in dense for c in entry["nearest_cosine"])
    return {
        "parameters": facts["parameters"],
        "conv_layers": len(facts["conv_layers"]),
        "conv_filters": sum(conv["filters"] for conv in facts["conv_layers"]),
        **{f"{what}_filters": metrics.get(f"{what}_filters", 0) for what in ("rendered", *data.STATES)},
        **{f"median_{name}": data.number(metrics.get(f"median_{name}")) for name in ("score_gain", *data.SCORES)},
        "near_duplicates": near if statistics else None,
        "never_active": silent,
    }
