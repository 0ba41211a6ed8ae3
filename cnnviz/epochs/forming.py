"""When a filter's picture came to be what it is in the end: all its pictures as the last network sees them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.activations import maps, nature
from cnnviz.epochs import files
from cnnviz.images import ImageSet
from cnnviz.maximization import scores
from cnnviz.networks import load

UNKNOWN = -1
FEWEST = 3  # units by which pictures can be told apart: of two numbers less their mean a correlation is a sign
ROUNDED = 1e-5  # a picture is as similar to itself as float32 tells


def facts(made: Any) -> dict[str, NDArray]:
    """Of the pictures of one layer at one checkpoint, `(n,)`: their score; whether the filter is active on its own."""
    score = made.snapshot_scores[:, -1]
    return {"score": np.where(made.finite, score, np.nan), "active": (made.peaks > 0) & made.finite}


def formed(
    folder: Path,
    layer: str,
    filters: Sequence[int],
    each: Sequence[Mapping[str, NDArray]],
    artifacts: Path,
    key: str,
    images: Mapping[str, ImageSet],
    threshold: float,
) -> dict[str, NDArray]:
    """What became of the pictures of n filters of a layer over E checkpoints.

    folder: where `files.write_pictures` put them; each: `facts` of every checkpoint. Returns `filters` `(n,)`; `score`,
    `active`, `similarity` to the last picture, `(n, E)`, NaN where a picture shows nothing; `formed_at` int32 `(n,)`.
    """
    active = np.stack([one["active"] for one in each], 1)
    known = nature.read(artifacts / "feature_maps" / key, layer, images).features
    found = similarity(artifacts / "models" / key, folder, layer, len(each), known)
    found[~active | ~active[:, -1:]] = np.nan
    return {
        "filters": np.asarray(filters, np.int32),
        "score": np.stack([one["score"] for one in each], 1).astype(np.float32),
        "active": active,
        "similarity": found,
        "formed_at": took_form(found, threshold),
    }


def similarity(stored: Path, folder: Path, layer: str, count: int, natural: NDArray) -> NDArray[np.float32]:
    """Correlation of the features of each picture with those of the last, over the layer's units, `(filters, count)`.

    Features: the mean of each unit over positions, in the stored network, standardised over what natural images give
    there `(m, C)`, less their mean over units: any strong picture drives most of them. Units that are no numbers take
    no part; NaN where fewer than FEWEST are left.
    """
    network, described = load(stored)
    first = files.read_pictures(folder, count - 1, layer)
    seen = maps.FeatureMaps(network, described | {"input_shape": list(first.shape[1:])}, layer)
    features = []
    for i in range(count):
        pictures = first if i == count - 1 else files.read_pictures(folder, i, layer)

        def read(indices: Sequence[int], pictures: NDArray = pictures) -> NDArray:
            return pictures[list(indices)].astype(np.float32)

        features.append(seen.statistics(read, len(pictures), lambda done: None)[layer].feature)
    return alike_last(np.stack(features, 1), natural)


def alike_last(every: NDArray, natural: NDArray) -> NDArray[np.float32]:
    """The same from the features `(filters, count, C)` of all pictures."""
    broken = ~(np.isfinite(natural).all(0) & np.isfinite(every).all((0, 1)))
    if (~broken).sum() < FEWEST:
        return np.full(every.shape[:2], np.nan, np.float32)
    every, natural = (np.where(broken, 0, one) for one in (every, natural))
    if len(natural) > 1:
        every = scores.standardise(every, natural)
    every = np.where(broken, 0, every - every[..., ~broken].mean(-1, keepdims=True))
    return np.stack([scores.seed_stability(every[:, [i, -1]]) for i in range(every.shape[1])], 1)


def took_form(found: NDArray, threshold: float) -> NDArray[np.int32]:
    """The first checkpoint from which on the similarity, `(n, E)`, stays at or above the threshold: `(n,)`.

    UNKNOWN for a filter whose last picture shows nothing. A checkpoint whose picture shows nothing is below.
    """
    stays = np.where(np.isnan(found), -np.inf, found + ROUNDED) >= threshold
    held = np.logical_and.accumulate(stays[:, ::-1], 1)[:, ::-1]
    return np.where(np.isnan(found[:, -1]) | ~held[:, -1], UNKNOWN, held.argmax(1)).astype(np.int32)
