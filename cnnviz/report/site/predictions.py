"""What a network says about the images, mistakes first, and why: predictions.json and .csv of the analysis."""

from functools import partial
from typing import Any

from cnnviz.files import npz, read_csv
from cnnviz.report import data
from cnnviz.report.data import Facts
from cnnviz.report.site import causes, heat, pictures
from cnnviz.report.site.filters import Site
from cnnviz.report.site.layers import Model
from cnnviz.report.site.links import url
from cnnviz.report.site.photos import eye

SHOWN = 40  # predictions on a page


def facts(site: Site, model: Model) -> Facts | None:
    """None for a model that gives neither classes nor values, or where `analyze` wrote no predictions."""
    folder = model.artifacts / "analysis" / model.key
    found = data.read(folder / "predictions.json")
    if not found or not (folder / "predictions.csv").is_file():
        return None
    rows = [row for row in read_csv(folder / "predictions.csv") if row["set"] in site.photos.sets]
    shown = [_row(site, row) for row in rows[:SHOWN]]
    explained = [_explained(site, model, found["layer"], one) for one in found["explained"]]
    return {"kind": "classes", **found, "rows": shown, "more": len(rows) - len(shown), "explained": explained}


def _row(site: Site, row: dict[str, str]) -> Facts:
    photo = site.photos.photo(row["set"], int(row["image"]))
    verdict = {"True": "right", "False": "wrong"}.get(row.get("right", ""), "")
    numbers = {key: float(row[key]) for key in ("confidence", "value") if row.get(key)}
    return row | {"photo": photo, "verdict": verdict, "confidence": None, "value": None} | numbers


def _explained(site: Site, model: Model, layer: str, one: dict[str, Any]) -> Facts:
    chips = [
        (model.layers[layer].filter(f["filter"]), f["contribution"], f.get("drop"))
        for f in one["filters"]
        if layer in model.layers
    ]
    near = one["nearest"]
    nearest = (site.photos.photo(near["set"], near["image"]), near) if near else None
    return one | {"decided": causes.decided(one), "maps": _maps(site, model, one), "filters": chips, "nearest": nearest}


def _maps(site: Site, model: Model, one: dict[str, Any]) -> Facts | None:
    """The image and the maps over it, one strip, with a text for each."""
    stored = npz.read(model.artifacts / "analysis" / model.key / f"{one['files']}.npz")
    if "gradcam_over_image" not in stored or one["set"] not in site.photos.sets:
        return None
    tiles = heat.drawn(site.photos.seen(one["set"], one["image"], *eye(model.facts)), stored)
    path = f"{model.key}/{one['files'].replace('/', '_')}.webp"
    site.files.later(path, partial(pictures.strip, tiles, 224))
    name, contrast = one["predicted_class"], one["contrast"]
    if contrast:
        texts = [f"{what} {which}" for what in ("speaks for", "covering costs") for which in (name, contrast["name"])]
    elif "value" in one:
        texts = [f"{what} {name}" for what in ("raises", "lowers", "covering lowers", "covering raises")]
    else:
        texts = [f"{what} {name}" for what in ("speaks for", "speaks against", "covering costs", "covering helps")]
    for k, which in enumerate(("predicted", "contrast"), 2):
        r = one["occlusion"][which]["correlation"]
        texts[k] += f", r = {r:.2f}" if r is not None else ""
    return {"src": url(*path.split("/")), "texts": ["the image", *texts]}


def filters(model: Model) -> set[tuple[str, int]]:
    """(layer, filter) named in an explanation."""
    found = data.read(model.artifacts / "analysis" / model.key / "predictions.json")
    layer = found.get("layer")
    return {(layer, f["filter"]) for one in found.get("explained", []) for f in one["filters"] if layer in model.layers}
