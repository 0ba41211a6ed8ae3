"""Two trainings of one architecture side by side: the same filters from the same noise, one slider for both."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from cnnviz.report.data import Facts
from cnnviz.report.site.layers import Model
from cnnviz.report.site.links import url
from cnnviz.report.site.training import Training

MOST = 48  # filters on a page


@dataclass(frozen=True)
class Beside:
    """Two models with trainings whose pictures are of the same filters."""

    one: Model
    other: Model

    @property
    def url(self) -> str:
        return url("epochs", f"{self.one.key}--{self.other.key}.html")

    @property
    def path(self) -> str:
        return f"epochs/{self.one.key}--{self.other.key}.html"


def pairs(models: Mapping[str, Model]) -> list[Beside]:
    """Of all models those that were trained as one architecture, and have filters of which both show the life."""
    known = [model for model in models.values() if model.training]
    return [Beside(a, b) for a, b in combinations(known, 2) if _shapes(a) == _shapes(b) and _both(a, b)]


def _shapes(model: Model) -> list[tuple[str, list[int]]]:
    return [(layer.name, layer.conv["kernel_shape"]) for layer in model.ordered()]


def _both(one: Model, other: Model) -> list[tuple[str, int]]:
    strips = [model.training.strips if model.training else {} for model in (one, other)]
    return [place for place in strips[0] if place in strips[1]]


def facts(pair: Beside) -> Facts:
    """What the page of two trainings says: rows (layer, filter of one, of the other, their strips, their forms)."""
    trainings: list[Training] = [one.training for one in (pair.one, pair.other) if one.training]
    rows = []
    for layer, k in _both(pair.one, pair.other)[:MOST]:
        at = []
        for training in trainings:
            arrays = training.arrays(layer)
            place = arrays["filters"].tolist().index(k)
            at.append(training.label(int(arrays["formed_at"][place])))
        filters = [model.layers[layer].filter(k) for model in (pair.one, pair.other)]
        rows.append((pair.one.layers[layer], k, filters, [one.strips[layer, k] for one in trainings], at))
    return {"pair": pair, "trainings": trainings, "rows": rows, "frames": max(map(len, trainings))}
