"""How alike two networks are, from what each did on the same images: no network is run. See docs/analysis.md."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float64]


def centred(grams: Floats) -> Floats:
    """U-centre Gram matrices `(..., n, n)`, n >= 4: then HSIC is an inner product, see `hsic`.

    Szekely and Rizzo, Annals of Statistics 42(6), 2014.
    """
    n = grams.shape[-1]
    off = grams * (1 - np.eye(n))
    rows = off.sum(-1)
    found = off - (rows[..., None] + rows[..., None, :]) / (n - 2)
    found += rows.sum(-1)[..., None, None] / ((n - 1) * (n - 2))
    return found * (1 - np.eye(n))


def hsic(one: Floats, other: Floats) -> Floats:
    """Unbiased HSIC of every pair of layers, mean over batches: `(layers, batches, n, n)` twice -> `(layers, layers)`.

    Song et al., Feature Selection via Dependence Maximization, JMLR 13 (2012), equation 5.
    """
    batches, n = one.shape[1:3]
    a, b = (centred(grams).reshape(len(grams), -1) for grams in (one, other))
    return a @ b.T / (batches * n * (n - 3))


def cka(one: list[Floats], other: list[Floats]) -> Floats:
    """Linear CKA of every pair of layers of two networks: float64 `(layers, layers)`; NaN without batches.

    one, other: per image set, Gram matrices `(layers, batches, n, n)` of the same batches. Kornblith et al., ICML 2019;
    over minibatches: Nguyen, Raghu, Kornblith, ICLR 2021.
    """
    sets = [(a, b) for a, b in zip(one, other, strict=True) if a.shape[1]]
    if not sets:
        return np.full((len(one[0]), len(other[0])), np.nan)
    weights = [a.shape[1] for a, _ in sets]
    joint = np.average([hsic(a, b) for a, b in sets], axis=0, weights=weights)
    own = [np.average([_own(pair[i]) for pair in sets], axis=0, weights=weights) for i in (0, 1)]
    scale = np.sqrt(np.outer(*(value.clip(0) for value in own)))
    return np.divide(joint, scale, out=np.full(joint.shape, np.nan), where=scale > 0)


def _own(grams: Floats) -> Floats:
    batches, n = grams.shape[1:3]
    return (centred(grams) ** 2).sum((1, 2, 3)) / (batches * n * (n - 3))


def correlations(one: NDArray, other: NDArray) -> Floats:
    """Pearson correlation of any two columns: `(n, a)` and `(n, b)` -> float64 `(a, b)`; 0 for a constant column."""
    a, b = _standard(one), _standard(other)
    return np.clip(a.T @ b, -1, 1)


def _standard(columns: NDArray) -> Floats:
    columns = columns - columns.mean(0, dtype=np.float64)
    norm = np.linalg.norm(columns, axis=0)
    return np.divide(columns, norm, out=np.zeros_like(columns), where=norm > 1e-9 * np.nanmax(norm, initial=0))


def matched(correlation: Floats) -> list[tuple[int, int, float]]:
    """Pair filters one to one so that the sum of their correlations is largest; the most alike pair first.

    As many pairs as the smaller layer has filters: (row, column, correlation). Not greedy: Kuhn 1955, as scipy has it;
    for networks: Li et al., Convergent Learning, 2016.
    """
    rows, columns = linear_sum_assignment(correlation, maximize=True)
    values = correlation[rows, columns]
    order = np.argsort(-values, kind="stable")
    return [(int(rows[i]), int(columns[i]), float(values[i])) for i in order]


def drift(before: NDArray, after: NDArray) -> dict[str, Floats]:
    """How far each kernel moved, filters first `(n, ...)` twice: `distance`, `cosine`, float64 `(n,)`.

    distance: norm of the difference over the norm before; NaN where that is 0, as is the cosine where either is.
    """
    a, b = (kernel.reshape(len(kernel), -1).astype(np.float64) for kernel in (before, after))
    norm_a, norm_b = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    unknown = np.full(len(a), np.nan)
    distance = np.divide(np.linalg.norm(b - a, axis=1), norm_a, out=unknown.copy(), where=norm_a > 0)
    cosine = np.divide((a * b).sum(1), norm_a * norm_b, out=unknown, where=(norm_a > 0) & (norm_b > 0))
    return {"distance": distance, "cosine": cosine}


def same_filter(one: NDArray, other: NDArray) -> Floats:
    """Correlation of column k of one with column k of the other, `(n, filters)` twice: float64 `(filters,)`.

    NaN where either is constant: a filter that is silent in one of the two.
    """
    a, b = _standard(one), _standard(other)
    known = a.any(0) & b.any(0)
    return np.where(known, np.clip((a * b).sum(0), -1, 1), np.nan)
