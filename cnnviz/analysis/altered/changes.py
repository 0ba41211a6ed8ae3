"""How much filters change between two images, measured by how much they differ between images. docs/analysis.md."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis.grams import pool
from cnnviz.analysis.layers import LayerAnalysis
from cnnviz.analysis.observe import Observer

Floats = NDArray[np.float64]
FLOOR = 0.5  # a filter that differs less than this part of its layer's median filter counts as that


def responses(features: NDArray[np.float32]) -> Floats:
    """Mean of each unit over an image: features `(images, cells, cells, filters)` -> `(images, filters)`."""
    return features.astype(np.float64).mean((1, 2))


def spreads(layers: Mapping[str, LayerAnalysis]) -> dict[str, Floats]:
    """Per layer, every filter's standard deviation of its responses to the kept images of all sets: `(filters,)`."""
    return {
        name: responses(np.concatenate([one.features.result() for one in layer.sets.values()])).std(0)
        for name, layer in layers.items()
    }


def change(before: Floats, after: Floats, spread: Floats) -> Floats:
    """Standardised change of every filter of a layer, all `(filters,)`; NaN where no filter differs between images."""
    differ = spread[spread > 0]
    if not len(differ):
        return np.full(len(spread), np.nan)
    return (after - before) / np.maximum(spread, FLOOR * np.median(differ))


def total(changed: Floats) -> float:
    """Of a whole layer: the root mean square over its filters."""
    return float(np.sqrt(np.mean(changed**2)))


def seen(observer: Observer, images: Sequence[NDArray], batch: int) -> dict[str, Floats]:
    """What every layer's filters respond to images `(h, w, channels)` in 0..255: `(images, filters)`."""
    stack = np.stack(images).astype(np.float32)
    found: dict[str, list[Floats]] = {}
    for one in observer.batches(lambda indices: stack[list(indices)], len(stack), batch):
        for name in one:
            found.setdefault(name, []).append(responses(pool(one[name].unit)))
        one.release()
    return {name: np.concatenate(parts) for name, parts in found.items()}
