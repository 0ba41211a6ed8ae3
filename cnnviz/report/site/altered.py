"""Right images that were made wrong, and which filters changed their mind: altered.json of the analysis."""

from functools import partial
from typing import Any

import numpy as np

from cnnviz.files import npz
from cnnviz.pictures import over, shown
from cnnviz.report import data
from cnnviz.report.data import Facts
from cnnviz.report.site import pictures
from cnnviz.report.site.filters import Site
from cnnviz.report.site.layers import Model
from cnnviz.report.site.links import url
from cnnviz.report.site.photos import eye

LAYERS = 12  # of a pair on a page


def facts(site: Site, model: Model) -> Facts | None:
    """None where nothing was to be altered. Writes the pictures of each pair."""
    found = data.read(model.artifacts / "analysis" / model.key / "altered.json")
    if not found:
        return None
    pairs = [_pair(site, model, found["layer"], one) for one in found["pairs"]]
    wrong = any(one["wrong"][-1] for one in found["tried"].values())
    return {**found, "pairs": pairs, "any": wrong, "steps": max(len(t["wrong"]) for t in found["tried"].values())}


def _pair(site: Site, model: Model, layer: str, one: dict[str, Any]) -> Facts:
    stored = npz.read(model.artifacts / "analysis" / model.key / f"{one['files']}.npz")
    right, wrong = (shown(stored[key], eye(model.facts)[1]) for key in ("right", "wrong"))
    tiles = [
        right,
        over(right, stored["gradcam_over_right"]),
        wrong,
        *(over(wrong, cam) for cam in stored["gradcam_over_image"]),
    ]
    path = f"{model.key}/{one['files'].replace('/', '_')}.webp"
    site.files.later(path, partial(pictures.strip, tiles, 224))
    true, predicted = one["true_class"], one["predicted_class"]
    was, now = (f"{100 * one['confidence'][key]:.0f}%" for key in ("right", "wrong"))
    texts = [f"unaltered: {true} {was}", f"spoke for {true}", f"{one['said']}: {predicted} {now}"]
    texts += [f"speaks for {name}" for name in (predicted, true)]
    chips = [(model.layers[layer].filter(f["filter"]), f["turned"]) for f in one["filters"] if layer in model.layers]
    known = [entry for entry in one["layers"] if entry["layer"] in model.layers and entry["change"] is not None]
    kept = sorted({int(i) for i in np.linspace(0, len(known) - 1, min(LAYERS, len(known))).round()})
    rows = [_row(model, known[i]) for i in kept]
    return one | {"src": url(*path.split("/")), "texts": texts, "chips": chips, "rows": rows, "all": len(one["layers"])}


def _row(model: Model, entry: dict[str, Any]) -> Facts:
    """A layer: its change, and the filters that changed most."""
    layer = model.layers[entry["layer"]]
    return {
        "layer": layer,
        "change": entry["change"],
        "filters": [(layer.filter(f["filter"]), f["change"]) for f in entry["filters"]],
    }


def filters(model: Model) -> set[tuple[str, int]]:
    """(layer, filter) that turned a prediction."""
    found = data.read(model.artifacts / "analysis" / model.key / "altered.json")
    layer = found.get("layer")
    return {(layer, f["filter"]) for one in found.get("pairs", []) for f in one["filters"] if layer in model.layers}
