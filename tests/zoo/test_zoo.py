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
from tests.zoo import run
from tests.zoo.specimens import CODE, ZOO

pytestmark = pytest.mark.pipeline
SCALED: dict[str, Callable[[Any], Any]] = {
    "raw": lambda x: x,
    "unit": lambda x: x / 255,
    "tf": lambda x: x / 127.5 - 1,
}


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All stages run, in one process; for each specimen the folder of its project."""
    folder, names = tmp_path_factory.mktemp("zoo"), list(ZOO)
    command = [sys.executable, "-m", "tests.zoo.run", str(folder), *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {}
    return {name: folder / str(number) for number, some in enumerate(run.projects(names)) for name in some}


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


@pytest.mark.parametrize("name", ZOO)
def test_what_is_shown_and_what_is_said(projects: dict[str, Path], name: str) -> None:
    folder, one = projects[name], ZOO[name]
    facts = described(folder, name)
    assert [conv["name"] for conv in facts["conv_layers"]] == one.convs
    assert facts["head"]["kind"] == one.kind, facts["head"]
    assert one.noted in " ".join(facts["notes"]), facts["notes"]
    for conv in one.convs:
        assert (folder / "artifacts/weights" / name / f"{conv}.png").is_file()
        assert (folder / "artifacts/report" / name / conv).exists(), conv
        assert (folder / "artifacts/analysis" / name / "examples" / f"{conv}.npz").is_file()
    assert list((folder / "artifacts/maximize" / name).glob("*.npz"))


def test_names_of_any_language_are_kept(projects: dict[str, Path]) -> None:
    convs = described(projects["names_of_any_language"], "names_of_any_language")["conv_layers"]
    assert {conv["title"] for conv in convs} == {"Größe", "erste Schicht"}


CLASSIFIERS = [name for name, one in ZOO.items() if one.kind in ("classes", "labels", "binary")]


@pytest.mark.parametrize("name", [one for one in CLASSIFIERS if one not in ("not_a_number", "channels_first")])
def test_outputs_are_keras_own(projects: dict[str, Path], name: str) -> None:
    folder = projects[name]
    facts, network = described(folder, name), original(name)
    found = network(fed(name, folder, facts), training=False)
    outputs = found if isinstance(found, list) else [found]
    wanted = outputs[-1].numpy().astype("float32")
    activation = network.layers[-1].get_config().get("activation")
    wanted = np.asarray(keras.activations.softmax(wanted)) if activation == "linear" else wanted
    wanted = np.concatenate([1 - wanted, wanted], 1) if facts["head"]["kind"] == "binary" else wanted
    images = "bands" if facts["input_shape"][2] == 5 else "shapes"
    with np.load(folder / "artifacts/analysis" / name / "predictions.npz") as stored:
        tolerance = 5e-3 if name == "mixed_precision" else 1e-4
        np.testing.assert_allclose(stored[f"{images}/probabilities"], wanted, atol=tolerance)


# held against Keras's in tests/networks and tests/analysis
ELSEWHERE = ("channels_first", "mixed_precision", "shared_on_two_crops", "siamese", "wrapped")


@pytest.mark.parametrize("name", [name for name in ZOO if name not in ELSEWHERE])
def test_maps_and_kernels_are_keras_own(projects: dict[str, Path], name: str) -> None:
    """Of the layers that the network itself gives by name, as far as one call made their output."""
    folder = projects[name]
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


def test_the_code_of_a_user_travels_with_the_model(projects: dict[str, Path]) -> None:
    assert (projects["own_layer"] / "artifacts/models/own_layer/code.py").read_text() == CODE
