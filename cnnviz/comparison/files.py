"""Pairs of models -> files of `artifacts/compare/` (docs/artifacts.md)."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.comparison import pairs, plots
from cnnviz.comparison.pairs import Side
from cnnviz.files import npz, write_bytes, write_csv
from cnnviz.pictures import png_bytes


def write_pair(folder: Path, one: Side, other: Side, matches_shown: int, changed_shown: int) -> dict[str, Any]:
    """Write everything about two models, or one with itself: then CKA only. Returns the entry of metrics.json.

    `one` comes first in params.yaml: where both have one architecture, it is taken for the earlier state.
    """
    name, alike = f"{one.name}--{other.name}", pairs.cka(one.analysis, other.analysis)
    rows, columns = one.analysis.layers, other.analysis.layers
    stored = {"cka": alike, "rows": np.array(rows), "columns": np.array(columns)}
    write_bytes(folder / "cka" / f"{name}.npz", npz.pack(stored, compress=True))
    write_bytes(folder / "cka" / f"{name}.png", plots.heat_map(alike, one.name, rows, other.name, columns))
    if one is other:
        return {}
    if len(rows) <= len(columns):  # from the model of fewer layers, so that none of the other's is matched too often
        fewer, more, from_fewer = one, other, alike
    else:
        fewer, more, from_fewer = other, one, alike.T
    found = pairs.matches(fewer.analysis, more.analysis, from_fewer)
    keys = {"layer": f"{fewer.name} layer", "filter": f"{fewer.name} filter"}
    keys |= {"other_layer": f"{more.name} layer", "other_filter": f"{more.name} filter"}
    table = [{keys.get(key, key): value for key, value in asdict(match).items()} for match in found]
    write_csv(folder / "matches" / f"{name}.csv", table)
    for rendered, suffix, of in ((False, "", "each layer"), (True, "_rendered", "each layer's rendered filters")):
        shown = pairs.shown_matches(found, fewer, more, matches_shown, rendered)
        if shown:
            picture = plots.matched(shown, fewer, more, of)
            write_bytes(folder / "matches" / f"{name}{suffix}.png", png_bytes(picture))
    if not pairs.same_architecture(one, other):
        return pairs.pair_numbers(alike, found, None)
    changed = pairs.drift(one, other)
    write_bytes(folder / "drift" / f"{name}.npz", npz.pack(changed, compress=True))
    every = [{key: values[i] for key, values in changed.items()} for i in range(len(changed["filter"]))]
    write_csv(folder / "drift" / f"{name}.csv", every)
    for suffix, data in plots.drift(changed, one.name, other.name).items():
        write_bytes(folder / "drift" / f"{name}{suffix}", data)
    most, least = pairs.most_and_least(changed, one, other, changed_shown)
    if most:
        picture = plots.changed_filters(changed, most, least, one, other)
        write_bytes(folder / "drift" / f"{name}_filters.png", png_bytes(picture))
    return pairs.pair_numbers(alike, found, changed)
