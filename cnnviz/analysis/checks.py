"""Signs that a network does not see what it was trained on: maps that never change, or that are at their limits.

Thresholds: docs/analysis.md.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from cnnviz.analysis.layers import LayerAnalysis
from cnnviz.analysis.measures import histogram_edges

STILL = 1e-3  # a filter's highest less its lowest pre-activation, as a share of the larger of the two
FULL = 0.95  # share of a layer's pre-activations that lie beyond the limit
LIMITS = {"sigmoid": 6.0, "hard_sigmoid": 3.0, "tanh": 3.0, "relu6": 6.0}  # where a bounded activation hardly changes
BOTH_SIDES = ("sigmoid", "hard_sigmoid", "tanh")
MOST = 4  # layers named


def notes(layers: Mapping[str, LayerAnalysis], convs: Mapping[str, Any]) -> list[str]:
    """Sentences on layers whose maps are no numbers, never change, are 0 everywhere or saturated, on all images.

    convs: networks.Conv of each layer.
    """
    kinds: dict[str, list[str]] = {}
    for name, layer in layers.items():
        if kind := _kind(layer, _activation(convs[name])):
            kinds.setdefault(kind, []).append(name)
    texts = {
        "nan": "maps of {} hold NaN or infinity: look for such weights or statistics",
        "still": "maps of {} are the same on all images: check the preprocessing",
        "dead": "no filter of {} is ever above 0 on any image: check the preprocessing",
        "full": "maps of {} are saturated on all images: check the preprocessing",
    }
    return [text.format(_listed(kinds[kind])) for kind, text in texts.items() if kind in kinds]


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - MOST} more layers" if len(every) > MOST else ""
    return ", ".join(every[:MOST]) + more


def _kind(layer: LayerAnalysis, activation: str) -> str | None:
    sets = list(layer.sets.values())
    if any(not np.isfinite(one.moments.total).all() for one in sets):
        return "nan"
    high, low = layer.top.values[:, 0], layer.bottom.values[:, 0]
    images = sum(len(one.features.result()) for one in sets)
    if images > 1 and (high - low <= STILL * np.maximum(np.abs(high), np.abs(low))).all():
        return "still"
    if activation in ("relu", "relu6", "ReLU") and all(not one.moments.positive.any() for one in sets):
        return "dead"
    if activation in LIMITS:
        counts, edges = sum(one.histogram.counts.sum(0) for one in sets), histogram_edges()
        beyond = edges[:-1] >= LIMITS[activation]
        if activation in BOTH_SIDES:
            beyond |= edges[1:] <= -LIMITS[activation]
        if counts[beyond].sum() >= FULL * counts.sum():
            return "full"
    return None


def _activation(conv: Any) -> str:
    """Name of the function that ends a unit."""
    own = getattr(conv.layer.activation, "__name__", "linear")
    if own != "linear" or conv.nonlinearity is None:
        return str(own)
    layer = conv.nonlinearity.layer
    if getattr(layer, "max_value", None) == 6:
        return "relu6"
    return str(getattr(getattr(layer, "activation", None), "__name__", type(layer).__name__))
