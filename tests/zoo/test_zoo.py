"""Every specimen from its file to the finished site, its numbers held against Keras's own."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from tests.clone import ROOT
from tests.zoo.specimens import CODE, ZOO

pytestmark = pytest.mark.pipeline
BATCHES = [list(ZOO)[i::3] for i in range(3)]
SCALED: dict[str, Callable[[Any], Any]] = {
    "raw": lambda x: x,
    "unit": lambda x: x / 255,
    "tf": lambda x: x / 127.5 - 1,
}


@pytest.fixture(scope="module", params=range(len(BATCHES)), ids=lambda i: f"batch{i}")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A project of its specimens, all stages run."""
    folder, names = tmp_path_factory.mktemp("zoo"), BATCHES[request.param]
    command = [sys.executable, "-m", "tests.zoo.run", str(folder), *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {}
    return folder, names


def described(folder: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((folder / "artifacts/models" / name / "model.json").read_text()))


def original(name: str) -> keras.Model:
    """The network as it was saved, made anew."""
    keras.utils.set_random_seed(len(name))
    return ZOO[name].build()


def fed(name: str, folder: Path, facts: dict[str, Any]) -> Any:
    """The first images of the first set that fits, as this network was trained to see them; Pillow and arithmetic."""
    height, width, channels = facts["input_shape"]
    if channels == 5:
        with np.load(folder / "inputs/images/bands/all.npz") as stored:
            pixels = stored["images"][:4]
        planes = [[Image.fromarray(one[..., c]).resize((width, height), 2) for c in range(5)] for one in pixels]
        x = np.stack([np.stack([np.asarray(p) for p in one], -1) for one in planes]).astype("float32")
    else:
        names = np.load(folder / "artifacts/images/shapes.npz")["names"]
        photos = [Image.open(folder / "inputs/images/shapes" / str(one)) for one in names]
        small = [np.asarray(photo.resize((width, height), 2)) for photo in photos]
        if channels == 1:
            small = [np.asarray(Image.fromarray(one).convert("L"))[..., None] for one in small]
        x = np.stack(small).astype("float32")
    default = "raw" if name in ("leading_lambda", "operations", "rescaling_inside") else "unit"
    x = SCALED[ZOO[name].section.get("preprocessing", default)](x)
    if name == "channels_first":
        return x.transpose(0, 3, 1, 2)
    if name == "picture_and_number":
        return [np.full((len(x), 1), 0.5, "float32"), x]
    return [x, x] if name == "siamese" else x


def test_what_is_shown_and_what_is_said(made: tuple[Path, list[str]]) -> None:
    folder, names = made
    for name in names:
        facts, one = described(folder, name), ZOO[name]
        assert [conv["name"] for conv in facts["conv_layers"]] == one.convs, name
        assert facts["head"]["kind"] == one.kind, (name, facts["head"])
        assert one.noted in " ".join(facts["notes"]), (name, facts["notes"])
        for conv in one.convs:
            assert (folder / "artifacts/weights" / name / f"{conv}.png").is_file()
            assert (folder / "artifacts/report" / name / conv).exists(), (name, conv)
            assert (folder / "artifacts/analysis" / name / "examples" / f"{conv}.npz").is_file()
        assert list((folder / "artifacts/maximize" / name).glob("*.npz"))
    kept = {"Größe", "erste Schicht"}
    if "names_of_any_language" in names:
        assert {conv["title"] for conv in described(folder, "names_of_any_language")["conv_layers"]} == kept


def test_outputs_are_keras_own(made: tuple[Path, list[str]]) -> None:
    folder, names = made
    for name in names:
        facts = described(folder, name)
        if facts["head"]["kind"] not in ("classes", "labels", "binary") or name in ("not_a_number", "channels_first"):
            continue
        network = original(name)
        found = network(fed(name, folder, facts), training=False)
        outputs = found if isinstance(found, list) else [found]
        wanted = outputs[-1].numpy().astype("float32")
        activation = network.layers[-1].get_config().get("activation")
        wanted = np.asarray(keras.activations.softmax(wanted)) if activation == "linear" else wanted
        wanted = np.concatenate([1 - wanted, wanted], 1) if facts["head"]["kind"] == "binary" else wanted
        images = "bands" if facts["input_shape"][2] == 5 else "shapes"
        with np.load(folder / "artifacts/analysis" / name / "predictions.npz") as stored:
            tolerance = 5e-3 if name == "mixed_precision" else 1e-4
            np.testing.assert_allclose(stored[f"{images}/probabilities"], wanted, atol=tolerance, err_msg=name)


def test_maps_and_kernels_are_keras_own(made: tuple[Path, list[str]]) -> None:
    """Of the layers that the network itself gives by name, as far as one call made their output."""
    folder, names = made
    for name in names:
        if name in ("channels_first", "mixed_precision", "shared_on_two_crops", "siamese", "wrapped"):
            continue  # held against Keras's in tests/networks and tests/analysis
        facts, network = described(folder, name), original(name)
        x, inputs = fed(name, folder, facts), network.inputs
        for conv in facts["conv_layers"]:
            title = conv.get("title", conv["name"])
            if "." in title:
                continue
            layer, images = network.get_layer(title), "bands" if facts["input_shape"][2] == 5 else "shapes"
            one = keras.Model(inputs if len(inputs) > 1 else inputs[0], layer.output)
            maps = np.asarray(one(x, training=False))
            with np.load(folder / "artifacts/feature_maps" / name / images / f"{conv['name']}.npz") as stored:
                wanted = maps[stored["images"]][..., stored["channels"]]
                np.testing.assert_allclose(stored["activations"], wanted, rtol=1e-3, atol=1e-4, err_msg=str(conv))
            if type(layer) is keras.layers.Conv2D:
                with np.load(folder / "artifacts/weights" / name / f"{conv['name']}.npz") as stored:
                    np.testing.assert_array_equal(stored["kernel"], layer.kernel.numpy())


def test_the_code_of_a_user_travels_with_the_model(made: tuple[Path, list[str]]) -> None:
    folder, names = made
    if "own_layer" in names:
        assert (folder / "artifacts/models/own_layer/code.py").read_text() == CODE
