"""What a classifier said about every image, against the labels where those fit its classes. No TensorFlow.

Definitions: docs/analysis.md. A class that is not known is -1.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError, choices
from cnnviz.images import ImageSet

Fit = Literal["same"] | Mapping[int | str, int | str]
FEATURES_KEPT = 10_000  # images of a set among which the nearest right one is looked for
UNKNOWN = -1
Chosen = list[tuple[str, int]]  # (set, number of the image in it)


def class_names(described: Mapping[str, Any], classes: int) -> list[str]:
    """The model's class names, or their numbers where model.json has none (or not as many as there are outputs)."""
    names = list(described["class_names"])
    return names if len(names) == classes else [str(i) for i in range(classes)]


def plain(name: str) -> str:
    """A class name as it is compared: no WordNet id in front, small letters, blanks for _ and -."""
    return re.sub(r"[\s_-]+", " ", re.sub(r"^n\d{8}[-_ ]", "", name)).strip().lower()


def true_classes(one: ImageSet, names: Sequence[str], fit: Fit | None, where: str) -> NDArray[np.int32]:
    """The model's class of each image, -1 where its label fits none: `(n,)`.

    fit: None: labels fit where the set's and the model's class names are equal, see `plain`; `same`: the set's label
    numbers are the model's; or {label of the set: class of the model}, numbers or names. Raises InputError naming
    `where` for a class that is not there.
    """
    if fit == "same":
        return np.where(one.labels < len(names), one.labels, UNKNOWN).astype(np.int32)
    own = [plain(name) for name in names]
    labels = [str(name) for name in one.class_names]
    found = {}
    if fit is None:
        known = {name: i for i, name in enumerate(own) if own.count(name) == 1}
        found = {i: known[plain(name)] for i, name in enumerate(labels) if plain(name) in known}
    for label, wanted in (fit or {}).items():
        number = label if isinstance(label, int) else _index(label, [plain(name) for name in labels], where)
        target = wanted if isinstance(wanted, int) else _index(wanted, own, f"{where}.{label}")
        if target >= len(names):
            raise InputError(f"{where}.{label}: class {target} is out of range; the model has 0..{len(names) - 1}")
        found[number] = target
    return np.array([found.get(int(label), UNKNOWN) for label in one.labels], np.int32)


def _index(name: str, names: list[str], where: str) -> int:
    if plain(name) not in names:
        raise InputError(f"{where}: no class {name!r}; {choices(plain(name), names) if names else 'it has no names'}")
    return names.index(plain(name))


@dataclass
class Outputs:
    """A classifier's outputs on one image set, batch by batch."""

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
    """One image set: logits, probabilities float32 `(n, classes)`; true int32 `(n,)`, -1: no class fits."""

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    true: NDArray[np.int32]
    features: NDArray[np.float32]

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        return self.logits.argmax(1)

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        return np.take_along_axis(self.probabilities, self.predicted[:, None], 1)[:, 0]

    @cached_property
    def labelled(self) -> NDArray[np.bool_]:
        return self.true >= 0

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """False for images without a label that fits, too."""
        return self.predicted == self.true

    @cached_property
    def wrong(self) -> NDArray[np.bool_]:
        return self.labelled & ~self.right

    @cached_property
    def runner_up(self) -> NDArray[np.intp]:
        """The class of the second highest logit."""
        others = self.logits.copy()
        np.put_along_axis(others, self.predicted[:, None], -np.inf, 1)
        return others.argmax(1)

    def contrast(self, i: int) -> tuple[int, str]:
        """The class that a prediction is held against: `true` where it is wrong, else the `runner-up`."""
        return (int(self.true[i]), "true") if self.wrong[i] else (int(self.runner_up[i]), "runner-up")


def order(found: Mapping[str, Predictions]) -> Chosen:
    """All images: wrong ones first, the most confident on top; then right ones, the least confident on top; then the
    rest."""

    def rank(place: tuple[str, int]) -> tuple[int, float]:
        one, i = found[place[0]], place[1]
        confidence = float(one.confidence[i])
        return (0, -confidence) if one.wrong[i] else (1 if one.right[i] else 2, confidence)

    return _sorted(found, rank)


def _sorted(found: Mapping[str, Predictions], rank: Any) -> Chosen:
    return sorted(((name, i) for name, one in found.items() for i in range(len(one.true))), key=rank)


def chosen(
    found: Mapping[str, Predictions], mistakes: int, doubtful: int, asked: Mapping[str, Iterable[int]], where: str
) -> Chosen:
    """Which predictions are explained: up to so many mistakes and least confident right ones, and those asked for.

    Raises InputError for an image that is not there.
    """
    everything = order(found)
    picked = [p for p in everything if found[p[0]].wrong[p[1]]][:mistakes]
    picked += [p for p in everything if found[p[0]].right[p[1]]][:doubtful]
    for name, indices in asked.items():
        if name not in found:
            raise InputError(f"{where}: no image set {name!r}; {choices(name, found)}")
        for i in indices:
            if i >= len(found[name].true):
                raise InputError(f"{where}.{name}: image {i} is out of range; there are 0..{len(found[name].true) - 1}")
            picked.append((name, i))
    return list(dict.fromkeys(picked))


@dataclass(frozen=True)
class Nearest:
    """The rightly classified image whose features point most nearly the same way. similarity: their cosine."""

    set: str
    image: int
    similarity: float


def nearest(found: Mapping[str, Predictions], place: tuple[str, int], features: NDArray) -> Nearest | None:
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


def headline(found: Mapping[str, Predictions]) -> dict[str, Any]:
    """`labelled_images`, and `accuracy`: the share of them that is classified rightly, None where there are none."""
    labelled = sum(int(one.labelled.sum()) for one in found.values())
    right = sum(int(one.right.sum()) for one in found.values())
    return {"labelled_images": labelled, "accuracy": round(right / labelled, 6) if labelled else None}
