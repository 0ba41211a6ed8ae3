"""What depends on a filter: `causes/<layer>.npz` of the analysis -> its page. Definitions: docs/analysis.md."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.report.data import Facts, number
from cnnviz.report.site.layers import Layer
from cnnviz.report.site.links import Filter

FEW = 3  # the path is unknown where it is in more than two of three layers
CHANGES = 4  # later filters, and classes, that change most


def of_page(layer: Layer, stored: dict[str, NDArray], k: int, inputs: Facts, outputs: Facts) -> Facts:
    """`causes`, see `facts`; `lines`, `agreed`, see `connections`. inputs, outputs: as on the page of filter k."""
    ends = [[*side["adds"], *side["takes"]] for side in (inputs, outputs)]
    lines, agreed = connections(layer, stored, k, *ends)
    return {"causes": facts(layer, stored, k), "lines": lines, "agreed": agreed}


def numbers(found: Facts | None) -> Facts | None:
    """`facts` as JSON can have them."""
    later = [{"layer": f.layer, "filter": f.number, "change": said} for f, said in found["later"]] if found else []
    return found | {"later": later} if found else None


def facts(layer: Layer, stored: dict[str, NDArray], k: int) -> Facts | None:
    """None where filter k was not checked.

    path: its score, None where it can't be known, then `unknown` says why; layers: [(layer, score)] before it;
    later: [(filter, what it does)]; classes: [(name, by how much its score falls)], the largest changes first;
    accuracy: labelled images, of which right as it is, silenced, at its mean; readers: titles of the layers that were
    looked at without it; answers: whether the network's answer was.
    """
    row = int(np.flatnonzero(stored["filters"] == k)[0]) if k in stored.get("filters", ()) else None
    if row is None:
        return None
    found = _path(layer, stored, row) | {"later": _later(layer, stored, row), "classes": [], "accuracy": None}
    readers = [key.removeprefix("later/") for key in stored if key.startswith("later/")]
    found |= {"readers": [layer.model.layers[name].title for name in readers], "answers": "scores" in stored}
    if "scores" in stored:
        names = layer.model.facts["head"]["names"]
        falls = np.nan_to_num(stored["scores"][row, 0] - stored["scores"][row, 1])
        order = [int(i) for i in np.argsort(-np.abs(falls), kind="stable")[:CHANGES] if falls[i]]
        found["classes"] = [(names[i], float(falls[i])) for i in order]
    if "right" in stored and layer.model.facts["head"]["kind"] != "regression":
        found["accuracy"] = [int(stored["labelled"]), *stored["right"][row].tolist()]
    return found


def _path(layer: Layer, stored: dict[str, NDArray], row: int) -> Facts:
    titles = [layer.model.layers[str(name)].title for name in stored["earlier"]]
    scores = stored["path"][row]
    known = scores[np.isfinite(scores)]
    why = ""
    if not titles:
        why = "there is no layer before it"
    elif not len(known):
        why = "in no earlier layer are its top patches clearly more alike than random ones, or too few images are there"
        if layer.status.get(int(stored["filters"][row])) == "dead":
            why = "no picture drives it"
    elif len(known) * FEW < len(scores):
        few = f"in {len(known)} of {len(scores)} earlier layers only"
        why = f"{few} are its top patches clearly more alike than random ones"
    value = None if why else float(np.median(known))
    pairs = [(title, number(score)) for title, score in zip(titles, scores, strict=True)]
    return {"path": value, "known": len(known), "layers": pairs, "unknown": why}


def _later(layer: Layer, stored: dict[str, NDArray], row: int) -> list[tuple[Filter, str]]:
    """Filters of the layers that read it whose mean rate changes most without it."""
    every = [
        (abs(float(before - after)), name, j, float(before), float(after))
        for name in (key.removeprefix("later/") for key in stored if key.startswith("later/"))
        for j, (before, after) in enumerate(stored[f"later/{name}"][row].T)
        if np.isfinite(before - after) and before != after
    ]
    every.sort(key=lambda one: -one[0])
    return [(layer.model.layers[name].filter(j), said(before, after)) for _, name, j, before, after in every[:CHANGES]]


def said(before: float, after: float) -> str:
    """A rate without the filter, held against what it was: `falls by 80%`, `rises to 1.3 times`, `rises from 0`."""
    if before <= 0:
        return "rises from 0" if after > 0 else "stays at 0"
    change = after / before
    if abs(change - 1) < 0.005:
        return "stays"
    return f"falls by {1 - change:.0%}" if change < 1 else f"rises to {change:.2g} times"


def connections(
    layer: Layer, stored: dict[str, NDArray], k: int, inputs: Iterable[Filter], outputs: Iterable[Filter]
) -> tuple[dict[str, str], tuple[int, int] | None]:
    """What each connected filter gives, or does without filter k, by its address; and of how many of the connections
    that are strongest by their weights how many give most.
    """
    if k not in stored.get("filters", ()):
        return {}, None
    row = int(np.flatnonzero(stored["filters"] == k)[0])
    lines: dict[str, str] = {}
    gives, response = stored["inputs"][row], float(stored["response"][row])
    asked = {one.url: one.number for one in inputs}
    for address, channel in asked.items():
        share = f"{gives[channel] / response:+.0%}" if response > 0 else f"{gives[channel]:+.3g}"
        lines[address] = f"gives {share.replace('-0%', '+0%')}" if np.isfinite(gives[channel]) else ""
    for one in outputs:
        name = next((n for n, each in layer.model.layers.items() if each.title == one.layer), "")
        if f"later/{name}" in stored:
            before, after = stored[f"later/{name}"][row][:, one.number]
            lines[one.url] = said(float(before), float(after)) if np.isfinite(before - after) else ""
    channels = set(asked.values())
    most = set(np.argsort(-np.abs(np.nan_to_num(gives)), kind="stable")[: len(channels)].tolist())
    return lines, (len(channels & most), len(channels)) if channels and len(gives) > len(channels) else None


def decided(one: dict[str, Any]) -> Facts | None:
    """What came of silencing the filters named for a prediction; changes: whether another class is then said."""
    silenced = one.get("silenced")
    if silenced is None or None in (silenced["measured"], silenced["predicted"]):
        return None
    return {
        **silenced,
        "count": len(one["filters"]),
        "lead": one["contributions"]["difference"],
        "changes": silenced["then"] is not None and silenced["then"] != one["predicted_class"],
    }
