"""Small networks, a trait each, through the stages that look at them: what comes out is what Keras computes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from cnnviz import activations, analysis, filters, networks
from cnnviz.activations.section import FeatureMapsSection
from cnnviz.analysis.section import AnalyzeSection
from cnnviz.files import npz, running, write_bytes
from cnnviz.filters.section import WeightsSection
from cnnviz.images.sets import ImageSet
from cnnviz.networks import store

layers, ops = keras.layers, keras.ops
SIDE = 16
RAW = {"name": "raw", "scale": [1.0] * 3, "offset": [0.0] * 3, "reverse_channels": False}


def gated(x: Any) -> Any:
    """Squeeze and excitation, as in EfficientNet."""
    x = layers.Conv2D(4, 3, padding="same", activation="silu", name="before")(x)
    gate = layers.Reshape((1, 1, 4))(layers.GlobalAveragePooling2D()(x))
    gate = layers.Conv2D(4, 1, activation="sigmoid", name="gate")(gate)
    return layers.Conv2D(3, 3, name="after")(x * gate)


def twins(x: Any) -> Any:
    def part(name: str) -> keras.Model:
        inner = keras.Input((SIDE, SIDE, 3))
        return keras.Model(inner, layers.Conv2D(2, 3, activation="relu", name="conv")(inner), name=name)

    return layers.Average()([part("a")(x), part("b")(x)])


def no_numbers(x: Any) -> Any:
    x = layers.Conv2D(4, 3, name="conv")(x)
    return layers.Conv2D(2, 3, name="next")(layers.MaxPooling2D()(layers.ReLU()(x)))


TRAITS: dict[str, Callable[[Any], Any]] = {
    "one": lambda x: layers.Conv2D(3, 3, name="only")(x),
    "raw_ops": lambda x: ops.relu(layers.Conv2D(3, 3, padding="same", name="conv")(x[..., ::-1] / 127.5 - 1)) + x,
    "twins": twins,
    "gated": gated,
    "grouped": lambda x: layers.Conv2D(6, 3, groups=2, name="grouped")(layers.Conv2D(4, 3, name="first")(x)),
    "transposed": lambda x: layers.Conv2DTranspose(5, 3, strides=2, name="up")(layers.Conv2D(4, 3, name="first")(x)),
    "no_numbers": no_numbers,
}


@pytest.mark.pipeline
@pytest.mark.parametrize("trait", TRAITS)
def test_stages(trait: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    keras.utils.set_random_seed(4)
    inputs = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(inputs, TRAITS[trait](inputs))
    if trait == "no_numbers":
        kernel = model.get_layer("conv").kernel
        kernel.assign(np.where(np.arange(4) == 1, np.nan, kernel.numpy()))
    loaded = store.Loaded(model, trait, "file", "", "", "", SIDE, RAW)
    (tmp_path / "models" / "m").mkdir(parents=True)
    store.save("m", loaded, tmp_path / "models" / "m")
    pixels = rng.integers(0, 256, (6, SIDE, SIDE, 3)).astype(np.uint8)
    size, names = np.full((6, 2), SIDE, np.int32), np.array([str(i) for i in range(6)])
    one = ImageSet(pixels, size, np.array([0, 1] * 3, np.int32), names, np.array(["a", "b"]))
    write_bytes(tmp_path / "images" / "set.npz", npz.pack(one.arrays()))
    described = json.loads((tmp_path / "models" / "m" / "model.json").read_text())
    watch = running.Stopwatch()
    filters.extract("m", WeightsSection(), tmp_path)
    activations.run("m", FeatureMapsSection(images=[0, 3], channels={"m": 2}), ["set"], tmp_path, watch)
    analysis.run("m", AnalyzeSection(batch=4), "auto", ["set"], tmp_path, watch)

    network, _ = store.load(tmp_path / "models" / "m")
    traced = networks.graph.trace(network, (SIDE, SIDE, 3))
    assert [conv["name"] for conv in described["conv_layers"]] == list(traced.convs)
    numbers = json.loads((tmp_path / "analysis" / "m" / "statistics.json").read_text())
    for conv in described["conv_layers"]:
        name, call = conv["name"], traced.convs[conv["name"]]
        expected = keras.Model(traced.input, call.output)(pixels[[0, 3]].astype("float32")).numpy()
        maps = npz.read(tmp_path / "feature_maps" / "m" / "set" / f"{name}.npz")
        if name != "next":  # TensorFlow's ReLU and max pooling make one number or another of NaN
            np.testing.assert_allclose(maps["activations"], expected[..., maps["channels"]], rtol=1e-4, atol=1e-3)
        weights = npz.read(tmp_path / "weights" / "m" / f"{name}.npz")
        assert list(weights["kernel"].shape) == conv["kernel_shape"]
        assert numbers[name]["receptive_field"] == conv["receptive_field"]
    if trait == "no_numbers":
        assert described["notes"] == ["conv: 1 of 4 filters are no numbers (NaN or infinite)."]
        assert numbers["conv"]["nan"] == 1
        assert numbers["conv"]["sets"]["set"]["firing_rate"] is not None
