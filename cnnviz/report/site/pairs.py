"""Files of `artifacts/compare/` -> what the comparison pages show, and who is like whom."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cnnviz.files import npz, read_csv
from cnnviz.report.site.layers import Model
from cnnviz.report.site.links import url

Place = tuple[str, str, int]  # model, layer, filter
Twins = dict[Place, list[tuple[Place, dict[str, Any]]]]
SHOWN = 24  # matches and changed filters on a page


@dataclass
class Match:
    """Two filters of two models that react alike: correlation of their activations over the same images."""

    one: Place
    other: Place
    correlation: float


@dataclass
class Pair:
    """Two models (or one with itself). cka: `(layers of one, layers of other)`; drift: columns of drift/*.csv."""

    one: Model
    other: Model
    cka: NDArray[np.float64]
    matches: list[Match] = field(default_factory=list)
    drift: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.one.key}--{self.other.key}"

    @property
    def url(self) -> str:
        return url("compare", f"{self.name}.html")

    def row(self, i: int) -> list[int]:
        """CKA of layer i with all layers of the other model, in hundredths."""
        return [round(100 * max(float(v), 0.0)) for v in np.nan_to_num(self.cka[i])]

    def heat(self) -> list[Markup]:
        """The map as SVG rectangles of one unit each; neighbours of one shade are one rectangle."""
        found = []
        for y in range(len(self.cka)):
            shades = [value // 10 for value in self.row(y)]
            start = 0
            for x in range(1, len(shades) + 1):
                if x == len(shades) or shades[x] != shades[start]:
                    part = f'<rect class="h{shades[start]}" x="{start}" y="{y}" width="{x - start}" height="1"/>'
                    found.append(Markup(part))  # noqa: S704 (numbers only)
                    start = x
        return found

    def shown_matches(self) -> list[Match]:
        """The best matches: first those with both filters rendered, at most three of one layer."""
        models = {self.one.key: self.one, self.other.key: self.other}

        def rendered(place: Place) -> bool:
            return place[2] in models[place[0]].layers[place[1]].rendered

        ranked = sorted(self.matches, key=lambda m: (-(rendered(m.one) + rendered(m.other)), -m.correlation))
        count: dict[str, int] = defaultdict(int)
        kept: list[Match] = []
        for match in ranked:
            count[match.one[1]] += 1
            if count[match.one[1]] <= 3 and len(kept) < SHOWN:
                kept.append(match)
        return sorted(kept, key=lambda m: -m.correlation)

    def changed(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The rendered filters that changed most and least, by activation correlation."""
        drawn = [
            row
            for row in self.drift
            if row["filter"] in self.one.layers[row["layer"]].rendered
            and row["filter"] in self.other.layers[row["layer"]].rendered
            and row["correlation"] is not None
        ]
        ranked = sorted(
            drawn or [r for r in self.drift if r["correlation"] is not None], key=lambda r: r["correlation"]
        )
        count = min(SHOWN // 4, len(ranked) // 2)
        return ranked[:count], ranked[::-1][:count]

    @cached_property
    def _of_layers(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self.drift:
            found[row["layer"]].append(row)
        return found

    def drift_of(self, layer: str) -> list[dict[str, Any]]:
        """The rows of one layer."""
        return self._of_layers.get(layer, [])

    def most_changed(self, key: str, count: int) -> list[dict[str, Any]]:
        """Of all filters, rendered or not, those that changed most: by kernel `distance` or activation `correlation`.

        What is unknown, as the correlation of a filter that never fires, is left out.
        """
        known = [row for row in self.drift if row[key] is not None]
        return sorted(known, key=lambda row: row[key], reverse=key == "distance")[:count]

    def drift_by_layer(self) -> list[dict[str, Any]]:
        """Medians over the filters of each layer."""
        rows = []
        for name in self.one.layers:
            own = self.drift_of(name)
            numbers = {
                key: [row[key] for row in own if row[key] is not None] for key in ("distance", "cosine", "correlation")
            }
            rows.append({"layer": name, **{key: median(v) if v else None for key, v in numbers.items()}})
        return rows


def _value(text: str) -> float | None:
    return float(text) if text else None


def read(artifacts: Path, models: dict[str, Model]) -> list[Pair]:
    """All pairs that `compare` wrote, in the order of params.yaml, each model with itself last."""
    found: list[Pair] = []
    own: list[Pair] = []
    keys = list(models)
    for i, first in enumerate(keys):
        for second in keys[i:]:
            stored = npz.read(artifacts / "compare" / "cka" / f"{first}--{second}.npz")
            if not stored:
                continue
            pair = Pair(models[first], models[second], stored["cka"])
            (own if first == second else found).append(pair)
            if first != second:
                _read_pair(artifacts / "compare", pair)
    return found + own


def _read_pair(folder: Path, pair: Pair) -> None:
    for row in read_csv(folder / "matches" / f"{pair.name}.csv"):
        one, other = ((m.key, row[f"{m.key} layer"], int(row[f"{m.key} filter"])) for m in (pair.one, pair.other))
        pair.matches.append(Match(one, other, float(row["correlation"])))
    for row in read_csv(folder / "drift" / f"{pair.name}.csv"):
        numbers = {key: _value(row[key]) for key in ("distance", "cosine", "correlation")}
        pair.drift.append({"layer": row["layer"], "filter": int(row["filter"]), **numbers})


def twins(pairs: Iterable[Pair]) -> Twins:
    """The same filter in the other models of one architecture, with its row of drift."""
    found: Twins = defaultdict(list)
    for pair in pairs:
        for row in pair.drift:
            one, other = ((m.key, row["layer"], row["filter"]) for m in (pair.one, pair.other))
            found[one].append((other, row))
            found[other].append((one, row))
    return found
