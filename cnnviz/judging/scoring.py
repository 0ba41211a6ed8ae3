"""Explanations of a layer's filters, judged: from patches and pictures to numbers with intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import Pixels, window
from cnnviz.judging import tasks
from cnnviz.judging.tasks import Floats

EXPLAINING, ASKING = 9, 9  # natural patches of each filter
NEEDED = 100  # natural images: below, those that ask hardly drive the filter
BOTH, MASKED = "both", "masked"

Patches = Sequence[NDArray[np.uint8]]
Embed = Callable[[Patches], list[Floats]]


def ranks(images: int) -> list[int]:
    """Which images ask, by how much they drive the filter, from 0: nine behind those that explain, up to 5% of all."""
    last = max(EXPLAINING + ASKING, images // 20)
    return [int(i) for i in np.linspace(EXPLAINING, last - 1, ASKING).round()]


class Natural:
    """Natural patches of F filters of a layer, as RGB of any size.

    images, boxes: the images that drive each filter most, `(F, k)`, and what it sees there, `(F, k, 4)`, see
    seeing.driving; ranks: those that ask. places: number of the image and box of each patch that explains.
    """

    def __init__(
        self, pixels: Pixels, images: NDArray[np.integer], boxes: NDArray[np.integer], ranks: Sequence[int]
    ) -> None:
        def cut(row: int, ranks: Sequence[int]) -> Patches:
            return [window(pixels[int(images[row, i])], boxes[row, i].tolist()) for i in ranks]

        self.explaining = [cut(row, range(EXPLAINING)) for row in range(len(images))]
        self.places = [
            [(int(images[row, i]), boxes[row, i].tolist()) for i in range(EXPLAINING)] for row in range(len(images))
        ]
        self.asking = [cut(row, ranks) for row in range(len(images))]


@dataclass(frozen=True)
class Judged:
    """likes: by the kind of explanation, see tasks.likeness; natural: vectors `(F, 9, D)` of the explaining patches."""

    likes: dict[str, Floats]
    natural: Floats

    def numbers(self, seed: int = 0) -> dict[str, dict[str, float]]:
        """Per kind of explanation: `pair` accuracy, `low` and `high` of its interval, `control`."""
        found = {}
        for kind, like in self.likes.items():
            solved = tasks.pairs(like)
            low, high = tasks.interval([solved], np.random.default_rng(seed))
            other = tasks.accuracy([tasks.control(like, np.random.default_rng(seed))])
            found[kind] = {"pair": tasks.accuracy([solved]), "low": low, "high": high, "control": other}
        return found


def judge(shown: Natural, made: Mapping[str, Sequence[Patches]], embed: Embed) -> Judged:
    """Hold every explanation against the patches that ask; `both`, `both_<kind>`: patches and pictures together.

    made: by the kind of explanation, pieces of the pictures of each filter (tiles.pieces), or its patches as it looks
    at them (MASKED).

    Every number of the embedding is standardised, over the natural patches of the layer and, since pictures as a whole
    are unlike any photo, over the pictures of its filters: what counts is how one filter's differ from the others'.
    """
    count = len(shown.explaining)
    vectors = _standardised(embed([patch for one in (*shown.explaining, *shown.asking) for patch in one]))
    explaining = vectors[: count * EXPLAINING].reshape(count, EXPLAINING, -1)
    asking = vectors[count * EXPLAINING :].reshape(count, -1, vectors.shape[1])
    likes = {
        "patches": tasks.likeness(asking, list(explaining)),
        "patch": tasks.likeness(asking, list(explaining[:, :1])),
    }
    for kind, pictures in made.items():
        own = _standardised(embed([piece for one in pictures for piece in one]))
        ends = np.cumsum([len(one) for one in pictures])
        likes[kind] = tasks.likeness(asking, np.split(own, ends[:-1]))
        if kind != MASKED:  # the patches themselves
            likes[BOTH if kind == "picture" else f"{BOTH}_{kind}"] = likes["patches"] + likes[kind]
    return Judged(likes, explaining)


def _standardised(blocks: Sequence[Floats]) -> Floats:
    """Blocks `(n, d)` beside each other, each number of mean 0 and deviation 1 (0 where all are alike), each block of
    the same weight.
    """
    made = []
    for block in blocks:
        spread = block.std(0)
        alike = spread <= 1e-6 * max(float(spread.max(initial=0)), 1e-12)
        made.append((block - block.mean(0)) / np.where(alike, np.inf, spread) / np.sqrt(block.shape[1]))
    return np.concatenate(made, axis=1)
