"""What stands for a network: everything that it computes with."""

from pathlib import Path
from typing import Any

import keras
import pytest

from cnnviz.networks import fingerprint, read_description
from cnnviz.networks.store import Loaded, save


def described(folder: Path, raw: dict[str, Any], seed: int = 0, pool: Any = None, activation: str = "relu") -> Any:
    keras.utils.clear_session()  # which numbers the layers that have no name of their own
    keras.utils.set_random_seed(seed)
    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(2, 3, activation=activation, name="conv"),
            pool or keras.layers.MaxPooling2D(2, name="pool"),
        ],
        name="net",
    )
    folder.mkdir()
    save("net", Loaded(network, "t", "file", "o", "l", "t", 8, raw), folder)
    return read_description(folder)


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
def test_what_computes_something_else_is_another_network(
    change: dict[str, Any], tmp_path: Path, raw: dict[str, Any]
) -> None:
    one, same = described(tmp_path / "one", raw), described(tmp_path / "same", raw)
    other = described(tmp_path / "other", **{"raw": raw, **change})
    assert fingerprint(one) == fingerprint(same)
    assert fingerprint(one) != fingerprint(other)
    if "pool" in change or "activation" in change:
        assert one["digest"] == other["digest"]  # of the weights, which tells nothing here
