"""What stands for a network: everything that it computes with."""

import json
from typing import Any

import keras
import pytest

from cnnviz.networks import digest
from cnnviz.networks.description import fingerprint

pytestmark = pytest.mark.pipeline  # traces and renders: longer than the unit tests may take


def described(raw: dict[str, Any], seed: int = 0, pool: Any = None, activation: str = "relu") -> Any:
    """What model.json holds of a small network."""
    keras.utils.clear_session(free_memory=False)  # which numbers the layers that have no name of their own
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Conv2D(2, 3, activation=activation), pool or keras.layers.MaxPooling2D(2, name="pool")]
    network = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    return {"digest": digest(network), "config": json.loads(network.to_json()), "preprocessing": raw}


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"pool": keras.layers.AveragePooling2D(2, name="pool")},
        {"activation": "tanh"},
        {"raw": {"name": "unit", "scale": [1 / 255] * 3, "offset": [0.0] * 3, "reverse_channels": False}},
    ],
    ids=["weights", "pooling", "activation", "preprocessing"],
)
def test_what_computes_something_else_is_another_network(change: dict[str, Any], raw: dict[str, Any]) -> None:
    one, same, other = described(raw), described(raw), described(**{"raw": raw, **change})
    assert fingerprint(one) == fingerprint(same)
    assert fingerprint(one) != fingerprint(other)
    if "pool" in change or "activation" in change:
        assert one["digest"] == other["digest"]  # of the weights, which tells nothing here
