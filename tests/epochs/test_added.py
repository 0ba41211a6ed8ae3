"""`python -m cnnviz.add` with the folder of a watched training: once, and again when there is more."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import cnnviz
from cnnviz import activations, add, config, epochs, images, networks
from cnnviz.config import known
from cnnviz.errors import InputError
from cnnviz.files import ARTIFACTS, Stopwatch, npz, read_json
from cnnviz.networks import ModelSection
from tests import plain_yaml
from tests.epochs import trained_project
from tests.epochs.test_watch import fit, names, network
from tests.epochs.trained_project import PARAMS


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(plain_yaml.dump(PARAMS))
    return tmp_path


def test_a_folder_becomes_a_block_and_what_is_new_is_brought(project: Path, capsys: Any) -> None:
    model, watch = network(), cnnviz.FilterWatch("runs/mine", steps=())
    fit(model, watch, 1)
    assert add.add(Path("runs/mine")) == "mine"
    text = Path("params.yaml").read_text()
    assert yaml.safe_load(text)["models"] == {"mine": {"checkpoints": "inputs/models/mine"}}
    assert "# 8x8 RGB, 2 conv layers, 2 checkpoints" in text
    assert names(Path("inputs/models/mine")) == ["0-0", "1-4"]
    capsys.readouterr()
    fit(model, watch, 2)
    assert add.add(Path("runs/mine")) == "mine"
    assert capsys.readouterr().out == "2 new files of runs/mine copied to inputs/models/mine\n"
    assert Path("params.yaml").read_text() == text
    assert names(Path("inputs/models/mine")) == ["0-0", "1-4", "2-8", "3-12"]
    again = network()
    again.set_weights([weight + 1 for weight in again.get_weights()])
    fit(again, watch, 1)  # another training in that folder: the old one is set aside there, its copy stays
    had = {path.name: path.read_bytes() for path in Path("inputs/models/mine").iterdir()}
    for _ in range(2):
        assert add.add(Path("runs/mine")) == "mine-2"
        assert "of another training: this one is inputs/models/mine-2\n" in capsys.readouterr().out
    assert names(Path("inputs/models/mine-2")) == ["0-0", "1-4"]
    assert {path.name: path.read_bytes() for path in Path("inputs/models/mine").iterdir()} == had
    models = yaml.safe_load(Path("params.yaml").read_text())["models"]
    assert models == {name: {"checkpoints": f"inputs/models/{name}"} for name in ("mine", "mine-2")}
    assert add.add(Path("inputs/models/mine")) == "mine"  # itself


@pytest.mark.parametrize("said", ["tf", {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]}])
def test_what_the_network_is_trained_with_is_said_once(project: Path, said: Any) -> None:
    """To FilterWatch; the folder's name is taken as it is written."""
    model = network()
    fit(model, cnnviz.FilterWatch("runs/[a]*", steps=(), preprocessing=said), 1)
    fit(model, cnnviz.FilterWatch("runs/[a]*", steps=()), 1)  # it is known by now
    assert names(Path("runs/[a]*")) == ["0-0", "1-4", "2-8"]
    assert add.add(Path("runs/[a]*")) == "a"
    block = {"checkpoints": "inputs/models/[a]*", "preprocessing": said}
    assert config.load().models["a"].model_dump(exclude_unset=True) == block
    networks.run("a", config.load().models["a"], ARTIFACTS)
    assert len(networks.series.Stored(ARTIFACTS / "models/a")) == 3
    with pytest.raises(InputError, match="preprocessing: unknown 'tff'"):
        cnnviz.FilterWatch("runs/b", preprocessing="tff")


def test_two_trainings_whose_folders_have_one_name(project: Path) -> None:
    for run in ("a", "b"):
        model = network()
        model.set_weights([weight + (run == "b") for weight in model.get_weights()])
        fit(model, cnnviz.FilterWatch(f"runs/{run}/kept", steps=()), 1)
    assert add.add(Path("runs/a/kept")) == "kept"
    before = sorted(Path("inputs/models").rglob("*"))
    with pytest.raises(InputError, match="--name: given 'bad name'; expected letters"):
        add.add(Path("runs/b/kept"), "bad name")
    with pytest.raises(InputError, match=r"--name: given 'kept'; .* is of another training; give yours another name"):
        add.add(Path("runs/b/kept"), "kept")
    assert sorted(Path("inputs/models").rglob("*")) == before
    assert add.add(Path("runs/b/kept"), "other") == "other"
    for run, name in (("a", "kept"), ("b", "other")):
        copied = Path("inputs/models") / name / "0-0.npz"
        assert copied.read_bytes() == Path(f"runs/{run}/kept/0-0.npz").read_bytes()
    assert add.add(Path("runs/b/kept"), "other") == "other"  # nothing new


@pytest.mark.pipeline
def test_the_users_three_lines(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Watched, added, followed, by the rooms of the stages; test_whole.py and test_pages.py do so with all stages."""
    monkeypatch.setattr("cnnviz.maximization.plain.CACHE", project)
    pictures, labels = trained_project.write_images(Path("inputs/images/tones"))
    model = trained_project.network(0)
    watch = cnnviz.FilterWatch("runs/mine", steps=(1,))
    model.fit(pictures, labels, epochs=1, batch_size=4, verbose=0, callbacks=[watch])
    assert add.add(Path("runs/mine")) == "mine"

    params = config.load()
    section, sets, watched = params.models["mine"], list(params.images.sets), Stopwatch()
    images.run(params.images, ARTIFACTS)
    networks.run("mine", section, ARTIFACTS)
    activations.run("mine", section.channels, params.feature_maps, sets, ARTIFACTS, watched)
    epochs.run("mine", section, params.maximize, params.analyze, params.random_seed, sets, ARTIFACTS, watched)

    found = read_json(ARTIFACTS / "epochs/mine/epochs.json")["checkpoints"]
    assert [(one["epoch"], one["step"]) for one in found] == [(0, 0), (0, 1), (1, 2)]
    assert found[-1]["logs"]["loss"] == pytest.approx(model.history.history["loss"][0])
    stored = networks.load(ARTIFACTS / "models/mine")[0]
    assert all(np.array_equal(a, b) for a, b in zip(stored.get_weights(), model.get_weights(), strict=True))
    first, last = (npz.read(ARTIFACTS / f"epochs/mine/pictures/{i}.npz")["first"] for i in (0, 2))
    assert first.shape == last.shape
    assert (first != last).any()


def test_what_is_no_series_is_a_line(project: Path) -> None:
    Path("runs/none").mkdir(parents=True)
    with pytest.raises(InputError, match=r"^runs/none: has no network\.keras.*`checkpoints: inputs/models/none/\*"):
        add.add(Path("runs/none"))
    with pytest.raises(InputError, match=r"runs/gone: not found; expected .* or a folder of cnnviz\.FilterWatch"):
        add.add(Path("runs/gone"))


def test_before_dvc_starts_a_series_that_is_not_there_is_said(project: Path) -> None:
    model = ModelSection(checkpoints="inputs/models/mine/*.keras")
    (line,) = known._of_files("params.yaml: models.mine", model, {})
    assert line.startswith("params.yaml: models.mine.checkpoints: 'inputs/models/mine/*.keras': no file matches")
