"""Filters as the rows of a table that can be sorted: what columns it shows, the rows of a layer, those of a network."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from markupsafe import Markup, escape

from cnnviz.report.data import Facts
from cnnviz.report.site.layers import Layer, Model
from cnnviz.report.site.links import Filter, url
from cnnviz.report.site.tables import Table, Value, kind

TOP = 100  # rows of a ranking
ROOM = 1_500_000  # characters of a layer's table
# name in the table (without an image set or a model behind a slash): heading, which end comes first, what it is
COLUMNS = {
    "status": ("status", "", "of its picture; empty: not rendered"),
    "robust_score": ("robust score", "high", "mean over the whole picture, moved and blurred, before the activation"),
    "against_nature": ("against nature", "high", "robust score over its strongest response to any natural image"),
    "selectivity_rank": ("selectivity rank", "low", "its place among all filters of the layer on its own picture"),
    "nature_percentile": (
        "nature percentile",
        "high",
        "natural images that drive it less than its picture, in percent",
    ),
    "seed_stability": ("seed stability", "high", "how alike pictures grown from different noise are"),
    "spectrum_distance": ("spectrum distance", "low", "from the mix of coarse and fine detail of natural images"),
    "clarity": ("clarity", "high", "how alike its natural patches are"),
    "firing_rate": ("fires", "high", "share of positions above 0"),
    "maximum": ("highest response", "high", "before the activation function"),
    "lifetime_sparsity": ("sparsity", "high", "0: responds alike everywhere, 1: at one spot only"),
    "class_selectivity": ("class selectivity", "high", "0: all classes alike, 1: one class alone"),
    "l2": ("norm", "high", "L2 norm of its weights"),
    "kernel_nearest_cosine": ("nearest kernel", "high", "cosine to the most similar kernel of the layer"),
    "nearest_correlation": ("nearest activity", "high", "highest correlation with another filter of the layer"),
    "activation_cluster": ("cluster by activity", "low", "filters of one number react almost alike"),
    "kernel_cluster": ("cluster by kernel", "low", "filters of one number have almost the same weights"),
    "drift_distance": ("kernel moved", "high", "distance to the same filter's kernel, as a share of its norm"),
    "drift_cosine": ("kernel cosine", "low", "to the same filter's kernel"),
    "drift_correlation": ("correlation", "low", "of its activations with those of the same filter"),
    "formed_at": ("took its form at", "", "from which state on its picture stays like its last"),
    "silent_since": ("silent since", "", "from which state on it fires on no image here"),
    "moved_since_start": ("kernel moved", "high", "from the first checkpoint to the last, as a share of its last norm"),
    "words": ("tells apart", "", "classes, better than chance"),
    "note": ("note", "", "what people wrote"),
}
STATES = ("formed_at", "silent_since")
RANKED = [name for name, (_, first, _) in COLUMNS.items() if first and not name.endswith("_cluster")]


@dataclass(frozen=True)
class Column:
    """A column of the table: name in the files, heading, which end is sorted first ("" for texts), what it means.

    order: of texts, as they sort where that is not by their letters.
    """

    name: str
    title: str
    first: str
    meaning: str
    order: Sequence[str] = ()


def columns(table: Table, states: Sequence[str] = ()) -> list[Column]:
    """Those of a table that pages show, as far as anything in them is known. states: of a training, in their order."""
    found = []
    for start, (title, first, meaning) in COLUMNS.items():
        for name in table:
            base, _, of = name.partition("/")
            if base == start and any(one is not None for one in table[name]):
                order = states if base in STATES else ()
                found.append(Column(name, f"{title}, {of}" if of else title, first, meaning, order))
    return found


def text(value: Value) -> str:
    """A cell: four digits, empty where nothing is known."""
    if isinstance(value, float):
        return f"{value:.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"
    return "" if value is None else str(value)


def _cells(column: Sequence[Value]) -> list[str]:
    return [escape(text(one)) for one in column] if kind(column) is str else [text(one) for one in column]


def of_layer(layer: Layer, table: Table, shown: Iterable[Column]) -> tuple[list[Markup], list[int]]:
    """A row per filter, the rendered ones first, then by number, as many as ROOM has room for; the filters left out."""
    cells = zip(*(_cells(table[column.name]) for column in shown), strict=True)
    every = [f"<td>{'<td>'.join(row)}" for row in cells] or [""] * layer.filters
    made = layer.rendered if len(layer.rendered) == len(layer.whole) else sorted(layer.rendered)
    order = [*made, *(k for k in range(layer.filters) if k not in layer.rendered)]
    every = [f'<tr id="{k}"{_kind(layer, k)}>{_head(layer, k)}{row}' for k, row in enumerate(every)]
    count = int(np.searchsorted(np.cumsum([len(every[k]) for k in order]), ROOM, "right"))
    return [Markup(every[k]) for k in order[:count]], order[count:]  # noqa: S704 (texts were escaped above)


def _head(layer: Layer, k: int) -> str:
    return f'<th scope="row"><a href="{k}.html">{_picture(layer, k)}{k}</a>'


def _kind(layer: Layer, k: int) -> str:
    status = layer.status.get(k)
    return ' data-kind="natural"' if status is None else f' class="m {status}" data-kind="made"'


def _picture(layer: Layer, k: int) -> str:
    place = (layer.sheet if k in layer.rendered else layer.patches) if layer.sheet or layer.patches else None
    at = place.place(k) if place else None
    return f"<i style=--x:{at[0]};--y:{at[1]}></i>" if at else "<i></i>"


def backgrounds(layer: Layer, root: str) -> Markup:
    """The sheets of a layer's pictures as custom backgrounds of a table: natural patches, made pictures."""
    return Markup(f"background-image:{_sheet(layer.patches, root)},{_sheet(layer.sheet, root)}{sizes(layer)}")  # noqa: S704


def _sheet(sheet: object, root: str) -> str:
    return f"url({root}{sheet.src})" if sheet else "none"  # type: ignore[attr-defined]


def sizes(layer: Layer) -> str:
    return "".join(
        f";{c}:{sheet.columns};{r}:{sheet.rows}"
        for sheet, c, r in ((layer.patches, "--c", "--r"), (layer.sheet, "--C", "--R"))
        if sheet
    )


def bars(table: Table, name: str, high: float = 1.0, count: int = 24) -> list[tuple[float, str, str]]:
    """A histogram from 0 to `high`: height of a bar (1: the highest), address of the table with its filters only, which
    they are and how many. What a page shows is counted, so that the table holds what the bar says.
    """
    known = np.array([float(text(v)) for v in table[name] if v is not None])
    edges = [float(f"{high * i / count:.6g}") for i in range(count + 1)]
    last = [i == count - 1 for i in range(count)]
    sums = [int(((known >= edges[i]) & (last[i] | (known < edges[i + 1]))).sum()) for i in range(count)]
    found = []
    for i, held in enumerate(sums):
        asked = f"{edges[i]:g}..{'' if last[i] else f'<{edges[i + 1]:g}'}"
        said = f"{edges[i]:.3g} to {edges[i + 1]:.3g}: {held} filter{'' if held == 1 else 's'}"
        found.append((held / max(max(sums), 1), f"?{url(name)}={asked}#filters", said))
    return found


def script(model: Model, tables: Mapping[str, Table], whole: Table, shown: Sequence[Column]) -> bytes:
    """All filters of a network as a file that hands them to the page that asks for it (table.js)."""
    layers = []
    for name in tables:
        layer = model.layers[name]
        sheets = [[s.src, s.columns, s.rows] if s else 0 for s in (layer.patches, layer.sheet)]
        made = [[k, *place] for k in layer.rendered if layer.sheet and (place := layer.sheet.place(k))]
        layers.append([layer.title, url(model.key, name), layer.filters, *sheets, made])
    facts: Facts = {
        "layers": layers,
        "columns": [[c.name, c.title, c.first, c.meaning, *([c.order] if c.order else [])] for c in shown],
    }
    head = json.dumps(facts, separators=(",", ":"), ensure_ascii=False)
    values = ",\n".join(f"[{_literal(whole[column.name])}]" for column in shown)
    found = f"window.cnnvizTable({head},[{values}]);\n"
    return found.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()


def _literal(column: Sequence[Value]) -> str:
    """Numbers as pages show them, texts quoted, nothing where nothing is known; a last comma ends the last one."""
    cells = [json.dumps(v, ensure_ascii=False) if isinstance(v, str) else text(v) for v in column]
    return ",".join(cells) + ("," if cells and not cells[-1] else "")


def rankings(model: Model, whole: Table, shown: Iterable[Column]) -> list[tuple[Column, int, list[tuple[Filter, str]]]]:
    """The first of each measure over all filters of a network: column, how many are known, (filter, value).

    What changed most comes first, with kernel distance and correlation of activations.
    """
    places = list(zip(whole["layer"], whole["filter"], strict=True))
    found = []
    asked = [one for one in shown if one.name.partition("/")[0] in RANKED]
    for column in sorted(asked, key=lambda one: not one.name.startswith("drift_")):
        values = whole[column.name]
        known = list(compress(range(len(values)), [v is not None for v in values]))
        known.sort(key=lambda i: values[i], reverse=column.first == "high")  # type: ignore[arg-type,return-value]
        rows = []
        for i in known[:TOP]:
            layer, k = str(places[i][0]), int(places[i][1])  # type: ignore[arg-type]
            rows.append((model.layers[layer].filter(k), _said(whole, column, i)))
        found.append((column, len(known), rows))
    return found


def _said(whole: Table, column: Column, i: int) -> str:
    """A value; of drift distance and correlation."""
    start, _, other = column.name.partition("/")
    if not start.startswith("drift_"):
        return text(whole[column.name][i])
    moved, alike = (text(whole[f"drift_{key}/{other}"][i]) or "unknown" for key in ("distance", "correlation"))
    cosine = f", cosine {text(whole[column.name][i])}" if start == "drift_cosine" else ""
    return f"moved {moved}, correlation {alike}{cosine}"
