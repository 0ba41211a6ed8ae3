"""Files of a watched training are held against its record: what is another's, what is gone, and what is a copy."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import cnnviz
from cnnviz import add, networks
from cnnviz.errors import InputError
from cnnviz.networks import ModelSection, load, read_description, series
from tests import plain_yaml
from tests.epochs.test_going_on import cut, network, same, stop, train
from tests.epochs.test_watch import fit, names, weights
from tests.epochs.test_watch import network as watched_network
from tests.epochs.trained_project import PARAMS

RUN = Path("inputs/models/run")


def other(**options: Any) -> Any:
    """The same layers, other weights."""
    found = network(**options)
    found.set_weights([weight + 1 for weight in found.get_weights()])
    return found


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one` and `two` are trainings of the same layers; `elu` has another activation."""
    top = tmp_path_factory.mktemp("folders")
    train(network(), top / "one", 3, every=1)
    train(other(), top / "two", 4, every=1)
    train(network(activation="elu"), top / "elu", 1, every=1)
    return top


@pytest.fixture
def run(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folders / "one", RUN)
    shutil.copytree(folders / "one", "runs/one")
    Path("params.yaml").write_text(plain_yaml.dump(PARAMS))
    return RUN


def stored() -> list[str]:
    """Runs the stage; returns the names of what it stored."""
    networks.run("mine", ModelSection(checkpoints=str(RUN)), Path("artifacts"))
    return [one["name"] for one in read_description(Path("artifacts/models/mine"))["checkpoints"]]


def refused() -> str:
    with pytest.raises(InputError) as error:
        stored()
    said = str(error.value)
    assert said.startswith("params.yaml: models.mine.checkpoints: ")
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("name", "why"),
    [("2-8", "has other weights for 2-8.npz"), ("3-12", "has other weights for"), ("4-16", "knows no 4-16.npz")],
)
def test_a_state_of_another_training_is_refused_by_name(run: Path, folders: Path, name: str, why: str) -> None:
    assert stored() == ["0-0", "1-4", "2-8", "3-12"]
    shutil.copy(folders / f"two/{name}.npz", run)
    line = refused()
    assert f"{name}.npz: is not of this training (seen.jsonl {why}" in line
    assert line.endswith("; put its own back, or remove it")
    (run / f"{name}.npz").unlink()
    assert stored() == [one for one in ("0-0", "1-4", "2-8", "3-12") if one != name]
    shutil.copy(folders / f"two/{name}.npz", run)
    (run / "seen.jsonl").unlink()  # a series without a record is what its files are
    assert name in stored()


def test_a_state_of_another_training_is_set_aside_where_the_training_goes_on(
    run: Path, folders: Path, capsys: Any
) -> None:
    for name in ("2-8", "4-16"):
        shutil.copy(folders / f"two/{name}.npz", run)
    model = network()
    model.set_weights(load_state(run, "3-12"))
    train(model, run, 1, every=1)
    assert names(run) == ["0-0", "1-4", "3-12", "4-16"]
    assert same(run, "4-16", model.get_weights())
    assert sorted(path.name for path in (run / "set-aside-1").iterdir()) == ["2-8.npz", "4-16.npz"]
    (line,) = capsys.readouterr().err.splitlines()
    assert "2-8.npz: is not of this training" in line
    assert "4-16.npz: is not of this training" in line


def load_state(folder: Path, name: str) -> list[np.ndarray]:
    """In Keras's order: the kernels and biases of both layers."""
    arrays = weights(folder, name)
    return [arrays[f"layers/{layer}/vars/{i}"] for layer in ("conv2d", "dense") for i in range(2)]


def test_a_record_that_was_cut_is_held_against_as_far_as_it_goes(run: Path, folders: Path) -> None:
    cut(run / "seen.jsonl")
    assert stored() == ["0-0", "1-4", "2-8", "3-12"]
    shutil.copy(folders / "two/0-0.npz", run)
    assert "0-0.npz: is not of this training" in refused()
    shutil.copy(folders / "one/0-0.npz", run)
    model = network()
    model.set_weights(load_state(run, "3-12"))
    train(model, run, 1, every=1)  # which completes it
    assert stored() == ["0-0", "1-4", "2-8", "3-12", "4-16"]
    (run / "4-16.npz").unlink()
    shutil.copy(folders / "two/3-12.npz", run)
    assert "3-12.npz: is not of this training" in refused()


def test_another_network_file_is_refused_and_one_of_other_weights_changes_nothing(run: Path, folders: Path) -> None:
    stored()
    before = load(Path("artifacts/models/mine"))[0].get_weights()
    other().save(run / "network.keras")
    assert stored() == ["0-0", "1-4", "2-8", "3-12"]
    assert all(map(np.array_equal, load(Path("artifacts/models/mine"))[0].get_weights(), before))
    shutil.copy(folders / "elu/network.keras", run)  # weights of the same shapes
    line = refused()
    assert "run/network.keras' has other layers or settings than the network that was watched here" in line
    model = network()
    model.set_weights(load_state(run, "3-12"))
    train(model, run, 1, every=1)
    assert stored() == ["0-0", "1-4", "2-8", "3-12", "4-16"]
    assert (run / "set-aside-1/network.keras").read_bytes() == (folders / "elu/network.keras").read_bytes()


def test_files_that_were_written_and_are_gone_are_said(run: Path, capsys: Any) -> None:
    stored()
    assert not [note for note in read_description(Path("artifacts/models/mine"))["notes"] if "not there" in note]
    for folder in (run, Path("runs/one")):
        (folder / "1-4.npz").unlink()
        (folder / "2-8.npz").unlink()
    assert stored() == ["0-0", "3-12"]
    line = "1-4.npz, 2-8.npz are not there any more; the series goes on without"
    assert f"of its training {line}" in read_description(Path("artifacts/models/mine"))["notes"]
    capsys.readouterr()
    assert add.add(Path("runs/one")) == "one"
    assert f"inputs/models/one: {line}\n" in capsys.readouterr().out
    with pytest.warns(UserWarning, match="1-4.npz, 2-8.npz are not there any more"):
        assert cnnviz.life(str(run), "first", [0], preprocessing="unit", steps=1).checkpoints == ["0-0", "3-12"]
    model = network()
    model.set_weights(load_state(run, "3-12"))
    capsys.readouterr()
    watch = cnnviz.FilterWatch(run, steps=())
    for _ in range(2):
        model.fit(np.zeros((4, 8, 8, 3)), np.zeros(4), epochs=1, verbose=0, callbacks=[watch])
    assert capsys.readouterr().err.count(line) == 1
    for path in run.glob("*.npz"):
        path.unlink()
    assert "has no checkpoint, 0-0.npz, 1-4.npz, 2-8.npz, 3-12.npz and 2 more are not there any more" in refused()


def test_what_was_never_kept_or_got_another_name_is_not_missed(tmp_path: Path, capsys: Any) -> None:
    train(network(), tmp_path, 4, every=3, steps=(4,))  # 0-4 becomes 1-4
    assert names(tmp_path) == ["0-0", "1-4", "3-12", "4-16"]
    assert series.missing(tmp_path) == []
    marks = [bool(json.loads(line).get("kept")) for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
    assert sum(marks) == 5


def rewritten(run: Path) -> None:
    """By FilterWatch, of a network whose layers have other names."""
    cut(run / "network.keras")
    train(other_names(load_state(run, "3-12")), run, 1, every=1)


def other_names(state: list[np.ndarray]) -> Any:
    network()  # so that Keras counts on
    found = network()
    found.set_weights(state)
    return found


def saved_again(run: Path) -> None:
    other().save(run / "network.keras")


def gone_back(run: Path) -> None:
    model = network()
    model.set_weights(load_state(run, "1-4"))
    model.optimizer.learning_rate = 0.5
    train(model, run, 2, every=1)


def mended(run: Path) -> None:
    """Its damaged file is set aside, and one that needs it is written again."""
    cut(run / "1-4.npz")
    model = network()
    model.set_weights(load_state(run, "3-12"))
    train(model, run, 1, every=1)


@pytest.mark.parametrize("change", [rewritten, saved_again, gone_back, mended])
def test_the_same_folder_is_the_same_model(run: Path, change: Callable[[Path], None]) -> None:
    source = Path("runs/one")
    assert add.add(source) == "one"
    change(source)
    for _ in range(2):
        assert add.add(source) == "one"
    assert list(yaml.safe_load(Path("params.yaml").read_text())["models"]) == ["one"]
    assert not Path("inputs/models/one-2").exists()
    lost = {"1-4"} if change is mended else set()  # of which the copy is whole
    assert {*names(Path("inputs/models/one"))} == {*names(source)} | lost
    for name in names(source):
        there = [sorted(a.tobytes() for a in weights(folder, name).values()) for folder in (source, RUN.parent / "one")]
        assert there[0] == there[1]


def test_a_damaged_copy_is_copied_again(run: Path) -> None:
    assert add.add(Path("runs/one")) == "one"
    for name in ("1-4.npz", "network.keras", "seen.jsonl", "watch.json"):
        cut(Path("inputs/models/one") / name)
        assert add.add(Path("runs/one")) == "one"
        assert names(Path("inputs/models/one")) == ["0-0", "1-4", "2-8", "3-12"]


def test_what_the_source_lost_stays_in_its_copy(run: Path) -> None:
    add.add(Path("runs/one"))
    Path("runs/one/1-4.npz").unlink()
    assert add.add(Path("runs/one")) == "one"
    assert names(Path("inputs/models/one")) == ["0-0", "1-4", "2-8", "3-12"]
    assert not list(Path("inputs/models/one").glob("set-aside*"))


@pytest.mark.parametrize("kind", ["two", "elu"])
def test_another_training_in_the_same_folder_is_another_model(run: Path, folders: Path, kind: str) -> None:
    """`elu` has another activation and begins with the same weights."""
    assert add.add(Path("runs/one")) == "one"
    shutil.rmtree("runs/one")
    shutil.copytree(folders / kind, "runs/one")
    for _ in range(2):
        assert add.add(Path("runs/one")) == "one-2"
    assert names(Path("inputs/models/one")) == ["0-0", "1-4", "2-8", "3-12"]


def test_trainings_that_begin_alike_are_two_where_their_folders_are_two(run: Path) -> None:
    train(network(), Path("runs/a/kept"), 1)
    model = network()
    model.optimizer.learning_rate = 0.5
    train(model, Path("runs/b/kept"), 2)
    with pytest.raises(KeyboardInterrupt):
        train(network(), Path("runs/c/kept"), 1, stop(0, batch=0))  # its start alone
    model = network()
    model.optimizer.learning_rate = 0.1
    train(model, Path("runs/d/kept"), 1)
    for folder, key in zip("abcd", ("kept", "kept-2", "kept-3", "kept-4"), strict=True):
        assert add.add(Path(f"runs/{folder}/kept")) == key
    Path("runs/moved").mkdir()
    shutil.move("runs/b/kept", "runs/moved/kept")
    assert add.add(Path("runs/moved/kept")) == "kept-2"


def test_weights_that_keras_writes_in_another_type_are_those_of_the_record(tmp_path: Path) -> None:
    """Of a network in bfloat16, which HDF5 does not have."""
    fit(watched_network(dtype="bfloat16"), cnnviz.FilterWatch(tmp_path, steps=()), 2)
    assert names(tmp_path) == ["0-0", "1-4", "2-8"]
    assert series.missing(tmp_path) == []
