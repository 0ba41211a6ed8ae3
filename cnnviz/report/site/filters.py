"""One filter -> its page, its pictures, and its numbers to download."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from numpy.typing import NDArray

from cnnviz.analysis import Masks
from cnnviz.files import npz
from cnnviz.report import data as report_data
from cnnviz.report.data import Facts
from cnnviz.report.site import causes, growth, life, patches, pictures, sharing, words
from cnnviz.report.site.alike import Alike, Matches
from cnnviz.report.site.circuit import Link, Wiring
from cnnviz.report.site.layers import Layer, Model
from cnnviz.report.site.links import Filter
from cnnviz.report.site.pairs import Place, Twins
from cnnviz.report.site.photos import Photos

LINKS = 4  # input and output channels of each sign


@dataclass
class Site:
    """What all pages share."""

    files: pictures.Files
    models: dict[str, Model]
    photos: Photos
    twins: Twins
    alike: Alike
    matches: Matches = field(default_factory=dict)

    def filter(self, place: Place) -> Filter:
        return self.models[place[0]].layers[place[1]].filter(place[2])


@dataclass
class Context:
    """The arrays of one layer, read once for all its pages."""

    layer: Layer
    wiring: Wiring | None
    readers: dict[str, Wiring]
    maximized: dict[str, NDArray]
    examples: dict[str, NDArray]
    statistics: dict[str, dict[str, NDArray]]
    causes: dict[str, NDArray] = field(default_factory=dict)
    masks: Masks = field(default_factory=lambda: Masks({}, {}))

    @classmethod
    def of(cls, layer: Layer, whole: bool = True) -> "Context":
        """whole: False reads only what `neighbours` needs."""
        model = layer.model
        wirings = {name: model.layers[name].wiring() for name in model.readers.get(layer.name, ())}
        readers = {name: wiring for name, wiring in wirings.items() if wiring}
        if not whole:
            return cls(layer, layer.wiring(), readers, {}, {}, {})
        statistics = {name: layer.statistics(name) for name in model.sets}
        stored = layer.maximized(), layer.examples(), statistics, layer.causes(), layer.masks()
        return cls(layer, layer.wiring(), readers, *stored)

    def inputs(self, k: int) -> tuple[list[Link], list[Link]]:
        origins = self.layer.model.sources.get(self.layer.name, ())
        return self.wiring.inputs(k, origins, LINKS) if self.wiring and origins else ([], [])

    def outputs(self, k: int) -> tuple[list[Link], list[Link]]:
        found: tuple[list[Link], list[Link]] = ([], [])
        for name, wiring in self.readers.items():
            for side, links in zip(found, wiring.outputs(k, name, LINKS), strict=True):
                side.extend(links)
        return found


def neighbours(context: Context, filters: Iterable[int]) -> set[tuple[str, int]]:
    """(layer, filter) of all strongest connections of these filters."""
    return {
        (link.layer, link.filter)
        for k in filters
        for side in (*context.inputs(k), *context.outputs(k))
        for link in side
    }


def facts(site: Site, context: Context, k: int) -> Facts:
    """Everything that the page of filter k says. Writes its pictures and downloads."""
    layer = context.layer
    here = layer.filter(k)
    found: Facts = {"here": here, "k": k, "layer": layer, "status": layer.status.get(k, "")}
    found |= {"scores": layer.scores.get(k), "reason": "", "image": None, "first": None}
    found["natural"] = patches.of_filter(site.photos, layer, context.examples, k, context.masks)
    found["strongest"] = patches.driving(context.examples, k)
    found["seen"] = site.photos.said(layer.model.sets, layer.analysis.get("photos")) if found["natural"] else ""
    found["statistics"] = _statistics(context, k)
    found["clarity"] = context.layer.model.clarity.get((context.layer.name, k))
    found["weights"] = {
        key: layer.weights[key][k] for key in ("l1", "l2", "mean", "std", "near_zero_share") if key in layer.weights
    }
    found["inputs"] = _connections(layer.model, context.inputs(k))
    found["outputs"] = _connections(layer.model, context.outputs(k))
    found |= causes.of_page(layer, context.causes, k, found["inputs"], found["outputs"]) | words.of_page(layer, k)
    origins = layer.model.sources.get(layer.name, ())
    if context.wiring and not origins and context.wiring.kernel.shape[2] == 3 and not context.wiring.depthwise:
        kernel = context.wiring.kernel[..., k]
        reverse = layer.model.facts["preprocessing"]["reverse_channels"]
        found["first"] = pictures.colours(kernel[..., ::-1] if reverse else kernel)
    place = (layer.model.key, layer.name, k)
    found["twins"] = [(site.filter(other), row) for other, row in site.twins.get(place, [])]
    found["matches"] = [(site.filter(other), value) for other, value in site.matches.get(place, [])]
    found |= growth.large(site.photos, layer, k) | {"life": life.of_filter(layer.model.training, layer.name, k)}
    if k in layer.rendered:
        found |= growth.facts(site.photos, layer, context.maximized, k)
    _downloads(site, context, k, found)
    return found


def _connections(model: Model, sides: tuple[list[Link], list[Link]]) -> Facts:
    """Filters whose connection adds, those whose takes away, and all kernels in this order in one picture."""
    links = [link for side in sides for link in side]
    adds, takes = ([model.layers[link.layer].filter(link.filter) for link in side] for side in sides)
    shown = pictures.diverging([link.kernel for link in links]) if links else ""
    return {"adds": adds, "takes": takes, "count": len(links), "kernels": shown}


def _statistics(context: Context, k: int) -> list[Facts]:
    found = []
    for name, columns in context.statistics.items():
        if "firing_rate" not in columns:
            continue
        numbers = {
            key: report_data.number(v[k]) for key, v in columns.items() if key not in ("histogram", "preferred_class")
        }
        found.append({"set": name, **numbers, "preferred": _class_of(context, name, columns, k)})
    edges = next(iter(context.layer.model.statistics.values()), {}).get("histogram_edges")
    drawn = [c["histogram"][k] for c in context.statistics.values() if "histogram" in c]
    if edges is not None and drawn:
        for facts_, (path, low, high) in zip(found, pictures.outlines(drawn, edges), strict=True):
            facts_ |= {"outline": path, "low": low, "high": high}
    return found


def _class_of(context: Context, name: str, columns: dict[str, NDArray], k: int) -> str:
    classes = context.layer.model.facts.get("set_classes", {}).get(name, [])
    index = int(columns["preferred_class"][k]) if "preferred_class" in columns else -1
    return str(classes[index]) if 0 <= index < len(classes) else ""


def _downloads(site: Site, context: Context, k: int, found: Facts) -> None:
    """`<filter>.json`: what the page says in numbers; `<filter>.npz`: kernel and curves."""
    layer = context.layer
    model = layer.model
    numbers: Facts = {"model": model.key, "digest": model.facts["digest"], "layer": layer.name, "filter": k}
    numbers |= {"status": found["status"] or "not rendered", "reason": found["reason"], "scores": found["scores"]}
    numbers |= {"settings": model.facts["settings"].get(layer.name, {}) if found["image"] else {}}
    numbers |= {"weights": found["weights"], "enlarged": found["large"] and found["large"]["sha256"]}
    kept = ("outline", "low", "high")
    numbers["statistics"] = [{key: v for key, v in one.items() if key not in kept} for one in found["statistics"]]
    for part in found["natural"]:
        numbers[part["kind"]] = [
            {key: e[key] for key in ("set", "image", "box", "outside", "value")} for e in part["examples"]
        ]
    for what in ("inputs", "outputs"):
        numbers[what] = [
            {"layer": f.layer, "filter": f.number, "sign": sign}
            for side, sign in (("adds", 1), ("takes", -1))
            for f in found[what][side]
        ]
    numbers |= {"note": found["note"], "words": found["told"], "causes": causes.numbers(found["causes"])}
    numbers["twins"] = [{"model": f.model, **row} for f, row in found["twins"]]
    numbers["matches"] = [
        {"model": f.model, "layer": f.layer, "filter": f.number, "correlation": value} for f, value in found["matches"]
    ]
    text = json.dumps(numbers, ensure_ascii=False, allow_nan=False) + "\n"
    site.files.write(f"{layer.folder}/{k}.json", text.encode())
    found |= sharing.of_filter(site.photos, layer, context.maximized, k, found, text)
    found["npz"] = False
    if k in layer.rendered and context.wiring is not None:
        row, kernel = layer.rendered[k], context.wiring
        multiplier = kernel.kernel.shape[3]
        own = kernel.kernel[:, :, k // multiplier, k % multiplier] if kernel.depthwise else kernel.kernel[..., k]
        arrays = {name: context.maximized[name][row] for name in ("scores", "snapshot_scores")}
        arrays |= {"kernel": own, "snapshot_steps": context.maximized["snapshot_steps"]}
        site.files.write(f"{layer.folder}/{k}.npz", npz.pack(arrays, compress=True))
        found["npz"] = True
