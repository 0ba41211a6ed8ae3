"""Clarity and facets by hand and against SciPy."""

import numpy as np
import pytest
from scipy.spatial import distance

from cnnviz.judging import clarity

X, Y, Z = np.eye(3)


def test_clarity_is_the_mean_cosine_of_different_vectors(rng: np.random.Generator) -> None:
    assert clarity.clarity(np.array([X, 2 * X, 5 * X])) == pytest.approx(1)
    assert clarity.clarity(np.array([X, Y, Z])) == pytest.approx(0)
    assert clarity.clarity(np.array([X, -X])) == pytest.approx(-1)
    vectors = rng.normal(size=(9, 20))
    assert clarity.clarity(vectors) == pytest.approx(1 - distance.pdist(vectors, "cosine").mean())
    assert np.isnan(clarity.clarity(vectors[:1]))


def test_reliability_by_hand() -> None:
    """Filters of clarity (odd ranks, even ranks) (1, 1), (0, 0), (1, 0), (0, 1): r = 0; without the last two, 1."""
    same, apart = [X, X], [X, Y]
    filters = np.array(
        [[a, c, b, d] for (a, b), (c, d) in ((same, same), (apart, apart), (same, apart), (apart, same))]
    )
    assert clarity.reliability(filters) == pytest.approx(0)
    assert clarity.reliability(filters[[0, 1, 0]]) == pytest.approx(1)
    three = filters[[0, 1, 2]]  # odd 1, 0, 1; even 1, 0, 0: r = 1/2, so 2/3 at the whole length
    assert clarity.reliability(three) == pytest.approx(2 / 3)
    assert np.isnan(clarity.reliability(filters[:2]))


def test_facets_are_numbered_by_their_first_patch(rng: np.random.Generator) -> None:
    noise = 0.1 * rng.normal(size=(9, 3))
    kinds = [2, 0, 0, 2, 1, 1, 0, 2, 1]
    vectors = np.eye(3)[kinds] + noise
    assert clarity.facets(vectors).tolist() == [0, 1, 1, 0, 2, 2, 1, 0, 2]
    assert clarity.facets(np.ones((9, 3)) + noise).tolist() == [0] * 9 or clarity.facets(np.ones((9, 3))).max() == 0
    assert clarity.facets(rng.normal(size=(9, 200))).max() == 0  # in many dimensions all are equally far apart
    assert clarity.facets(vectors[:3]).tolist() == [0, 0, 0]


def test_silhouette_equals_scikit_learn(rng: np.random.Generator) -> None:
    metrics = pytest.importorskip("sklearn.metrics")  # comes with MLflow
    points = rng.normal(size=(12, 4))
    apart = distance.squareform(distance.pdist(points, "cosine"))
    labels = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 0, 1])
    assert clarity.silhouette(apart, labels) == pytest.approx(
        metrics.silhouette_score(apart, labels, metric="precomputed")
    )
