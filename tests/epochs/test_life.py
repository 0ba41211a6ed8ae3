"""What pages say of a training, from numbers written by hand: no network, no browser."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cnnviz.files import npz
from cnnviz.report.pages import environment
from cnnviz.report.site import beside, life, training
from cnnviz.report.site.layers import Layer, Model
from cnnviz.report.site.pictures import Files

NAN = float("nan")
ARRAYS = {
    "filters": np.array([1, 4], np.int32),
    "formed_at": np.array([2, -1], np.int32),
    "score": np.array([[1, NAN, 2], [1, 1, 0]], np.float32),
    "active": np.array([[True, False, True], [True, True, False]]),
    "similarity": np.array([[0.125, NAN, 1], [NAN, NAN, NAN]], np.float32),
    "distance": np.linspace(0.9, 0, 15, dtype=np.float32).reshape(5, 3),
    "cosine": np.linspace(0, 1, 15, dtype=np.float32).reshape(5, 3),
    "firing_rate/tones": np.full((5, 3), 0.5, np.float32),
    "silent_since": np.array([-1, -1, -1, -1, 1], np.int32),
    "cka": np.array([[1, 0.25, 0.5], [0.25, 1, 0.75], [0.5, 0.75, 1]], np.float32),
}


@pytest.fixture
def trained(tmp_path: Path) -> training.Training:
    """Three checkpoints: the start, an epoch, another; pictures of two of five filters, darker from one to the next."""
    folder = tmp_path / "artifacts/epochs/m"
    (folder / "pictures").mkdir(parents=True)
    states = [
        {"name": f"{i}-{9 * i}", "epoch": i, "step": 9 * i, "accuracy": i / 4, "logs": {"loss": 1 / (i + 1)}}
        for i in range(3)
    ]
    found = {"checkpoints": states, "formed": 0.9, "layers": {"first": {"cka_to_last": [0.5, 0.75, 1]}}, "notes": []}
    (folder / "epochs.json").write_text(json.dumps(found))
    (folder / "first.npz").write_bytes(npz.pack(ARRAYS))
    for i in range(3):
        pixels = np.full((2, 8, 8, 3), 200 - 80 * i, np.uint8)
        (folder / f"pictures/{i}.npz").write_bytes(npz.pack({"first": pixels}))
    one = training.read_training(tmp_path / "artifacts", "m")
    assert one is not None
    files = Files(tmp_path / "site")
    training.write_strips(files, one, "first", "m/first")
    files.pool.shutdown()
    return one


def page(trained: training.Training, k: int) -> str:
    facts = life.of_filter(trained, "first", k)
    layer = SimpleNamespace(title="first")
    return environment().get_template("site/epochs_filter.html").render(life=facts, root="../../", k=k, layer=layer)


def test_a_filters_page_says_when_it_took_its_form_and_shows_every_state(
    trained: training.Training, tmp_path: Path
) -> None:
    text = page(trained, 1)
    assert "It took its form at <b>epoch 2</b>, the last checkpoint: from there on its picture is at least 0.9" in text
    assert [label for label in ("start", "epoch 1", "epoch 2") if f'alt="At {label}"' in text] == trained.labels
    assert re.findall(r'<br><span class="soft">(.*?)</span>', text) == ["0.12", "no number", "1.00"]
    assert '<li class="formed">' in text
    with Image.open(tmp_path / "site/m/first/1_life.webp") as sheet:
        pixels = np.asarray(sheet.convert("L"))
    assert [int(pixels[4 + 8 * y, 4 + 8 * x]) for x, y in ((0, 0), (1, 0), (0, 1))] == pytest.approx(
        [200, 120, 40], abs=3
    )


def test_a_filter_that_is_silent_in_the_end_has_no_form_and_says_since_when(trained: training.Training) -> None:
    text = page(trained, 4)
    assert "When it took its form is unknown: it is not active on its own last picture" in text
    assert "It fires on no image here since <b>epoch 1</b>" in text
    assert "It took its form" not in page(trained, 0)  # which is not rendered


def test_a_layer_lists_its_filters_by_their_form_and_its_states_against_each_other(trained: training.Training) -> None:
    facts = life.of_layer(trained, "first", {1: "one", 4: "four"})
    assert facts is not None
    assert [(name, at) for name, at, _ in facts["born"]] == [("one", 2), ("four", -1)]
    assert facts["cells"] == [[100, 25, 50], [25, 100, 75], [50, 75, 100]]
    assert len(facts["heat"]) == 9
    unknown = life.heat(np.array([[1.0, np.nan], [np.nan, 1.0]]))
    assert [re.findall(r'x="(\d)" y="(\d)"', one) for one in unknown] == [[("0", "0")], [("1", "1")]]
    assert trained.of_filters("first", 5)["formed_at"] == [None, "epoch 2", None, None, None]
    assert trained.of_filters("first", 5)["silent_since"] == [None, None, None, None, "epoch 1"]


def test_what_the_slider_says_of_each_state(trained: training.Training) -> None:
    assert trained.said[1] == "epoch 1; accuracy here 0.25, loss 0.5"


def test_every_number_that_keras_measured_has_its_curve_beside_that_of_validation(trained: training.Training) -> None:
    for i, one in enumerate(trained.checkpoints):
        one["logs"] = {"loss": 1.0, "accuracy": 0.5, "auc": 0.1 * i, "val_loss": 2.0, "val_auc": None if i else 0.3}
        one["logs"] |= {"learning_rate": 1e-3, "val_accuracy": 0.4, "head_acc": None}
    facts = life.of_model(trained, {})
    assert facts is not None
    curves = {one.title: list(dict.fromkeys(curve.label for curve in one.curves)) for one in facts["panels"]}
    assert curves == {
        "accuracy": ["here", "accuracy", "val_accuracy"],
        "loss": ["loss", "val_loss"],
        "auc": ["auc", "val_auc"],
        "learning_rate": [""],  # the title says it
    }


def test_two_trainings_are_paired_by_the_places_of_their_layers(trained: training.Training, tmp_path: Path) -> None:
    """Keras numbers the names of what it builds: conv2d in one process is conv2d_2 in the next training."""
    shutil.copytree(tmp_path / "artifacts/epochs/m", tmp_path / "artifacts/epochs/n")
    other = training.read_training(tmp_path / "artifacts", "n")
    assert other is not None
    (tmp_path / "artifacts/epochs/n/first.npz").rename(tmp_path / "artifacts/epochs/n/second.npz")
    other.strips = {("second", k): strip for (_, k), strip in trained.strips.items() if k != 4}
    kind = {"type": "Conv2D", "kernel_shape": [3, 3, 3, 5], "strides": [1, 1], "padding": "same", "dilation": [1, 1]}
    kind |= {"activation": "relu", "filters": 5, "input_shape": [32, 32, 3]}
    models = {}
    for key, name, own in (("m", "first", trained), ("n", "second", other)):
        models[key] = model = Model(tmp_path / "artifacts", key, {}, [])
        model.training = own
        model.layers[name] = Layer(model, kind | {"name": name, "title": name}, 0)
    (pair,) = beside.pairs(models)
    facts = beside.facts(pair)
    ((layer, k, filters, strips, at),) = facts["rows"]
    assert (layer.name, k) == ("first", 1)
    assert [one.url for one in filters] == ["m/first/1.html", "n/second/1.html"]
    assert strips == [trained.strips["first", 1], other.strips["second", 1]]
    assert at == ["epoch 2", "epoch 2"]
    for name, another in (("activation", "tanh"), ("input_shape", [64, 64, 3])):
        models["n"].layers["second"].conv = kind | {"name": "second", "title": "second", name: another}
        assert beside.pairs(models) == []


def kept(*moments: tuple[int | None, int | None]) -> training.Training:
    return training.Training(Path(), "m", [{"epoch": epoch, "step": step} for epoch, step in moments], 0.9, {}, [])


def test_one_slider_of_two_trainings_goes_by_time_where_it_is_known() -> None:
    early, late = kept((0, 0), (0, 5), (1, 10), (4, 40)), kept((1, 10), (2, 20))
    # an epoch has 10 steps: at 0, 1/2, 1, 2 and 4 epochs
    assert beside.together([early, late]) == [[0, 1, 2, 2, 3], [0, 0, 0, 1, 1]]
    large, small = kept(*((i, 8 * i) for i in range(4))), kept(*((i, 32 * i) for i in range(4)))
    assert beside.together([large, small]) == [[0, 1, 2, 3]] * 2  # epoch beside epoch, whatever a batch has
    unknown = kept((None, None), (None, None))
    assert beside.together([early, unknown]) == [[0, 1, 2, 3], [0, 1, 1, 1]]


def test_what_is_known_between_unknown_states_is_drawn(trained: training.Training) -> None:
    found = life.panel(trained, "loss", {"val_loss": [None, 0.5, None]})
    assert found is not None
    (curve,) = found.curves
    (x0, y0), (x1, y1) = (map(float, one.split(",")) for one in curve.points.split())
    assert (y0, x1 - x0) == (y1, 4.0)
