"""What files that are there contradict is said before DVC starts; stale ones are not heeded."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cnnviz.config import known, schema
from cnnviz.files import machine

ROOT = Path(__file__).parents[2]
GOOD = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
NETWORK = {"file": "inputs/models/net.keras"}


def conv(name: str, filters: int, side: int, channels: int) -> dict[str, Any]:
    return {
        "name": name,
        "filters": filters,
        "kernel_shape": [3, 3, channels, filters],
        "output_shape": [side, side, filters],
        "receptive_field": [3, 3],
        "depthwise": False,
    }


STORED = {
    "name": "net",
    "input_shape": [32, 32, 3],
    "conv_layers": [conv("first", 6, 32, 3), conv("second", 8, 16, 6)],
    "layers": [
        {"name": name, "output_shape": shape}
        for name, shape in (("first", [32, 32, 6]), ("second", [16, 16, 8]), ("classes", [4]))
    ],
    "head": {"kind": "classes", "names": ["a", "b", "c", "d"], "output": "classes"},
    "output_names": ["classes"],
}
Complaints = Callable[..., list[str]]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Complaints:
    """What is complained of in params.yaml with a change, in a folder with a stored model."""
    monkeypatch.chdir(tmp_path)
    Path("inputs/models").mkdir(parents=True)
    folder = Path("inputs/images/mine")
    folder.mkdir(parents=True)
    np.save(folder / "a.npy", np.zeros((5, 8, 8, 3), np.uint8))
    monkeypatch.setattr(known, "recognise", lambda path, where: "keras")  # what files are is tested elsewhere
    Path("inputs/models/net.keras").touch()
    stored = Path("artifacts/models/net/model.json")
    stored.parent.mkdir(parents=True)
    stored.write_text(json.dumps(STORED))
    out = {"path": str(stored.parent), "md5": "0.dir", "size": stored.stat().st_size, "nfiles": 1}
    entry = {"cmd": "x", "params": {"params.yaml": {"models.net": NETWORK}}, "outs": [out]}
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": {"models@net": entry}}))

    def complaints(block: dict[str, Any], **sections: Any) -> list[str]:
        data = copy.deepcopy(GOOD)
        data["models"] = {"net": NETWORK | block}
        data["images"]["sets"]["mine"] = {"folder": "inputs/images/mine"}
        data["fixed_filters"]["borrowed"] = {"model": "net", "layer": "first", "filters": [0]}
        for name, section in sections.items():
            data[name] |= section
        return list(known.complaints(schema.Params.model_validate(data), Path("artifacts")))

    return complaints


OBJ, BEYOND = "models.net.objectives.o", "is out of range; there are 0.."
WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"layers": {"frist": 1}}, {}, "models.net.layers: net has no conv layer 'frist'; nearest: first"),
    (
        {"layers": {"first": [6]}},
        {},
        "models.net.layers.first: filter 6 asked, out of range; the layer has filters 0..5",
    ),
    (
        {"channels": {"second": 9}},
        {},
        "models.net.channels.second: 9 filters asked, out of range; the layer has filters 0..7",
    ),
    ({"analyzed_layers": ["secnd"]}, {}, "models.net.analyzed_layers: net has no conv layer 'secnd'; nearest: second"),
    ({"explained_layer": "last"}, {}, "models.net.explained_layer: no layer 'last'; valid: first, second"),
    ({"objectives": {"o": "layer(a)"}}, {}, f"{OBJ}: layer('a'): the network has no layer 'a'; valid: first, second"),
    ({"objectives": {"o": "-channel(first, 6)"}}, {}, f"{OBJ}: channel('first', 6): channel 6 {BEYOND}5"),
    ({"objectives": {"o": "logit(4)"}}, {}, f"{OBJ}: logit(4): class 4 {BEYOND}3"),
    ({"class_names": ["x"]}, {}, "models.net.class_names: 1 given; the network has 4 classes"),
    ({"labels": {"mine": {0: 4}}}, {}, f"models.net.labels.mine.0: class 4 {BEYOND}3"),
    ({"explain": {"mine": [5]}}, {}, f"models.net.explain.mine: image 5 {BEYOND}4"),
    ({"code": "inputs/models/own.py"}, {}, "models.net.code: 'inputs/models/own.py' not found"),
    ({}, {"maximize": {"start": "mine/5"}}, "maximize.start: the set 'mine' has 5 images, from 0 on"),
    ({}, {"fixed_filters": {"set": "mine", "images": 6}}, "fixed_filters.images: 6 asked, the set has 5"),
    ({}, {"feature_maps": {"images": [9, 5]}}, "feature_maps.images: 5 is out of range; mine has 0..4"),
]


@pytest.mark.parametrize(("block", "sections", "line"), WRONG)
def test_a_contradiction_is_one_line(said: Complaints, block: dict[str, Any], sections: Any, line: str) -> None:
    assert said(block, **sections) == [f"params.yaml: {line}"]


def test_what_fits_is_not_complained_of(said: Complaints) -> None:
    objectives = {"o": "channel(first, 5) + 0.5 * logit(3) - layer(second)"}
    block = {"layers": {"second": [7]}, "channels": {"first": 6}, "objectives": objectives, "class_names": list("wxyz")}
    assert said(block, maximize={"start": "mine/4"}) == []
    assert said(block, fixed_filters={"set": "mine", "images": 5}, feature_maps={"images": [9, 4]}) == []


def test_what_is_borrowed_is_there(said: Complaints) -> None:
    lender = {"model": "net", "layer": "second", "filters": [0]}
    (line,) = said({}, fixed_filters={"borrowed": lender})
    assert line == "fixed_filters.borrowed.layer: second does not see the image's 3 channels; valid: first"
    (line,) = said({}, fixed_filters={"borrowed": lender | {"layer": "first", "filters": [6]}})
    assert line == "fixed_filters.borrowed.filters: first has no filter 6; valid: 0 to 5"


def test_a_folder_without_enough_images(said: Complaints) -> None:
    for name in ("a.npy", "b.npy"):
        Path("inputs/images/mine", name).write_bytes(b"")
    (line,) = said({})
    assert line.startswith("params.yaml: images.sets.mine.folder: inputs/images/mine/a.npy: damaged")


def test_what_memory_it_would_need(said: Complaints, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said({}, maximize={"size": 2048}) == []
    every = 4 * (32 * 32 * 6 + 16 * 16 * 8)  # bytes of the maps of one image
    monkeypatch.setattr(machine, "memory", lambda: 10**8)
    assert said({}, maximize={"size": 2048}) == [
        "params.yaml: maximize.size: the maps of one image of 2048x2048 pixels up to first in net take over 0.3 GB of "
        "memory, this machine has 0.1; lower it"
    ]  # 2.5 numbers of 4 bytes for each of 2048 * 2048 * 6
    monkeypatch.setattr(machine, "memory", lambda: every * 20 - 1)
    assert said({}, analyze={"batch": 19}) == []
    (line,) = said({}, analyze={"batch": 20})
    assert line.startswith("params.yaml: analyze.batch: all maps of 20 images of 32x32 pixels in net take over 0.0 GB")


NET, LOCK, STORED_AT = Path("inputs/models/net.keras"), Path("dvc.lock"), Path("artifacts/models/net")


def _replaced() -> None:
    """By a file that is older, as `cp -p` does."""
    NET.unlink()
    NET.touch()
    os.utime(NET, (1, 1))


STALE: dict[str, Callable[[], Any]] = {
    "another file": _replaced,
    "no lock": lambda: LOCK.unlink(),
    "a broken lock": lambda: LOCK.write_text("a: ["),
    "outputs that are not whole": lambda: (STORED_AT / "weights").touch(),
    "another version": lambda: (STORED_AT / "model.json").write_text("{}"),
}


@pytest.mark.parametrize("how", STALE)
def test_what_is_of_another_network_is_not_heeded(said: Complaints, how: str) -> None:
    assert len(said({"layers": {"frist": 1}})) == 1
    STALE[how]()
    assert said({"layers": {"frist": 1}}) == []


def test_a_network_of_another_size_is_another_one(said: Complaints) -> None:
    assert said({"layers": {"frist": 1}, "input_size": 64}) == []


def test_filters_to_be_enlarged_are_held_against_the_model(said: Complaints, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said({}, enlarge={"net": {"second": {7: 512}}}) == []
    (line,) = said({}, enlarge={"net": {"third": {0: 512}}})
    assert line.startswith("params.yaml: enlarge.net: net has no conv layer 'third'")
    (line,) = said({}, enlarge={"net": {"second": {8: 512}}})
    assert "filter 8 asked, out of range; the layer has filters 0..7" in line
    monkeypatch.setattr(machine, "memory", lambda: 10**8)
    (line,) = said({}, enlarge={"net": {"first": {0: 2048}}})
    assert line.startswith("params.yaml: enlarge.net.first.0.size: the maps of one image of 2048x2048 pixels")
