"""Whether a classifier that names labelled images no better than chance would with another preprocessing.

Thresholds: docs/analysis.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from math import comb
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis.predictions.outputs import Predictions
from cnnviz.networks import Graph, Head, preprocess
from cnnviz.sources import catalog

FEWEST, MOST = 20, 200  # labelled images: with fewer nothing is tried; no more are looked at
AS_CHANCE, CLEARLY = 0.05, 1e-4  # probability that guessing does as well: above the first, below the second
Read = Callable[[str, Sequence[int]], NDArray[np.float32]]


def likelier(
    graph: Graph, head: Head, preprocessing: Mapping[str, Any], found: Mapping[str, Predictions], read: Read
) -> str | None:
    """A sentence that proposes another preprocessing; None where there is no reason to.

    read: images of a set, float32 `(n, h, w, channels)` in 0..255.
    """
    places = [(name, int(i)) for name, one in found.items() for i in np.flatnonzero(one.labelled)]
    places = [places[int(k)] for k in np.linspace(0, len(places) - 1, min(MOST, len(places)))]
    if len(places) < FEWEST:
        return None
    true = np.array([found[name].true[i] for name, i in places])
    right = int(sum(found[name].right[i] for name, i in places))
    guessed = max(1 / len(head.names), float(np.bincount(true).max() / len(true)))
    if _luck(right, len(true), guessed) <= AS_CHANCE:
        return None
    images = np.concatenate([read(name, [i]) for name, i in places])
    network = keras.Model(graph.input, head.scores)
    best, proposed = 0, ""
    for name, spec in _others(preprocessing, images.shape[-1]).items():
        predicted = np.asarray(network.predict(preprocess(images, spec), batch_size=20, verbose=0)).argmax(1)
        if (count := int((predicted == true).sum())) > best:
            best, proposed = count, name
    if best < 2 * right or _luck(best, len(true), guessed) > CLEARLY:
        return None
    return (
        f"with the preprocessing {preprocessing.get('name', 'given')} it names {right} of {len(true)} labelled images "
        f"right, no more than by chance, and {best} with {proposed}: write that, if the network was trained with it"
    )


def _luck(right: int, n: int, chance: float) -> float:
    """Probability that so many or more of n are right by chance."""
    return sum(comb(n, k) * chance**k * (1 - chance) ** (n - k) for k in range(right, n + 1))


def _others(given: Mapping[str, Any], channels: int) -> dict[str, dict[str, Any]]:
    """What to try, simplest first, by what params.yaml would say."""
    known = {name: asdict(catalog.PREPROCESSING[name]) for name in ("raw", "unit", "tf", "caffe", "torch")}
    if channels != 3:
        known = {k: known[k] | {part: known[k][part][0] for part in ("scale", "offset")} for k in ("raw", "unit", "tf")}
    tried = {f"preprocessing: {name}": spec for name, spec in known.items()}
    if channels == 3:
        other = "in the other order of channels (channel_order)"
        turned = {name: known[name] | {"reverse_channels": True} for name in ("raw", "unit", "tf")}
        tried = {
            f"the same {other}": {**given, "reverse_channels": not given["reverse_channels"]},
            **tried,
            **{f"preprocessing: {name}, {other}": spec for name, spec in turned.items()},
        }
    return {name: spec for name, spec in tried.items() if not _same(spec, given)}


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    alike = all(np.allclose(one[key], other[key]) for key in ("scale", "offset"))
    return alike and bool(one["reverse_channels"]) == bool(other["reverse_channels"])
