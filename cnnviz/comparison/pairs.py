"""Models side by side, from the files of `analyze`, `weights` and `maximize` alone: docs/analysis.md. No TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import Analysis, Pixels, depth, rendered_filters, rendered_images
from cnnviz.comparison import similarity
from cnnviz.files import npz
from cnnviz.filters import filters_of


@dataclass
class Side:
    """One model of a comparison: its analysis, model.json, images as it sees them, and the artifacts folder."""

    analysis: Analysis
    described: dict[str, Any]
    pixels: Pixels
    artifacts: Path
    _rendered: dict[str, frozenset[int]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.analysis.name

    def kernel(self, layer: str) -> NDArray:
        """Filters first."""
        depthwise = next(c["depthwise"] for c in self.described["conv_layers"] if c["name"] == layer)
        with npz.opened(self.artifacts / "weights" / self.name / f"{layer}.npz") as stored:
            return filters_of(stored["kernel"], depthwise)

    def rendered(self, layer: str) -> frozenset[int]:
        """The filters of a layer that have an image."""
        if layer not in self._rendered:
            self._rendered[layer] = frozenset(rendered_filters(self._images(layer)))
        return self._rendered[layer]

    def maximized(self, layer: str) -> dict[int, NDArray[np.uint8]]:
        """The rendered images of a layer by filter, `(h, w, 3)` each; none where the layer was not rendered."""
        return rendered_images(self._images(layer), self.pixels.rgb)

    def _images(self, layer: str) -> Path:
        return self.artifacts / "maximize" / self.name / f"{layer}.npz"


def same_architecture(one: Side, other: Side) -> bool:
    """Whether the conv layers have the same names and kernel shapes."""
    shapes = [[(c["name"], c["kernel_shape"]) for c in side.described["conv_layers"]] for side in (one, other)]
    return shapes[0] == shapes[1]


def shared(one: Analysis, other: Analysis) -> list[str]:
    """The image sets that both models saw."""
    return [name for name in one.sets if name in other.sets]


def cka(one: Analysis, other: Analysis) -> NDArray[np.float64]:
    """Linear CKA of all layers, `(layers of one, layers of other)`, over the image sets that both saw."""
    sets = shared(one, other)
    return similarity.cka([one.grams(name) for name in sets], [other.grams(name) for name in sets])


@dataclass(frozen=True)
class Match:
    """A filter of one model and the one that it is matched with in the other."""

    layer: str
    filter: int
    other_layer: str
    other_filter: int
    correlation: float


def matches(one: Analysis, other: Analysis, alike: NDArray) -> list[Match]:
    """Match the filters of each layer of `one` with those of the layer of `other` with the highest CKA, best first."""
    found, sets = [], shared(one, other)
    for i, layer in enumerate(one.layers):
        if not np.isfinite(alike[i]).any():
            continue
        partner = other.layers[int(np.nanargmax(alike[i]))]
        correlation = similarity.correlations(one.features(layer, sets), other.features(partner, sets))
        pairs = similarity.matched(correlation)
        found += [Match(layer, a, partner, b, r) for a, b, r in pairs if r != 0]  # 0: one of the two is never active
    return sorted(found, key=lambda m: -m.correlation)


def shown_matches(found: list[Match], one: Side, other: Side, most: int, rendered: bool) -> list[Match]:
    """The best match of each layer, of up to `most` layers in the network's order.

    rendered: only of filters with a rendered image on one side at least, which is seldom the best of the layer.
    """
    best: dict[str, Match] = {}
    for match in found:  # best first
        drawn = match.filter in one.rendered(match.layer) or match.other_filter in other.rendered(match.other_layer)
        if drawn or not rendered:
            best.setdefault(match.layer, match)
    layers = [layer for layer in one.analysis.layers if layer in best]
    places = sorted({int(i) for i in np.linspace(0, len(layers) - 1, min(most, len(layers))).round()}) if layers else []
    return [best[layers[i]] for i in places]


def drift(before: Side, after: Side) -> dict[str, NDArray]:
    """What changed in every filter of two models of one architecture: arrays `(filters of all layers,)`.

    `layer`, `filter`, kernel `distance` and `cosine`, activation `correlation`.
    """
    rows: dict[str, list[NDArray]] = {key: [] for key in ("layer", "filter", "distance", "cosine", "correlation")}
    sets = shared(before.analysis, after.analysis)
    for layer in (name for name in before.analysis.layers if name in after.analysis.layers):
        moved = similarity.drift(before.kernel(layer), after.kernel(layer))
        n = len(moved["distance"])
        rows["layer"].append(np.full(n, layer))
        rows["filter"].append(np.arange(n))
        rows["distance"].append(moved["distance"])
        rows["cosine"].append(moved["cosine"])
        same = similarity.same_filter(before.analysis.features(layer, sets), after.analysis.features(layer, sets))
        rows["correlation"].append(same)
    return {key: np.concatenate(parts) for key, parts in rows.items()}


def most_and_least(changed: dict[str, NDArray], before: Side, after: Side, count: int) -> tuple[list[int], list[int]]:
    """Rows of `drift`: the most and the least changed filters by kernel distance, of those rendered in both models.

    Of all filters where none is.
    """
    place = list(zip(changed["layer"].tolist(), changed["filter"].tolist(), strict=True))
    drawn = [i for i, (layer, k) in enumerate(place) if k in before.rendered(layer) and k in after.rendered(layer)]
    known = [i for i in drawn or range(len(place)) if np.isfinite(changed["distance"][i])]
    order = sorted(known, key=lambda i: -changed["distance"][i])
    count = min(count, len(order) // 2)
    return order[:count], order[len(order) - count :]


def depth_rows(side: Side) -> list[dict[str, Any]]:
    """A row per conv layer of what changes with depth, see docs/analysis.md."""
    order = [conv["name"] for conv in side.described["conv_layers"]]
    rows = []
    for layer, entry in side.analysis.statistics.items():
        images = list(side.maximized(layer).values())
        sets = list(entry["sets"].values())
        rows.append(
            {
                "model": side.name,
                "layer": layer,
                "depth": order.index(layer) / max(1, len(order) - 1),
                "receptive_field": max(entry["receptive_field"] or [0]) or None,
                "maximized_frequency": depth.median(depth.dominant_frequency(image) for image in images),
                "patch_frequency": entry["patch_frequency"],
                "maximized_chroma": depth.median(depth.chroma_share(image) for image in images),
                "patch_chroma": entry["patch_chroma"],
                "firing_rate": _mean(sets, "firing_rate"),
                "lifetime_sparsity": _mean(sets, "lifetime_sparsity"),
                "population_sparsity": _mean(sets, "population_sparsity"),
                "class_selectivity": _mean(sets, "class_selectivity"),
                "class_selectivity_chance": _mean(sets, "class_selectivity_chance"),
                "never_active": entry["never_active"],
            }
        )
    return rows


def _mean(sets: Sequence[dict[str, Any]], key: str) -> float | None:
    known = [one[key] for one in sets if one[key] is not None]
    return float(np.mean(known)) if known else None


def pair_numbers(alike: NDArray, found: list[Match], changed: dict[str, NDArray] | None) -> dict[str, Any]:
    """The pair's entry of metrics.json."""
    best = np.nanmax(alike, axis=1) if np.isfinite(alike).any(axis=1).all() else np.zeros(0)
    numbers: dict[str, Any] = {
        "mean_best_cka": depth.median([float(best.mean())]) if len(best) else None,
        "last_layers_cka": depth.median([float(alike[-1, -1])]),
        "matched_filters": len(found),
        "median_match_correlation": depth.median(m.correlation for m in found),
    }
    if changed is not None:
        numbers["median_kernel_distance"] = depth.median(changed["distance"])
        numbers["median_activation_correlation"] = depth.median(changed["correlation"])
    return numbers
