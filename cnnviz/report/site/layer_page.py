"""What the page of a layer says: its filters in numbers to sort by, kernels, feature maps image by image, settings."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from cnnviz.files import npz
from cnnviz.report import data
from cnnviz.report.data import Facts
from cnnviz.report.pictures import Picture
from cnnviz.report.site import life, pictures, rows, tables
from cnnviz.report.site.filters import Context, Site
from cnnviz.report.site.layers import Layer
from cnnviz.report.site.links import url

MAP = 112  # pixels of a feature map
EXPLANATIONS = {
    "patches": "nine natural patches",
    "masked": "what filters look at of these",
    "patch": "the strongest patch alone",
    "picture": "the picture",
    "both": "the picture and nine patches",
    "from_patches": "the pictures made from natural images",
    "both_from_patches": "these and nine patches",
}


def facts(site: Site, context: Context, table: tables.Table) -> Facts:
    layer = context.layer
    ordered = layer.model.ordered()
    before = ordered[layer.index - 1] if layer.index else None
    after = ordered[layer.index + 1] if layer.index + 1 < len(ordered) else None
    tables.write(site.files, f"{layer.folder}/filters", table)
    shown = rows.columns(table, layer.model.training.labels if layer.model.training else ())
    listed, layer.unlisted = rows.of_layer(layer, table, shown)
    return {
        "shown": shown,
        "rows": listed,
        "backgrounds": rows.backgrounds(layer, "../../"),
        "width": len(table),
        "before": before,
        "after": after,
        "count": {s: list(layer.status.values()).count(s) for s in data.STATES},
        "kernels": _kernels(site, layer),
        "statistics": data.weight_statistics(layer.weights),
        "maps": _maps(site, layer),
        "plots": _plots(context, table),
        "judged": _judged(layer),
        "life": life.of_layer(layer.model.training, layer.name, {k: layer.filter(k) for k in layer.rendered}),
        "settings": layer.model.facts["settings"].get(layer.name, {}),
        "numbers": layer.analysis,
        "seen": site.photos.said(layer.model.sets, layer.analysis.get("photos")),
        "commonest": _commonest(site, layer),
    }


def _commonest(site: Site, layer: Layer) -> Facts | None:
    """The photo that is the strongest patch of most filters; None where there are none that tell photos apart."""
    found = layer.analysis.get("commonest_photo")
    if not found or not found["of"] or found["set"] not in site.photos.sets:
        return None
    return found | {"photo": site.photos.photo(found["set"], found["image"])}


def _judged(layer: Layer) -> Facts:
    """Do pictures explain the filters? Rows (explanation, judge, numbers), or how many images would be needed."""
    found = layer.model.judged
    if not found or not layer.rendered:
        return {}
    known = found["layers"].get(layer.name, {})
    found_rows = [
        (EXPLANATIONS[kind], judge, one)
        for judge, kinds in known.get("judged", {}).items()
        for kind, one in kinds.items()
        if kind in EXPLANATIONS
    ]
    return {"photos": found["photos"], "needed": found["needed"], "rows": found_rows, **known}


def _kernels(site: Site, layer: Layer) -> Picture | None:
    source = layer.model.artifacts / "weights" / layer.model.key / f"{layer.name}.png"
    alt = f"Kernels of {layer.title}" + (", as colours" if layer.index == 0 else ", red positive and blue negative")
    return site.files.copy(source, f"{layer.folder}/kernels.png", alt)


def _maps(site: Site, layer: Layer) -> list[Facts]:
    """Per image of each set a strip of its feature maps, all on the scale of docs/artifacts.md."""
    found = []
    for name in layer.model.sets:
        stored = npz.read(layer.model.artifacts / "feature_maps" / layer.model.key / name / f"{layer.name}.npz")
        if not stored or name not in site.photos.sets:
            continue
        grey = _grey(stored["activations"])
        for i, maps in zip(stored["images"].tolist(), grey, strict=True):
            photo = site.photos.photo(name, i)
            path = f"{layer.folder}/maps_{name}_{i}.webp"
            tiles = [np.repeat(m[..., None], 3, axis=-1) for m in np.moveaxis(maps, -1, 0)]
            site.files.later(path, partial(pictures.strip, tiles, MAP))
            channels = [layer.filter(int(k)) for k in stored["channels"]]
            found.append({"set": name, "photo": photo, "src": url(*path.split("/")), "channels": channels})
    return found


def _grey(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(np.quantile(values, 0.995))
    high = high if high > low else float(values.max())
    return np.nan_to_num(np.rint(np.clip((values - low) / ((high - low) or 1), 0, 1) * 255)).astype(np.uint8)


def _plots(context: Context, table: tables.Table) -> list[Facts]:
    """Histograms over the layer's filters: what is counted, its bars, both ends."""
    found = []
    ends = {
        "firing_rate": ("fires nowhere", "everywhere"),
        "lifetime_sparsity": ("0: the same everywhere", "1: at one spot"),
    }
    for name in context.statistics:
        for key, (left, right) in ends.items():
            if f"{key}/{name}" in table:
                counted = rows.bars(table, f"{key}/{name}")
                title = f"{key.replace('_', ' ')} on {name}"
                found.append({"title": title, "bars": counted, "left": left, "right": right})
    return found
