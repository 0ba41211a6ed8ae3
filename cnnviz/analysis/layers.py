"""All that is measured of a layer in one pass over the image sets, and what follows from it. Files: files.py.

A new measure is a class with `update(Seen)` that `LayerAnalysis` keeps beside the others.
"""

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import measures
from cnnviz.analysis.depth import median
from cnnviz.analysis.examples import Extremes
from cnnviz.analysis.grams import Features, Grams
from cnnviz.analysis.places import Places
from cnnviz.analysis.seen import Measure, Seen
from cnnviz.analysis.words import Responses, tellable
from cnnviz.files import Spool, threads
from cnnviz.filters import clusters

RARE = 0.001  # firing rate below which a filter is rarely active
PREFERS = 2 / 3  # preference from which a filter counts as one set's: five times as active there
REDUNDANT = 0.8  # correlation, or cosine of kernels, from which filters belong to one cluster


@dataclass
class SetMeasures:
    """What is measured for each image set by itself; class means where the labels allow a comparison."""

    moments: measures.Moments
    histogram: measures.Histogram
    grams: Grams
    features: Features
    places: Places
    classes: measures.ClassMeans | None = None
    shuffled: measures.ClassMeans | None = None
    responses: Responses | None = None

    @property
    def every(self) -> list[Measure]:
        some = (self.classes, self.shuffled, self.responses)
        always: list[Measure] = [self.moments, self.histogram, self.grams, self.features, self.places]
        return [*always, *(one for one in some if one is not None)]

    def per_filter(self) -> dict[str, NDArray]:
        """Arrays `(channels,)`; class selectivity, its level of chance and the preferred class where there are any."""
        found: dict[str, NDArray] = dict(self.moments.result())
        if self.classes is not None and self.shuffled is not None:
            found["class_selectivity"] = measures.class_selectivity(self.classes.means())
            found["class_selectivity_chance"] = measures.class_selectivity(self.shuffled.means())
            found["preferred_class"] = self.classes.preferred()
        return found


@dataclass
class LayerAnalysis:
    """One conv layer with `channels` units: call `begin` at the start of each image set, `update` for its batches."""

    channels: int
    examples: int
    batch: int
    kept: int
    mapped: int
    photos: NDArray[np.integer]  # of all sets' images, which show the same one
    spool: Spool | None = None  # where what grows with the number of images waits
    sets: dict[str, SetMeasures] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.top, self.bottom = (Extremes(self.channels, self.examples, sign, self.photos) for sign in (1, -1))
        self.correlation = measures.Correlation(self.channels)

    def begin(self, name: str, labels: NDArray[np.integer]) -> None:
        n, channels = len(labels), self.channels
        self.current = SetMeasures(
            measures.Moments(channels),
            measures.Histogram(channels),
            Grams(min(self.batch, n), self.kept),
            Features(self.kept, self.spool),
            Places(self.mapped, self.spool),
        )
        if measures.comparable(labels):
            self.current.classes = measures.ClassMeans(channels, labels)
            mixed = np.random.default_rng(0).permutation(labels)
            self.current.shuffled = measures.ClassMeans(channels, mixed)
        if tellable(labels):
            self.current.responses = Responses(channels, labels)
        self.sets[name] = self.current

    def update(self, seen: Seen) -> None:
        threads(lambda one: one.update(seen), [self.correlation, *self.current.every, self.top, self.bottom])

    @property
    def responses(self) -> dict[str, Responses]:
        """To the labelled images of each set whose labels say anything."""
        return {name: one.responses for name, one in self.sets.items() if one.responses is not None}

    def end(self, count: int) -> None:
        """The set's `count` images are through."""
        self.top.start += count
        self.bottom.start += count


def means(layer: LayerAnalysis) -> NDArray[np.float64]:
    """Of each unit over all positions of all images: `(channels,)`."""
    moments = [one.moments for one in layer.sets.values()]
    return np.asarray(sum(m.total for m in moments) / sum(m.stimuli for m in moments))


def highest(layer: LayerAnalysis) -> NDArray[np.float64]:
    """Each unit's highest output on all images: `(channels,)`, NaN where it was that anywhere."""
    return np.asarray(np.max([one.moments.maximum for one in layer.sets.values()], axis=0))


def states(rates: dict[str, NDArray]) -> NDArray[np.str_]:
    """`never-active` on any image of any set; `rarely-active`: firing rate below 0.001 on each; else `active`.

    `nan`: its values are no numbers.
    """
    highest = np.max(list(rates.values()), axis=0)
    cases = [np.isnan(highest), highest == 0, highest < RARE]
    return np.select(cases, ["nan", "never-active", "rarely-active"], "active")


def redundancy(correlation: NDArray, cosines: NDArray) -> dict[str, NDArray]:
    """Clusters by activation and by kernel, and the filter of the most similar activation; arrays `(channels,)`."""
    others = correlation.copy()
    np.fill_diagonal(others, -2)
    nearest = others.argmax(1) if len(others) > 1 else np.array([-1])
    return {
        "activation_cluster": clusters(correlation, REDUNDANT),
        "kernel_cluster": clusters(cosines, REDUNDANT),
        "nearest": nearest,
        "nearest_correlation": others.max(1) if len(others) > 1 else np.zeros(1),
    }


def per_filter(layer: LayerAnalysis, cosines: NDArray) -> dict[str, NDArray]:
    """Every number of every filter of a layer: arrays `(channels,)`; those of a set are called `<measure>/<set>`."""
    by_set = {name: one.per_filter() for name, one in layer.sets.items()}
    rates = {name: found["firing_rate"] for name, found in by_set.items()}
    columns: dict[str, NDArray] = {"state": states(rates)}
    columns |= {f"{key}/{name}": values for name, found in by_set.items() for key, values in found.items()}
    for a, b in combinations(by_set, 2):
        columns[f"preference/{a}/{b}"] = measures.preference(by_set[a]["rate"], by_set[b]["rate"])
    return columns | redundancy(layer.correlation.result(), cosines)


def per_layer(layer: LayerAnalysis, columns: dict[str, NDArray]) -> dict[str, Any]:
    """The layer's entry of statistics.json: counts and medians over its filters."""
    n = layer.channels
    entry: dict[str, Any] = {
        "filters": n,
        "never_active": int((columns["state"] == "never-active").sum()),
        "rarely_active": int((columns["state"] == "rarely-active").sum()),
        "nan": int((columns["state"] == "nan").sum()),
        "activation_clusters": int(columns["activation_cluster"].max()) + 1,
        "kernel_clusters": int(columns["kernel_cluster"].max()) + 1,
    }
    for kind in ("activation", "kernel"):
        entry[f"{kind}_redundant_share"] = round(1 - entry[f"{kind}_clusters"] / n, 6)
    entry["sets"] = {}
    for name, one in layer.sets.items():
        keys = ("firing_rate", "lifetime_sparsity", "class_selectivity", "class_selectivity_chance")
        entry["sets"][name] = {key: median(columns.get(f"{key}/{name}", ())) for key in keys}
        entry["sets"][name]["population_sparsity"] = median([one.moments.population_sparsity])
        entry["sets"][name]["never_active"] = int((columns[f"firing_rate/{name}"] == 0).sum())
    entry["pairs"] = {
        f"{a}/{b}": {
            "median_absolute_preference": median(np.abs(columns[f"preference/{a}/{b}"])),
            f"prefer_{a}": int((columns[f"preference/{a}/{b}"] >= PREFERS).sum()),
            f"prefer_{b}": int((columns[f"preference/{a}/{b}"] <= -PREFERS).sum()),
        }
        for a, b in combinations(layer.sets, 2)
    }
    return entry


def headline(layers: dict[str, dict[str, Any]], columns: dict[str, dict[str, NDArray]]) -> dict[str, Any]:
    """The model's numbers in metrics.json, under the same keys for every model: medians over all of its filters."""

    def every(key: str) -> NDArray:
        found = [values for one in columns.values() for name, values in one.items() if name.split("/")[0] == key]
        return np.concatenate(found) if found else np.zeros(0)

    filters = sum(entry["filters"] for entry in layers.values())
    numbers: dict[str, Any] = {
        "analyzed_filters": filters,
        "never_active_share": round(sum(e["never_active"] for e in layers.values()) / filters, 6),
        "rarely_active_share": round(sum(e["rarely_active"] for e in layers.values()) / filters, 6),
    }
    for key in ("firing_rate", "lifetime_sparsity", "class_selectivity", "class_selectivity_chance"):
        numbers[f"median_{key}"] = median(every(key))
    sets = [found for entry in layers.values() for found in entry["sets"].values()]
    numbers["median_population_sparsity"] = median(found["population_sparsity"] for found in sets)
    numbers["median_absolute_preference"] = median(np.abs(every("preference")))
    for kind in ("activation", "kernel"):
        clusters = sum(entry[f"{kind}_clusters"] for entry in layers.values())
        numbers[f"{kind}_redundant_share"] = round(1 - clusters / filters, 6)
    return numbers
