"""Which right images, altered step by step, are named wrong first. No TensorFlow.

An image is out as soon as it was wrong once: for every transform, its first strength that does it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis.predictions.outputs import Chosen, Predictions

Altered = Callable[[tuple[str, int], str, float], NDArray[np.float32]]
Scores = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Flip:
    """Image `image` of `set` is right, and wrong at this `strength`, the transform's `step` (from 0), not before."""

    transform: str
    step: int
    strength: float
    set: str
    image: int

    @property
    def place(self) -> tuple[str, int]:
        return self.set, self.image


def candidates(found: Mapping[str, Predictions], most: int) -> Chosen:
    """Right images, `most` at most, evenly spaced over all of them."""
    right = [(name, int(i)) for name, one in found.items() for i in np.flatnonzero(one.right)]
    return [right[int(k)] for k in np.linspace(0, len(right) - 1, min(most, len(right)))]


def flips(
    places: Chosen,
    found: Mapping[str, Predictions],
    transforms: Mapping[str, Sequence[float]],
    altered: Altered,
    scores: Scores,
) -> list[Flip]:
    """By transform and step, then in the order of `places`; scores that are no numbers are not wrong.

    transforms: strengths, rising; altered: an image `(h, w, channels)` as the network sees it; scores: of `(n, h, w,
    channels)`, `(n, classes)`.
    """
    made = []
    for name, strengths in transforms.items():
        left = list(places)
        for step, strength in enumerate(strengths):
            if not left:
                break
            logits = scores(np.stack([altered(place, name, strength) for place in left]))
            true = np.array([found[where].true[i] for where, i in left])
            wrong = np.isfinite(logits).all(1) & (logits.argmax(1) != true)
            made += [Flip(name, step, strength, *place) for place, out in zip(left, wrong, strict=True) if out]
            left = [place for place, out in zip(left, wrong, strict=True) if not out]
    return made


def counts(made: Sequence[Flip], transforms: Mapping[str, Sequence[float]]) -> dict[str, list[int]]:
    """How many images are wrong by each strength of a transform."""
    return {
        name: [sum(flip.transform == name and flip.step <= step for flip in made) for step in range(len(strengths))]
        for name, strengths in transforms.items()
    }


def telling(made: Sequence[Flip], found: Mapping[str, Predictions], most: int) -> list[Flip]:
    """Of every transform the weakest that makes an image wrong, those of the fewest steps first, `most` at most.

    Of images, or transforms, that need as many steps, the one that was right most confidently.
    """
    ranked = sorted(made, key=lambda flip: (flip.step, -float(found[flip.set].confidence[flip.image])))
    first: dict[str, Flip] = {}
    for flip in ranked:
        first.setdefault(flip.transform, flip)
    return list(first.values())[:most]
