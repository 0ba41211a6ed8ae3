"""Artifacts -> what the pages say: plain dictionaries and pictures, one per model, layer and filter. No TensorFlow.

What a stage has not written (a layer that was not rendered, a set without feature maps) is None or empty here.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError
from cnnviz.files import npz, read_json
from cnnviz.report import wording
from cnnviz.report.pictures import Inliner, curves, histogram, rendered_pictures

NEAR_DUPLICATE = 0.95  # cosine from which two filters of a layer count as near duplicates
CARDS = 12  # filters of a layer shown with steps and curve; more of them are shown small

STATES = ("ok", "weak", "dead")
SCORES = (
    *("robust_score", "against_nature", "selectivity_rank"),  # on a card's face, the others folded
    *("nature_percentile", "seed_stability", "spectrum_distance"),
)
GAINS = ("gain_10_100", "gain_10_last")
_MAXIMIZED = (
    *("filters", "images", "scores", "snapshot_steps", "snapshots", "snapshot_scores"),
    *("status", "reason", *GAINS, *SCORES),
)

Facts = dict[str, Any]
Notes = Mapping[str, Mapping[str, Mapping[int, str]]]
NOTING = ("feature_maps", "analysis")  # stages that say what is odd


class Params(Protocol):
    """What the report reads of params.yaml (config.Params)."""

    @property
    def models(self) -> Mapping[str, Any]: ...
    @property
    def images(self) -> Any: ...
    @property
    def maximize(self) -> Any: ...
    def model_dump(self, *, mode: str, exclude_none: bool, exclude_defaults: bool) -> dict[str, Any]: ...


def read(path: Path) -> Any:
    """What a JSON file holds, an empty dictionary where there is none."""
    return read_json(path) if path.is_file() else {}


def _npz(path: Path, *keys: str, optional: tuple[str, ...] = ()) -> dict[str, NDArray]:
    """Read these members only, of the optional ones those that are there; an empty dictionary where there is no file.

    Raises InputError where a member is missing.
    """
    if not path.is_file():
        return {}
    with npz.opened(path) as archive:
        if missing := sorted(set(keys) - set(archive)):
            raise InputError(f"{path}: no {', '.join(missing)}; it is of an older cnnviz, `make repro` writes it again")
        return {key: archive[key] for key in (*keys, *(set(optional) & set(archive)))}


def number(value: Any) -> float | None:
    """A finite number, else None."""
    return float(value) if value is not None and np.isfinite(value) else None


def _median(values: Iterable[float | None]) -> float | None:
    kept = [value for value in values if value is not None]
    return float(np.median(kept)) if kept else None


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


def weight_statistics(entry: Facts) -> Facts | None:
    """Norms, near-zero kernels and near duplicates of a layer, from its entry in weights/<model>/statistics.json."""
    if not entry:
        return None
    known = {key: np.asarray(entry[key], float) for key in ("l1", "l2", "std", "near_zero_share", "nearest_cosine")}
    l2, cosine = known["l2"], np.nan_to_num(known["nearest_cosine"], nan=-1.0)
    if np.isnan(l2).all():  # no filter has numbers
        return None
    close = [int(k) for k in np.argsort(-cosine, kind="stable") if cosine[k] >= NEAR_DUPLICATE]
    pairs = {tuple(sorted((k, int(entry["nearest"][k])))): float(cosine[k]) for k in close}
    return {
        "l2": [float(np.nanmin(l2)), float(np.nanmedian(l2)), float(np.nanmax(l2))],
        "l1": float(np.nanmedian(known["l1"])),
        "std": float(np.nanmedian(known["std"])),
        "near_zero": float(np.nanmean(known["near_zero_share"])),
        "duplicates": len(close),
        "pairs": [(a, b, cos) for (a, b), cos in pairs.items()],
        "bars": histogram(l2[~np.isnan(l2)].tolist(), 0.0, float(np.nanmax(l2))),
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
        if known := {k: value for k, value in enumerate(rate) if value is not None}:  # of maps that are numbers
            facts |= {
                "median": _median(known.values()),
                "never": [k for k, silent in enumerate(never) if silent],
                "busiest": sorted(known.items(), key=lambda one: -one[1])[:5],
                "bars": histogram(list(known.values()), 0.0, 1.0),
            }
        found.append(facts)
    return found


def _maximized(folder: Path, conv: Facts, settings: Facts, inline: Inliner) -> Facts | None:
    layer = conv["name"]
    data = _npz(folder / f"{layer}.npz", *_MAXIMIZED, optional=("negatives", "variants", "from_patches"))
    if not data or not len(data["filters"]):
        return None
    steps = data["snapshot_steps"].tolist()
    cards = [_card(data, i, layer, inline) for i in range(len(data["filters"]))]
    shown, marks = data["scores"][:CARDS], data["snapshot_scores"][:CARDS]
    finite = np.isfinite(data["scores"])
    total, count = np.where(finite, data["scores"], 0).sum(axis=0, dtype=np.float64), finite.sum(axis=0)
    return {
        "cards": cards,
        "snapshot_steps": steps,
        "last": steps[-1],
        "count": {state: sum(card["status"] == state for card in cards) for state in STATES},
        "standing": wording.standing(card["scores"] for card in cards),
        "median": {name: _median(card["scores"][name] for card in cards) for name in SCORES},
        "filters": conv["filters"],
        "chart": curves(shown, [f"filter {k}" for k in data["filters"][:CARDS]], steps, marks),
        "settings": settings,
        "mean_curve": np.where(count, total / np.maximum(count, 1), np.nan).tolist(),
    }


def _card(data: dict[str, NDArray], i: int, layer: str, inline: Inliner) -> Facts:
    """One rendered filter; those beyond the first CARDS come without the pictures that only a large card shows."""
    k, status, small = int(data["filters"][i]), str(data["status"][i]), i >= CARDS
    what = f"filter {k} of {layer}" + (f" ({status})" if status != "ok" else "")
    facts: Facts = {"steps": None, "variants": None, "negative": None, "from_patches": None}
    if not small:
        facts["steps"] = inline.strip(data["snapshots"][i], _growth(what, data), 96)
        for name, those in (("variants", "Other images that"), ("from_patches", "Images made from those that most")):
            if name in data and data[name].shape[1]:
                facts[name] = inline.strip(data[name][i], f"{those} drive {what}", 96)
        if "negatives" in data:
            facts["negative"] = inline.photo(data["negatives"][i], f"Image that drives {what} down", 96)
    image = rendered_pictures(data)[i]
    facts |= {"filter": k, "status": status, "reason": str(data["reason"][i]), "small": small}
    facts["picture"] = inline.photo(image, f"Image that drives {what}", 64 if small else 192)
    facts["scores"] = {name: number(data[name][i]) for name in (*SCORES, *GAINS)}
    facts["scores"]["selectivity_rank"] = int(data["selectivity_rank"][i]) or None
    facts["scores"]["score"] = number(data["snapshot_scores"][i, -1])
    return facts


def _growth(what: str, data: dict[str, NDArray]) -> str:
    return f"How the image of {what} grows: after step {', '.join(map(str, data['snapshot_steps'].tolist()))}"


def _objectives(folder: Path, settings: Facts, inline: Inliner) -> list[Facts]:
    """The objectives other than single filters, in the order of params.yaml."""
    order, numbers = list(settings), read(folder / "metrics.json").get("objectives", {})
    found = []
    for path in sorted((folder / "objectives").glob("*.npz")):
        data = _npz(path, "images", "snapshots", "snapshot_steps", "description")
        what = str(data["description"])
        found.append(
            {
                "name": path.stem,
                "description": what,
                "pictures": [
                    inline.photo(image, f"Image that drives {what}", 256) for image in rendered_pictures(data)
                ],
                "snapshot_steps": data["snapshot_steps"].tolist(),
                "steps": inline.strip(data["snapshots"][0], _growth(what, data), 96),
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
    statistics = read(artifacts / "weights" / key / "statistics.json")
    maps = {s: read(artifacts / "feature_maps" / key / s / "statistics.json") for s in params.images.sets}
    rendering = artifacts / "maximize" / key
    settings = read(rendering / "settings.json")
    of_objectives = settings.pop("objectives", {})
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
                "statistics": weight_statistics(statistics.get(name, {})),
                "maps": _maps(artifacts, key, name, params, inline, maps),
                "maximized": _maximized(rendering, conv, settings.get(name, {}), inline),
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
        "objectives": _objectives(rendering, of_objectives, inline),
        "settings": settings,
        "head": facts.get("head"),
        "notes": facts.get("notes", []) + [x for room in NOTING for x in read(artifacts / room / key / "notes.json")],
        "outputs": [(name, picture) for name, picture in outputs if picture],
    }
    facts["headline"] = _headline(facts, statistics, maps, read(rendering / "metrics.json"))
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
        **{f"{what}_filters": metrics.get(f"{what}_filters", 0) for what in ("rendered", *STATES)},
        **{f"median_{name}": number(metrics.get(f"median_{name}")) for name in ("score_gain", *SCORES)},
        "near_duplicates": near if statistics else None,
        "never_active": silent,
    }
