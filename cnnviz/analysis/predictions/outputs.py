"""What a network said about every image, against the labels where those fit its classes. No TensorFlow.

Definitions: docs/analysis.md. A class that is not known is -1.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis.predictions.labels import UNKNOWN
from cnnviz.errors import InputError, choices

FEATURES_KEPT = 10_000  # images of a set among which the nearest right one is looked for
Chosen = list[tuple[str, int]]  # (set, number of the image in it)


@dataclass
class Outputs:
    """A network's scores on one image set, batch by batch."""

    _logits: list[NDArray] = field(default_factory=list)
    _features: list[NDArray] = field(default_factory=list)
    _count: int = 0

    def update(self, logits: NDArray, features: NDArray) -> None:
        """logits `(b, classes)`, features `(b, d)`."""
        self._logits.append(logits)
        self._features.append(features[: max(0, FEATURES_KEPT - self._count)])
        self._count += len(logits)

    @property
    def logits(self) -> NDArray[np.float32]:
        return np.concatenate(self._logits)

    @property
    def features(self) -> NDArray[np.float32]:
        """Of the first 10,000 images."""
        return np.concatenate(self._features)


@dataclass(frozen=True)
class Predictions:
    """One image set: logits, probabilities float32 `(n, classes)`; true int32 `(n,)`, -1: no class fits.

    alone: every label stands by itself (several sigmoids). An image whose scores are not finite is neither right nor
    wrong.
    """

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    true: NDArray[np.int32]
    features: NDArray[np.float32]
    alone: bool = False

    @cached_property
    def finite(self) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(self.logits).all(1))

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        return self.logits.argmax(1)

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        return np.take_along_axis(self.probabilities, self.predicted[:, None], 1)[:, 0]

    @cached_property
    def labelled(self) -> NDArray[np.bool_]:
        return (self.true >= 0) & self.finite

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """False for images without a label that fits, too."""
        return (self.predicted == self.true) & self.finite

    @cached_property
    def wrong(self) -> NDArray[np.bool_]:
        return self.labelled & ~self.right

    @cached_property
    def runner_up(self) -> NDArray[np.intp]:
        """The class of the second highest logit."""
        others = self.logits.copy()
        np.put_along_axis(others, self.predicted[:, None], -np.inf, 1)
        return others.argmax(1)

    def contrast(self, i: int) -> tuple[int, str] | None:
        """The class that a prediction is held against: `true` where it is wrong, else the `runner-up`.

        None for a label that stands by itself and is not wrong.
        """
        if self.wrong[i]:
            return int(self.true[i]), "true"
        return None if self.alone else (int(self.runner_up[i]), "runner-up")

    def rank(self, i: int) -> tuple[int, float]:
        """Wrong ones first, the most confident on top; then right ones, the least confident on top; then the rest."""
        confidence = float(self.confidence[i])
        if not self.finite[i]:
            return 3, 0
        return (0, -confidence) if self.wrong[i] else (1 if self.right[i] else 2, confidence)


@dataclass(frozen=True)
class Values:
    """One image set of a network that gives values: float32 `(n, values)`; there is no right or wrong.

    middle, spread: mean and standard deviation of every value over the images of all sets.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    middle: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(cls, outputs: Mapping[str, Outputs]) -> "dict[str, Values]":
        """Those of all image sets."""
        every = np.concatenate([one.logits for one in outputs.values()]).astype(np.float64)
        every = every[np.isfinite(every).all(1)]
        middle, spread = (every.mean(0), every.std(0)) if len(every) else (np.zeros(1), np.ones(1))
        return {name: cls(one.logits, one.features, middle, spread) for name, one in outputs.items()}

    @cached_property
    def finite(self) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(self.logits).all(1))

    @cached_property
    def departures(self) -> NDArray[np.float64]:
        """Each value's distance from its mean, in standard deviations: `(n, values)`."""
        return np.divide(self.logits - self.middle, self.spread, out=np.zeros(self.logits.shape), where=self.spread > 0)

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        """The value that departs most from its mean, which is the one to be explained."""
        return np.abs(self.departures).argmax(1)

    @property
    def true(self) -> NDArray[np.int32]:
        return np.full(len(self.logits), UNKNOWN, np.int32)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        return np.zeros(len(self.logits), bool)

    right = wrong = labelled

    def contrast(self, i: int) -> None:
        return None

    def rank(self, i: int) -> tuple[int, float]:
        """The highest on top."""
        return (0, -float(self.departures[i, self.predicted[i]])) if self.finite[i] else (3, 0)


Found = Mapping[str, Predictions] | Mapping[str, Values]


def order(found: Found) -> Chosen:
    """All images, those that are worth a look first; see `rank`."""
    places = [(name, i) for name, one in found.items() for i in range(len(one.logits))]
    return sorted(places, key=lambda place: found[place[0]].rank(place[1]))


def chosen(found: Found, mistakes: int, doubtful: int, asked: Mapping[str, Iterable[int]], where: str) -> Chosen:
    """Which predictions are explained: up to so many mistakes and least confident right ones, and those asked for.

    Where no image has a label that fits, `doubtful` of the least and of the most confident ones; of values, of the
    highest and of the lowest. Images whose scores are not finite are left out. Raises
    InputError for an image that is not there.
    """
    everything = [p for p in order(found) if found[p[0]].finite[p[1]]]
    picked = [p for p in everything if found[p[0]].wrong[p[1]]][:mistakes]
    picked += [p for p in everything if found[p[0]].right[p[1]]][:doubtful]
    if not any(one.labelled.any() for one in found.values()):
        picked = everything[:doubtful] + everything[len(everything) - doubtful :]
    for name, indices in asked.items():
        if name not in found:
            raise InputError(f"{where}: no image set {name!r}; {choices(name, found)}")
        for i in indices:
            if i >= len(found[name].logits):
                last = len(found[name].logits) - 1
                raise InputError(f"{where}.{name}: image {i} is out of range; there are 0..{last}")
            if found[name].finite[i]:
                picked.append((name, i))
    return list(dict.fromkeys(picked))


@dataclass(frozen=True)
class Nearest:
    """The rightly classified image whose features point most nearly the same way. similarity: their cosine."""

    set: str
    image: int
    similarity: float


def nearest(found: Found, place: tuple[str, int], features: NDArray) -> Nearest | None:
    """Of the images other than `place`; None where none is classified rightly."""
    best: Nearest | None = None
    for name, one in found.items():
        candidates = np.flatnonzero(one.right[: len(one.features)])
        candidates = candidates[[(name, int(i)) != place for i in candidates]] if len(candidates) else candidates
        if not len(candidates):
            continue
        rows = one.features[candidates].astype(np.float64)
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(features)
        cosines = np.divide(rows @ features, lengths, out=np.zeros(len(rows)), where=lengths > 0)
        i = int(cosines.argmax())
        if best is None or cosines[i] > best.similarity:
            best = Nearest(name, int(candidates[i]), float(cosines[i]))
    return best


def covered(windows: NDArray[np.integer], drops: NDArray, size: tuple[int, ...]) -> NDArray[np.float64]:
    """Every pixel's mean drop over the windows `(windows, 4)` (top, left, bottom, right) that cover it: `size`."""
    total, count = np.zeros(size), np.zeros(size)
    for (top, left, bottom, right), drop in zip(windows, drops, strict=True):
        total[top:bottom, left:right] += drop
        count[top:bottom, left:right] += 1
    return np.divide(total, count, out=total, where=count > 0)


def headline(found: Found) -> dict[str, Any]:
    """`labelled_images`, and `accuracy`: the share of them that is classified rightly, None where there are none."""
    labelled = sum(int(one.labelled.sum()) for one in found.values())
    right = sum(int(one.right.sum()) for one in found.values())
    return {"labelled_images": labelled, "accuracy": round(right / labelled, 6) if labelled else None}
