"""The example: its classifier is never tested on what it was trained with, its random filters are a fair match."""

import numpy as np

from cnnviz.filters.borrowing import Borrowed
from examples import borrow_filters

ORDER = np.array([3, 0, 4, 1, 2])


def test_clusters_are_told_apart_and_constant_features_give_the_most_frequent_class() -> None:
    classes = np.array([0, 0, 0, 1, 1])
    apart = np.array([[0, 1], [0, 1.1], [0.1, 1], [1, 0], [1, 0.1]])
    assert borrow_filters.accuracy(apart, classes, 5, ORDER) == 1
    # without a 0 there are two of each, and the first is said: right; without a 1 there are more 0s: wrong
    assert borrow_filters.accuracy(np.ones((5, 2)), classes, 5, ORDER) == 3 / 5


def test_ridge_is_the_closed_form(rng: np.random.Generator) -> None:
    rows, classes, order = rng.normal(size=(12, 3)), np.arange(12) % 3, rng.permutation(12)
    right = 0
    for out in range(12):
        kept = [i for i in range(12) if i != out]
        mean, spread = rows[kept].mean(0), rows[kept].std(0) + 1e-9
        x, y = (rows[kept] - mean) / spread, np.eye(3)[classes[kept]]
        weights = np.linalg.solve(x.T @ x + borrow_filters.RIDGE * 3 * np.eye(3), x.T @ (y - y.mean(0)))
        right += int(((rows[out] - mean) / spread @ weights + y.mean(0)).argmax() == classes[out])
    assert borrow_filters.accuracy(rows, classes, 12, order) == right / 12


def test_random_filters_have_the_norms_of_the_borrowed_ones(rng: np.random.Generator) -> None:
    kernel = rng.normal(size=(3, 3, 3, 4)).astype("float32") * np.array([1, 2, 3, 4], "float32")
    twin = borrow_filters.random_twin(Borrowed("x", (0, 1, 2, 3), kernel, np.ones(4, "float32"), {}), 5)
    norms = [np.linalg.norm(k.reshape(-1, 4), axis=0) for k in (kernel, twin.kernel)]
    np.testing.assert_allclose(*norms, rtol=1e-5)
    assert abs(np.corrcoef(kernel.ravel(), twin.kernel.ravel())[0, 1]) < 0.4
    assert not twin.bias.any()
