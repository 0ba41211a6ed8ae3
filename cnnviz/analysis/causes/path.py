"""Whether a picture takes the way through a network that the natural patches of its filter take. No TensorFlow."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FEWEST = 5  # patches of each kind, and channels of a layer
SURE = 2  # standard errors by which top patches must be more alike than random ones


def alike(one: NDArray, other: NDArray) -> NDArray[np.float64]:
    """Spearman's rank correlation of the rows of `(n, channels)`, `(m, channels)`: `(n, m)`, NaN for constant ones."""
    ranks = [stats.rankdata(rows, axis=1) for rows in (one, other)]
    centred = [r - r.mean(1, keepdims=True) for r in ranks]
    lengths = [np.linalg.norm(r, axis=1) for r in centred]
    both = np.outer(*lengths)
    return np.divide(centred[0] @ centred[1].T, both, out=np.full(both.shape, np.nan), where=both > 0)


def score(picture: NDArray, top: NDArray, random: NDArray) -> float:
    """1: the picture is as near to the top patches as they are to each other; 0: as random patches are to them.

    picture: a layer's responses `(channels,)`; top, random: `(n, channels)`, `(m, channels)`. NaN where it can't be
    known: fewer than 5 of each or 5 channels, a picture that drives nothing, or top patches that are no more alike than
    random ones (by less than two standard errors over the patches). After Geirhos et al., ICML 2024.
    """
    if min(len(top), len(random), len(picture)) < FEWEST:
        return float("nan")
    among = alike(top, top)
    np.fill_diagonal(among, np.nan)
    there = np.isfinite(among).any(1)
    if there.sum() < FEWEST:
        return float("nan")
    among, beside = among[there], alike(top[there], random)
    beside = beside[:, np.isfinite(beside).any(0)]
    if beside.shape[1] < FEWEST:
        return float("nan")
    closeness, chance = np.nanmean(among, axis=1), np.nanmean(beside, axis=1)
    apart = closeness - chance
    if apart.mean() <= SURE * apart.std(ddof=1) / np.sqrt(len(apart)) or apart.mean() <= 0:
        return float("nan")
    near = alike(picture[None], top[there])[0]
    return float((near.mean() - chance.mean()) / apart.mean())
