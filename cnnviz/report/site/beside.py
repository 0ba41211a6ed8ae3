"""Two trainings of one architecture side by side: the same filters from the same noise, one slider for both."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from cnnviz.report.data import Facts
from cnnviz.report.site.layers import Layer, Model
from cnnviz.report.site.links import url
from cnnviz.report.site.training import Training

MOST = 48  # filters on a page
# Of the layers of one architecture, for images of one size
ALIKE = ("type", "input_shape", "kernel_shape", "strides", "padding", "dilation", "activation")


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
    return [Beside(a, b) for a, b in combinations(known, 2) if _kinds(a) == _kinds(b) and _both(a, b)]


def _kinds(model: Model) -> list[Facts]:
    """What its layers are, in their order, whatever they are called: Keras numbers the names of all that it builds."""
    return [{name: layer.conv[name] for name in ALIKE} for layer in model.ordered()]


def _both(one: Model, other: Model) -> list[tuple[tuple[Layer, Layer], int]]:
    """The filters whose life both show: the layers at one place in their networks, and the number."""
    strips = [model.training.strips if model.training else {} for model in (one, other)]
    return [
        (layers, k)
        for layers in zip(one.ordered(), other.ordered(), strict=True)
        for name, k in strips[0]
        if name == layers[0].name and (layers[1].name, k) in strips[1]
    ]


def facts(pair: Beside) -> Facts:
    """What the page of two trainings says: rows (layer, filter of one, of the other, their strips, their forms)."""
    both = (pair.one, pair.other)
    trainings: list[Training] = [one.training for one in both if one.training]
    rows = []
    for layers, k in _both(pair.one, pair.other)[:MOST]:
        at = []
        for training, layer in zip(trainings, layers, strict=True):
            arrays = training.arrays(layer.name)
            place = arrays["filters"].tolist().index(k)
            at.append(training.label(int(arrays["formed_at"][place])))
        filters = [layer.filter(k) for layer in layers]
        strips = [training.strips[layer.name, k] for training, layer in zip(trainings, layers, strict=True)]
        rows.append((layers[0], k, filters, strips, at))
    states = together(trainings)
    said = [
        " · ".join(f"{model.key}: {training.said[i]}" for model, training, i in zip(both, trainings, at, strict=True))
        for at in zip(*states, strict=True)
    ]
    return {
        "pair": pair,
        "trainings": trainings,
        "rows": rows,
        "states": states,
        "said": said,
        "timed": _timed(trainings),
    }


def _timed(trainings: Sequence[Training]) -> bool:
    return all(None not in (one["epoch"], one["step"]) for training in trainings for one in training.checkpoints)


def _epochs(checkpoints: Sequence[Facts]) -> list[Fraction]:
    """How much of a training lay behind each state. Steps of an epoch: the fewest that an epoch took on average."""
    each = min((Fraction(one["step"], one["epoch"]) for one in checkpoints if one["epoch"]), default=None)
    found = []
    for one in checkpoints:
        within = one["step"] / each - one["epoch"] if each else Fraction(min(one["step"], 1), 2)
        found.append(one["epoch"] + min(max(within, Fraction(0)), Fraction(99, 100)))
    return found


def together(trainings: Sequence[Training]) -> list[list[int]]:
    """For each training the states that one slider goes through, as many of each.

    By epochs and shares of them, as their steps may be of other sizes: at every moment that any of them kept, each
    one's latest state until then. Where that is not known of all, by place: a shorter series stays at its last state.
    """
    if not _timed(trainings):
        return [[min(i, len(one) - 1) for i in range(max(map(len, trainings)))] for one in trainings]
    moments = [_epochs(training.checkpoints) for training in trainings]
    every = sorted({moment for own in moments for moment in own})
    return [[max(bisect_right(own, moment) - 1, 0) for moment in every] for own in moments]
