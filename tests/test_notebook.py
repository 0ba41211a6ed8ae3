"""cnnviz as a library, on networks of one's own."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import cnnviz
from cnnviz.errors import InputError

SHORT: dict[str, Any] = {"steps": 20, "size": 32, "snapshots": (1,)}


def test_three_lines_on_a_nested_network(tiny: Callable[..., Any], rng: np.random.Generator) -> None:
    natural = rng.integers(0, 255, (5, 24, 24, 3))
    result = cnnviz.maximize(tiny(), "expand", [0, 5], preprocessing="raw", natural=natural, stability_steps=8, **SHORT)
    assert result.images.shape == (2, 32, 32, 3)
    assert result.curves.shape == (2, 20)
    assert result.curves[:, -1].mean() > result.curves[:, 0].mean()
    assert result.status.tolist() == ["ok", "ok"]
    assert all(np.isfinite(values).all() for values in result.scores.values())


@pytest.mark.parametrize("depth", [1, 5])
def test_sequential_networks_of_any_number_of_channels_and_a_dead_filter(depth: int) -> None:
    layer = keras.layers.Conv2D(2, 3, activation="relu", name="conv")
    network = keras.Sequential([keras.Input((16, 16, depth)), layer])
    kernel = np.zeros((3, 3, depth, 2), "float32")
    kernel[:, 1, :, 0] = 1
    layer.set_weights([kernel, np.array([0, -1], "float32")])
    result = cnnviz.maximize(network, "conv", [0, 1], preprocessing=(0, 1), **SHORT)
    assert result.images.shape == (2, 32, 32, depth)
    assert result.status.tolist() == ["ok", "dead"]
    assert result.images[0].mean() > 140  # all its weights are positive: white drives it most
    assert np.isnan(result.scores["against_nature"]).all()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"layer": "expnd"}, "no conv layer 'expnd'; nearest: expand"),
        ({"preprocessing": "cafe"}, "unknown 'cafe'; nearest: caffe"),
        ({"step": 3}, "unknown option 'step'; nearest: steps"),
        ({"filters": [8]}, r"channel 8 is out of range; there are 0\.\.7"),
    ],
)
def test_mistakes_name_the_choices(change: dict[str, Any], expected: str, tiny: Callable[..., Any]) -> None:
    given = {"layer": "expand", "filters": [0], "preprocessing": "raw", **SHORT, **change}
    with pytest.raises(InputError, match=expected):
        cnnviz.maximize(tiny(), **given)
