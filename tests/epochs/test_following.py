"""The stage `epochs` on a series made by hand, of which everything that it says is known beforehand."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from cnnviz import activations, epochs, images, networks
from cnnviz.activations import FeatureMapsSection
from cnnviz.analysis import AnalyzeSection
from cnnviz.epochs import forming, states
from cnnviz.files import Stopwatch, npz, read_csv, read_json
from cnnviz.images import ImagesSection
from cnnviz.maximization import MaximizeSection
from cnnviz.networks import ModelSection

SIDE, FILTERS = 16, 12
EPOCHS = (0, 4, 5, 6)  # of which there are checkpoints
COPIED, DIED, COUNT = EPOCHS.index(5), EPOCHS.index(4), len(EPOCHS)  # as places in the series
FROZEN, COPY, DEAD = 0, 1, 2  # filters of the first layer
MODEL = {
    "checkpoints": "inputs/models/run1/*.keras",
    "class_names": ["dark", "light"],
    "preprocessing": "unit",
    "layers": {"first": [FROZEN, COPY, DEAD]},
}


def network(i: int) -> Any:
    """At checkpoint i; a filter is copied in at epoch 5; at the last one all is as it was at the one before."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(FILTERS, 3, activation="relu", padding="same", name="first"),
            layers.MaxPooling2D(2),
            layers.Conv2D(3, 3, activation="relu", name="second"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax", name="classes"),
        ]
    )
    state = min(i, COUNT - 2)
    draw = np.random.default_rng(state)
    kernel, bias = draw.normal(0, 0.3, (3, 3, 3, FILTERS)), np.full(FILTERS, 0.1)
    kernel[..., FROZEN] = np.array([-1.0, 0, 1])[None, :, None]
    wants = [1.0, -0.5, -0.5] if state >= COPIED else [-0.5, -0.5, 1.0]  # red; before that blue, more or less
    kernel[..., COPY] = 0.3 * np.array(wants) + (0.02 * kernel[..., COPY] if state < COPIED else 0)
    kernel[..., DEAD] = 0.1
    if state >= DIED:
        kernel[..., DEAD], bias[DEAD] = 0, -1
    model.get_layer("first").set_weights([kernel, bias])
    model.get_layer("second").set_weights([draw.normal(0, 0.3, (3, 3, FILTERS, 3)), np.full(3, 0.1)])
    dense = np.zeros((3, 2))
    model.get_layer("classes").set_weights([dense, np.array([0.0, 1 if state < DIED else -1])])
    return model


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder in which all stages before it ran, and it."""
    folder = tmp_path_factory.mktemp("series")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("cnnviz.maximization.plain.CACHE", folder)
        Path("inputs/models/run1").mkdir(parents=True)
        draw = np.random.default_rng(0)
        for name, low, high in (("dark", 0, 120), ("light", 130, 255)):
            place = Path("inputs/images/tones", name)
            place.mkdir(parents=True)
            for i in range(4):
                Image.fromarray(draw.integers(low, high, (SIDE, SIDE, 3), np.uint8)).save(place / f"{i}.png")
        images.run(
            ImagesSection.model_validate({"sets": {"tones": {"folder": "inputs/images/tones"}}}), Path("artifacts")
        )
        for i, epoch in enumerate(EPOCHS):
            network(i).save(f"inputs/models/run1/epoch_{epoch}.keras")
        follow()
        yield folder


def follow() -> Path:
    model = ModelSection.model_validate(MODEL)
    networks.run("mine", model, Path("artifacts"))
    activations.run("mine", 1, FeatureMapsSection(images=[0]), ["tones"], Path("artifacts"), Stopwatch())
    return go_on(model)


def go_on(model: ModelSection, shard: str = "", **options: Any) -> Path:
    section = MaximizeSection(steps=12, snapshots=[12], max_size=24, stability_steps=0, **options)
    epochs.run("mine", model, section, AnalyzeSection(batch=8), 0, ["tones"], Path("artifacts"), Stopwatch(), shard)
    return Path("artifacts/epochs/mine")


@pytest.mark.pipeline
def test_frozen_never_moves_copied_in_forms_then_dead_is_dead_since(project: Path) -> None:
    found = npz.read(project / "artifacts/epochs/mine/first.npz")
    assert found["filters"].tolist() == [FROZEN, COPY, DEAD]
    np.testing.assert_allclose(found["similarity"][0], 1, atol=1e-5)
    assert (found["similarity"][1, :COPIED] < 0.8).all(), found["similarity"]
    np.testing.assert_allclose(found["similarity"][1, COPIED:], 1, atol=1e-5)
    assert found["formed_at"].tolist() == [0, COPIED, -1]
    np.testing.assert_array_equal(found["distance"][FROZEN], 0)
    np.testing.assert_allclose(found["cosine"][FROZEN], 1)
    assert (found["distance"][COPY, :COPIED] > 0.1).all()
    np.testing.assert_array_equal(found["distance"][COPY, COPIED:], 0)
    assert found["silent_since"].tolist() == [-1, -1, DIED] + [-1] * (FILTERS - 3)
    assert (found["firing_rate/tones"][DEAD, :DIED] > 0).all()
    np.testing.assert_array_equal(found["firing_rate/tones"][DEAD, DIED:], 0)
    pictures = [npz.read(project / f"artifacts/epochs/mine/pictures/{i}.npz")["first"] for i in range(COUNT)]
    for one in pictures:
        np.testing.assert_array_equal(one[FROZEN], pictures[-1][FROZEN])
    np.testing.assert_array_equal(pictures[COPIED][COPY], pictures[-1][COPY])
    assert (pictures[COPIED - 1][COPY] != pictures[-1][COPY]).mean() > 0.3


@pytest.mark.pipeline
def test_no_further_training_gives_cka_1(project: Path) -> None:
    for layer in ("first", "second"):
        cka = npz.read(project / f"artifacts/epochs/mine/{layer}.npz")["cka"]
        assert cka.shape == (COUNT, COUNT)
        np.testing.assert_allclose(cka.diagonal(), 1, atol=1e-6)
        assert cka[-1, -2] == pytest.approx(1, abs=1e-6)
        np.testing.assert_allclose(cka, cka.T, atol=1e-6)
    assert cka[0, -1] < 0.999  # second: other weights


@pytest.mark.pipeline
def test_the_network_says_what_it_was_made_to_say(project: Path) -> None:
    """`light` for all at first, `dark` from the second checkpoint on: every prediction flips there, half are right."""
    found = read_json(project / "artifacts/epochs/mine/epochs.json")
    assert [one["accuracy"] for one in found["checkpoints"]] == [0.5] * COUNT
    assert [one["flipped"] for one in found["checkpoints"]] == [None, 8, 0, 0]
    rows = read_csv(project / "artifacts/epochs/mine/predictions.csv")
    assert len(rows) == 8
    assert {(row["settled_at"], row["before"], row["predicted"]) for row in rows} == {("1", "light", "dark")}
    assert sum(row["right"] == "True" for row in rows) == 4
    listed = read_csv(project / "artifacts/epochs/mine/filters.csv")
    assert [(row["formed_at"], row["silent_since"]) for row in listed[:4]] == [
        ("0", ""),
        (str(COPIED), ""),
        ("", str(DIED)),
        ("", ""),
    ]


@pytest.mark.pipeline
@pytest.mark.parametrize("by", ["shards", pytest.param("ray", marks=pytest.mark.long)])
def test_others_make_the_same_pictures(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, by: str) -> None:
    monkeypatch.chdir(project)
    for module in ("maximization.plain", "epochs.following"):
        monkeypatch.setattr(f"cnnviz.{module}.CACHE", tmp_path)
    folder, model = Path("artifacts/epochs/mine"), ModelSection.model_validate(MODEL)
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for number in (1, 2) if by == "shards" else ():
        go_on(model, f"{number}/2")
    made = {path.name for path in tmp_path.rglob("*.npz")}
    go_on(model, executor="ray" if by == "ray" else "here", workers=1)
    assert {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    kept = {path.name for path in (project / "render").rglob("*.npz")}
    assert {path.name for path in tmp_path.rglob("*.npz")} == kept
    assert made == (kept if by == "shards" else set())


@pytest.mark.pipeline
def test_a_series_that_grows_renders_what_is_new(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr("cnnviz.maximization.plain.CACHE", project)
    before = set(Path("render").rglob("*.npz"))
    pictures = npz.read(Path("artifacts/epochs/mine/pictures/0.npz"))
    shutil.copy("inputs/models/run1/epoch_4.keras", "inputs/models/run1/epoch_10.keras")
    changed = network(2)
    changed.get_layer("classes").set_weights([np.ones((3, 2)), np.zeros(2)])
    changed.save("inputs/models/run1/epoch_12.keras")
    folder = follow()
    new = set(Path("render").rglob("*.npz")) - before
    assert len(new) == 3  # those of epoch_12: the network of epoch_10 was seen before
    again = npz.read(folder / "pictures/0.npz")
    for layer, images_ in pictures.items():
        np.testing.assert_array_equal(again[layer], images_)
    assert len(read_json(folder / "epochs.json")["checkpoints"]) == COUNT + 2


NO_SERIES = """
import sys
from pathlib import Path
from cnnviz import epochs
from cnnviz.analysis import AnalyzeSection
from cnnviz.files import Stopwatch
from cnnviz.maximization import MaximizeSection
from cnnviz.networks import ModelSection
model = ModelSection(file="inputs/models/tiny.keras")
epochs.run("tiny", model, MaximizeSection(), AnalyzeSection(), 0, ["none"], Path(), Stopwatch())
print([name for name in ("tensorflow", "keras") if name in sys.modules])
"""


def test_a_model_that_is_no_series_says_so_and_costs_no_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "models/tiny").mkdir(parents=True)
    (tmp_path / "models/tiny/model.json").write_text('{"name": "tiny", "input_shape": [8, 8, 3], "conv_layers": []}')
    words = [sys.executable, "-c", NO_SERIES]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert read_json(tmp_path / "epochs/tiny/epochs.json") == {"checkpoints": []}


def test_when_a_form_was_taken() -> None:
    nothing = float("nan")
    found = np.array(
        [
            [1.0, 1.0, 1.0, 1.0],
            [0.0, 0.95, 0.5, 1.0],
            [0.2, 0.91, 0.9, 1.0],
            [0.95, nothing, 0.95, 1.0],
            [0.5, 0.5, 0.5, nothing],
        ]
    )
    assert forming.took_form(found, 0.9).tolist() == [0, 3, 1, 2, -1]
    assert forming.took_form(found[:, -1:], 0.9).tolist() == [0, 0, 0, 0, -1]  # a series of one checkpoint


def test_a_layer_of_one_or_two_units_tells_no_pictures_apart() -> None:
    natural = np.array([[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]], np.float32)
    every = np.array([[[3.0, 1.0, 0.0], [3.0, 0.0, 1.0], [4.0, 1.0, 0.0]]], np.float32)
    for units in (1, 2):
        assert np.isnan(forming.alike_last(every[..., :units], natural[:, :units])).all()
    # natural images have the same spread in each unit: Pearson correlations
    expected = [np.corrcoef(every[0, i], every[0, 2])[0, 1] for i in range(3)]
    np.testing.assert_allclose(forming.alike_last(every, natural)[0], expected, atol=1e-5)


def test_since_when_it_is_silent() -> None:
    silent = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [1, 0, 1]], bool)
    assert states.since(silent).tolist() == [2, 0, -1, 2]


def test_when_predictions_changed_last() -> None:
    said = np.array([[0, 0, 1, 1], [0, 1, 0, 1], [2, 1, 1, 1]])
    assert states._last_change(said).tolist() == [2, 3, 1]
