"""The stage on filters that look for a colour each, and which model judges."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from cnnviz.files import read_csv
from cnnviz.judging import stage
from stages import (
    analyze_model,
    compute_feature_maps,
    download_images,
    download_model,
    judge_explanations,
    maximize_filters,
)
from tests import plain_yaml

TONES = np.array([[230, 30, 30], [30, 230, 30], [30, 30, 230], [230, 230, 40], [40, 220, 220], [128, 128, 128]])
PARAMS: dict[str, Any] = {
    "random_seed": 0,
    "images": {"sets": {"tones": {"folder": "inputs/images/tones"}}},
    "models": {"subject": {"file": "inputs/models/subject.keras", "preprocessing": "unit", "channels": 2}},
    "feature_maps": {"images": [0]},
    "maximize": {"steps": 100, "size": 32, "stability_steps": 0},
    **{name: {} for name in ("weights", "analyze", "judge", "compare", "enlarge")},
    "fixed_filters": {"set": "tones", "images": 1},
}


def project(folder: Path, images: int) -> None:
    rng = np.random.default_rng(0)
    (folder / "inputs/images/tones").mkdir(parents=True)
    for i in range(images):
        tone = TONES[i % len(TONES)] * rng.uniform(0.6, 1)
        pixels = np.clip(tone + rng.normal(0, 12, (40, 40, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"inputs/images/tones/{i:03}.png")
    conv = keras.layers.Conv2D(4, 17, activation="relu", name="colours")
    network = keras.Sequential([keras.Input((32, 32, 3)), conv])
    kernel = np.zeros((17, 17, 3, 4), "float32")
    kernel[:] = np.array([[2, -1, -1], [-1, 2, -1], [-1, -1, 2], [1, 1, -2]]).T / 17**2  # red, green, blue, yellow
    conv.set_weights([kernel, np.zeros(4)])
    (folder / "inputs/models").mkdir()
    network.save(folder / "inputs/models/subject.keras")
    (folder / "params.yaml").write_text(plain_yaml.dump(PARAMS))


@pytest.mark.pipeline
def test_filters_of_a_colour_each_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, 126)  # 21 of each tone: those that ask have it, too
    monkeypatch.chdir(tmp_path)
    download_images.main()
    for one in (download_model, compute_feature_maps, maximize_filters, analyze_model, judge_explanations):
        one.main("subject")
    folder = tmp_path / "artifacts/judge/subject"
    scores = json.loads((folder / "scores.json").read_text())
    assert (scores["photos"], scores["needed"], scores["judges"]) == (126, 100, [stage.COLOURS])
    layer = scores["layers"]["colours"]
    assert layer["filters"] == [0, 1, 2, 3]
    judged = layer["judged"][stage.COLOURS]
    assert judged["patches"]["pair"] == 1  # a red patch belongs to the filter that looks for red
    assert judged["masked"]["pair"] == 1  # its kernel is the same everywhere: it looks at all of it
    assert judged["picture"]["pair"] > 0.8  # the picture of green has cyan and yellow in it
    assert judged["both"]["pair"] > 0.9
    assert judged["from_patches"]["pair"] > 0.75  # four steps from red images, for a filter that looks for red
    assert judged["both_from_patches"]["pair"] > 0.9
    assert judged["patches"]["control"] < 0.9
    assert judged["patches"]["low"] == judged["patches"]["high"] == 1
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["explaining_from_patches"] == judged["from_patches"]["pair"]
    assert metrics["explaining_masked"] == 1
    assert metrics["explaining_patches"] == judged["patches"]["pair"]
    rows = read_csv(folder / "filters.csv")
    assert [(row["layer"], int(row["filter"])) for row in rows] == [("colours", k) for k in range(4)]
    assert all(float(row["clarity"]) > 0.1 for row in rows)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    judge_explanations.main("subject")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    # the further pictures go from their photos, the less is in them that is the photos' alone
    monkeypatch.setattr("cnnviz.maximization.asking.PATCH_STEPS", 16)
    maximize_filters.main("subject")
    words = [sys.executable, "-m", "stages.judge_explanations", "subject"]  # which reads pictures once in a process
    subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    judged = json.loads((folder / "scores.json").read_text())["layers"]["colours"]["judged"][stage.COLOURS]
    assert judged["from_patches"]["pair"] > 0.9


@pytest.mark.pipeline
def test_too_few_images_are_said_and_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, 99)
    monkeypatch.chdir(tmp_path)
    download_images.main()
    download_model.main("subject")
    judge_explanations.main("subject")
    scores = json.loads((tmp_path / "artifacts/judge/subject/scores.json").read_text())
    assert scores == {"photos": 99, "needed": 100, "judges": [], "layers": {}}


def described(folder: Path, name: str, shape: list[int], filters: list[int]) -> None:
    (folder / "models" / name).mkdir(parents=True)
    convs = [{"name": f"c{i}", "kernel_shape": [3, 3, 3, n]} for i, n in enumerate(filters)]
    (folder / "models" / name / "model.json").write_text(json.dumps({"input_shape": shape, "conv_layers": convs}))


def test_nobody_judges_itself(tmp_path: Path) -> None:
    models = ["small", "one", "tuned", "grey", "other"]
    described(tmp_path, "small", [32, 32, 3], [4, 4, 4, 4, 4])
    described(tmp_path, "one", [64, 64, 3], [4, 4, 4, 4])
    described(tmp_path, "tuned", [64, 64, 3], [4, 4, 4, 4])
    described(tmp_path, "grey", [64, 64, 1], [4, 4, 4, 4, 4])
    described(tmp_path, "other", [96, 64, 3], [8, 8, 8, 8])
    assert stage.judging_network("one", models, "auto", tmp_path) == "other"
    assert stage.judging_network("other", models, "auto", tmp_path) == "one"
    assert stage.judging_network("small", models, "auto", tmp_path) == "one"
    assert stage.judging_network("one", models[:4], "auto", tmp_path) is None
    assert stage.judging_network("one", models, "small", tmp_path) == "small"  # as asked
    assert stage.judging_network("one", models, "tuned", tmp_path) is None  # the same layers
