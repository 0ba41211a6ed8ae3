"""Series of checkpoints: which files, in which order, and a line for everything that can't be one."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from cnnviz import networks
from cnnviz.errors import InputError
from cnnviz.networks import ModelSection, load, read_description, series

RUN = Path("inputs/models/run1")


def network(width: int = 3, pool: bool = True, seed: int = 1) -> Any:
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    between = layers.MaxPooling2D(2) if pool else layers.AveragePooling2D(2)
    body = [layers.Conv2D(width, 3, activation="relu", name="first"), between, layers.Conv2D(2, 3, name="second")]
    end = [layers.GlobalAveragePooling2D(), layers.Dense(2, activation="softmax")]
    return keras.Sequential([keras.Input((12, 12, 3)), *body, *end])


def states(count: int) -> list[Any]:
    """Of one network, other weights each time but for the first layer's."""
    found = []
    for i in range(count):
        one = network()
        draw = np.random.default_rng(i)
        one.set_weights([w if n < 2 else draw.normal(size=w.shape) for n, w in enumerate(one.get_weights())])
        found.append(one)
    return found


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both kinds of a series of three states: copy them."""
    top = tmp_path_factory.mktemp("saved")
    (top / "files").mkdir()
    (top / "watched").mkdir()
    before = None
    for i, (name, one) in enumerate(zip(("epoch_2", "epoch_9", "epoch_10"), states(3), strict=True)):
        one.save(top / f"files/{name}.keras")
        one.save_weights(top / "now.weights.h5")
        moment = series.Moment(i, 40 * i, {"loss": 1.0 - i / 4})
        arrays = series.from_weights(top / "now.weights.h5")
        before = series.keep(top / "watched", f"{i}-{40 * i}", arrays, before, moment)
    network(seed=9).save(top / "watched/network.keras")
    return top


@pytest.fixture
def run(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three whole files, whose names sort wrongly letter by letter."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(saved / "files", RUN)
    return RUN


def stored(**more: Any) -> Path:
    section = ModelSection(**{"checkpoints": f"{RUN}/*.keras", **more})
    assert list(section.complaints()) == []
    networks.run("mine", section, Path("artifacts"))
    return Path("artifacts/models/mine")


def refused(**more: Any) -> str:
    with pytest.raises(InputError) as error:
        stored(**more)
    said = str(error.value)
    assert said.startswith("params.yaml: models.mine.checkpoints")
    assert "\n" not in said
    return said


def same(one: Any, other: Any) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_numbers_in_names_sort_by_what_they_are(run: Path) -> None:
    assert [one.name for one in series.find(f"{run}/*.keras", None, "here")] == ["epoch_2", "epoch_9", "epoch_10"]
    names = [Path(f"a/{x}.keras") for x in ("e1-0.20", "e01-0.10", "e2", "e10", "b300")]
    assert sorted(names, key=series.natural) == [names[i] for i in (4, 1, 0, 2, 3)]


def test_the_last_is_the_model_and_each_can_be_had_again(run: Path) -> None:
    folder = stored()
    described = read_description(folder)
    assert [one["name"] for one in described["checkpoints"]] == ["epoch_2", "epoch_9", "epoch_10"]
    assert same(load(folder)[0], states(3)[2])
    kept = series.Stored(folder)
    prints = []
    for i, one in enumerate(states(3)):
        with kept.at(i) as place:
            found, about = load(place)
            assert same(found, one)
            assert about["digest"] == networks.digest(one)
            prints.append(about["fingerprint"])
    assert len(set(prints)) == 3
    assert prints[2] == described["fingerprint"]
    sizes = [(folder / f"checkpoints/{i}.npz").stat().st_size for i in range(3)]
    frozen = sum(weight.nbytes for weight in states(1)[0].layers[0].get_weights())
    assert sizes[0] - sizes[1] > frozen  # the first layer's are not there twice


def test_one_checkpoint_works_and_is_said(run: Path) -> None:
    folder = stored(checkpoints=f"{run}/epoch_9.keras")
    assert same(load(folder)[0], states(2)[1])
    assert "its series has one checkpoint, epoch_9.keras: nothing changes" in " ".join(
        read_description(folder)["notes"]
    )


def test_a_look_stores_the_latest_alone(run: Path) -> None:
    networks.run("mine", ModelSection(checkpoints=f"{run}/*.keras"), Path("artifacts"), latest=True)
    folder = Path("artifacts/models/mine")
    assert [one["name"] for one in read_description(folder)["checkpoints"]] == ["epoch_10"]
    assert same(load(folder)[0], states(3)[2])


def test_weights_alone_with_the_architecture_once(run: Path) -> None:
    for i, one in enumerate(states(3)):
        one.save_weights(run / f"w{i}.weights.h5")
    shutil.copy(run / "epoch_2.keras", "inputs/models/net.keras")
    line = refused(checkpoints=f"{run}/*.weights.h5")
    assert "w0.weights.h5' is weights alone; say once `architecture: …`" in line
    folder = stored(checkpoints=f"{run}/*.weights.h5", architecture="inputs/models/net.keras")
    for i, one in enumerate(states(3)):
        with series.Stored(folder).at(i) as place:
            assert same(load(place)[0], one)


def test_weights_of_another_network_are_refused_by_name(run: Path) -> None:
    shutil.copy(run / "epoch_2.keras", "inputs/models/net.keras")
    states(1)[0].save_weights(run / "w0.weights.h5")
    network(width=5).save_weights(run / "w1.weights.h5")
    line = refused(checkpoints=f"{run}/*.weights.h5", architecture="inputs/models/net.keras")
    assert "w1.weights.h5' is of another architecture" in line
    assert "(3, 3, 3, 5)" in line


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (lambda: network(width=5), "the weights of first have the shapes"),
        (lambda: network(pool=False), "is AveragePooling2D, not MaxPooling2D"),
    ],
)
def test_another_architecture_is_refused_by_name(run: Path, other: Callable[[], Any], why: str) -> None:
    other().save(run / "epoch_5.keras")
    line = refused()
    assert "epoch_5.keras' is of another architecture than 'epoch_2.keras': " in line
    assert why in line


def test_the_same_layers_wired_in_another_way_are_another_architecture(run: Path) -> None:
    for path in run.iterdir():
        path.unlink()
    for i, reads_second in enumerate((True, True, False)):
        keras.backend.clear_session()
        pixels = keras.Input((8, 8, 3))
        one = keras.layers.Conv2D(3, 3, padding="same", name="one")(pixels)
        two = keras.layers.Conv2D(3, 3, padding="same", name="two")(one)
        last = keras.layers.Conv2D(3, 3, padding="same", name="last")(two if reads_second else one)
        keras.Model(pixels, keras.layers.Add()([two, last])).save(run / f"epoch_{i}.keras")
    line = refused()
    assert "epoch_2.keras' is of another architecture than 'epoch_0.keras': its layers read others" in line
    (run / "epoch_2.keras").unlink()
    assert len(series.Stored(stored())) == 2


def test_layers_that_were_frozen_for_a_while_are_the_same_architecture(run: Path) -> None:
    one = network()
    one.layers[0].trainable = False
    one.save(run / "epoch_11.keras")
    assert len(series.Stored(stored())) == 4


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (f"{RUN}/*.h5", "no file matches; expected a folder of cnnviz.FilterWatch, or *.keras files"),
        (f"{RUN}/none.keras", "no such folder, and no file of that name"),
        (f"{RUN}", "has no network.keras, as cnnviz.FilterWatch writes it; of other files give a pattern"),
    ],
)
def test_an_empty_series_is_a_line(run: Path, pattern: str, why: str) -> None:
    assert why in refused(checkpoints=pattern)


def test_files_that_are_cut_off_or_gone_are_named(run: Path) -> None:
    found = series.find(f"{run}/*.keras", None, "here")
    whole = (run / "epoch_9.keras").read_bytes()
    (run / "epoch_9.keras").write_bytes(whole[: len(whole) // 2])
    assert "epoch_9.keras' is no Keras archive" in refused()
    (run / "epoch_9.keras").write_bytes(b"")
    assert "epoch_9.keras' is empty" in refused()
    (run / "epoch_9.keras").unlink()
    with pytest.raises(InputError, match="is not there any more"), series.whole(found[1], "here"):
        pass
    (run / "w.weights.h5").write_bytes(b"\x89HDF cut")
    assert "w.weights.h5' is no whole HDF5 file" in refused(checkpoints=f"{run}/*.weights.h5")


@pytest.fixture
def watched(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As cnnviz.FilterWatch writes it, by hand."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(saved / "watched", RUN)
    return RUN


def test_a_watched_training_is_a_series(watched: Path) -> None:
    folder = stored(checkpoints=str(watched))
    entries = read_description(folder)["checkpoints"]
    assert [(one["epoch"], one["step"], one["logs"]["loss"]) for one in entries] == [
        (0, 0, 1.0),
        (1, 40, 0.75),
        (2, 80, 0.5),
    ]
    for i, one in enumerate(states(3)):
        with series.Stored(folder).at(i) as place:
            assert same(load(place)[0], one)


@pytest.mark.parametrize("pattern", ["*.keras", "*", "1-40.npz"])
def test_files_of_a_watched_training_are_no_series_by_themselves(watched: Path, pattern: str) -> None:
    line = refused(checkpoints=f"{watched}/{pattern}")
    assert line.endswith("is of a watched training; give its folder: inputs/models/run1")


def test_files_of_one_name_are_called_by_their_folders_too(run: Path) -> None:
    for folder in ("a", "b"):
        (run / folder).mkdir()
        shutil.copy(run / "epoch_2.keras", run / folder / "epoch_1.keras")
    found = series.find(f"{run}/**/*.keras", None, "here")
    assert [one.name for one in found] == ["a-epoch_1", "b-epoch_1", "epoch_2", "epoch_9", "epoch_10"]


def test_what_a_watched_training_lost_is_named(watched: Path) -> None:
    kept = {path.name: path.read_bytes() for path in watched.iterdir()}
    (watched / "1-40.npz").write_bytes(kept["1-40.npz"][:300])
    assert "1-40.npz: is no whole checkpoint" in refused(checkpoints=str(watched))
    (watched / "1-40.npz").write_bytes(kept["1-40.npz"])
    (watched / "9-99.npz").write_bytes(kept["1-40.npz"])
    assert "9-99.npz' was kept as 1-40.npz; give its name back, or remove it" in refused(checkpoints=str(watched))
    (watched / "9-99.npz").unlink()
    (watched / "0-0.npz").unlink()
    line = refused(checkpoints=str(watched))
    assert "0-0.npz: not found, 1-40.npz needs it" in line or "0-0.npz: not found, 2-80.npz needs it" in line
    (watched / "0-0.npz").write_bytes(kept["0-0.npz"])
    network(width=5).save(watched / "network.keras")
    assert "is of another architecture than" in refused(checkpoints=str(watched))
    for path in watched.glob("*.npz"):
        path.unlink()
    assert "has no checkpoint yet; train with cnnviz.FilterWatch" in refused(checkpoints=str(watched))


def test_links_out_of_a_weights_file_are_not_followed(run: Path) -> None:
    states(1)[0].save_weights("secret.weights.h5")
    states(1)[0].save_weights(run / "w0.weights.h5")
    with h5py.File(run / "w0.weights.h5", "r+") as file:
        del file["layers/conv2d"]
        file["layers/conv2d"] = h5py.ExternalLink("../../../secret.weights.h5", "layers/conv2d")
    shutil.copy(run / "epoch_2.keras", "inputs/models/net.keras")
    assert "it lacks 'layers/conv2d/vars/0'" in refused(
        checkpoints=f"{run}/*.weights.h5", architecture="inputs/models/net.keras"
    )


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ({"checkpoints": "a", "file": "inputs/models/a.keras"}, "expected exactly one of"),
        ({"checkpoints": ""}, "checkpoints: is empty; expected a path in inputs/models"),
        ({"checkpoints": "runs/mine"}, "checkpoints: 'runs/mine' is not in inputs/models, which DVC watches"),
        ({"checkpoints": "inputs/models/../../etc"}, "is not in inputs/models"),
        ({"file": "inputs/models/a.keras", "formed": 0.5}, "formed: is for a series, beside `checkpoints`"),
        ({"checkpoints": str(RUN), "random_weights": 0}, "random_weights: is for one network"),
        ({"checkpoints": str(RUN), "architecture": "inputs/models/a.h5"}, "expected a .keras file"),
    ],
)
def test_what_a_block_cant_say(section: dict[str, Any], why: str) -> None:
    assert why in "\n".join(ModelSection.model_construct(**section).complaints())


def test_what_matters_to_training_alone_is_no_other_architecture(run: Path) -> None:
    def build(rate: float, **more: Any) -> Any:
        layers = keras.layers
        conv = layers.Conv2D(3, 3, name="first", kernel_regularizer=more.get("regularizer"), dtype=more.get("dtype"))
        inner = layers.Conv2D(2, 3, padding=more.get("padding", "same"), bias_constraint=more.get("constraint"))
        body = [layers.RandomFlip(seed=more.get("seed")), conv, layers.BatchNormalization(momentum=rate)]
        body += [layers.Dropout(rate, seed=more.get("seed")), layers.Activation(more.get("activation", "relu")), inner]
        end = [layers.GlobalAveragePooling2D(), layers.GaussianNoise(rate), layers.Dense(2)]
        return keras.Sequential([keras.Input((12, 12, 3)), *body, *end])

    for path in run.iterdir():
        path.unlink()
    options = {"regularizer": "l2", "dtype": "mixed_bfloat16", "constraint": "non_neg", "seed": 3}
    build(0.5).save(run / "epoch_1.keras")
    build(0.0, **options).save(run / "epoch_2.keras")  # without dropout there is no random generator
    folder = stored()
    for i in range(2):
        with series.Stored(folder).at(i) as place:
            assert load(place)[0].count_params() == build(0.5).count_params()
    build(0.5, activation="elu").save(run / "epoch_3.keras")
    assert "activation of activation" in refused()
    build(0.5, padding="valid").save(run / "epoch_3.keras")
    assert "padding of conv2d" in refused()


def test_brackets_and_stars_in_names_are_themselves(run: Path) -> None:
    for name in ("[a]", "b*?[1]"):
        there = run / name
        there.mkdir()
        shutil.copy(run / "epoch_2.keras", there / "epoch[2].keras")
        for pattern in (f"{there}/*.keras", f"{there}/epoch[2].keras", f"{there.absolute()}/epoch*"):
            assert [one.path.name for one in series.find(pattern, None, "here")] == ["epoch[2].keras"]
        assert len(series.Stored(stored(checkpoints=f"{there}/*.keras"))) == 1
