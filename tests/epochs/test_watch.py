"""FilterWatch on real trainings: what it keeps, where it goes on, and that it stops none."""

import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import cnnviz
from cnnviz.errors import InputError
from cnnviz.networks import series

IMAGES = np.random.default_rng(0).uniform(0, 1, (16, 8, 8, 3)).astype("float32")
LABELS = np.arange(16) % 2


def network(frozen: bool = False, dtype: str | None = None, width: int = 3) -> Any:
    keras.utils.set_random_seed(1)
    layers = [
        keras.layers.Conv2D(width, 3, activation="relu", name="first", trainable=not frozen, dtype=dtype),
        keras.layers.BatchNormalization(name="norm", dtype=dtype),
        keras.layers.Conv2D(4, 3, activation="relu", name="second", dtype=dtype),
        keras.layers.GlobalAveragePooling2D(dtype=dtype),
        keras.layers.Dense(2, activation="softmax", dtype="float32"),
    ]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    # eagerly: tracing takes longer than so few steps
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    return model


def fit(model: Any, watch: Any, epochs: int, **options: Any) -> Any:
    others = options.pop("callbacks", [])
    return model.fit(
        IMAGES, LABELS, epochs=epochs, batch_size=4, verbose=0, callbacks=[watch, *others], shuffle=False, **options
    )


def names(folder: Path) -> list[str]:
    return [one.path.stem for one in series.kept_in(folder, "here")]


def weights(folder: Path, name: str) -> dict[str, Any]:
    path = folder / f"{name}.npz"
    return series.read_arrays(folder, series.read_moment(path), path.name)


def test_it_keeps_the_start_the_first_steps_and_every_epoch(tmp_path: Path) -> None:
    model, watch = network(), cnnviz.FilterWatch(tmp_path / "run", steps=(1, 2, 6))
    started, states = time.perf_counter(), [model.get_weights()]
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: states.append(model.get_weights()))
    done = fit(model, watch, 3, callbacks=[note])
    assert 0 < watch.seconds < time.perf_counter() - started
    assert names(tmp_path / "run") == ["0-0", "0-1", "0-2", "1-4", "1-6", "2-8", "3-12"]
    moment = series.read_moment(tmp_path / "run/2-8.npz")
    assert (moment.epoch, moment.step) == (2, 8)
    assert moment.logs == pytest.approx({name: values[1] for name, values in done.history.items()})
    for name, state in zip(("0-0", "1-4", "2-8", "3-12"), states, strict=True):
        there = sorted(array.tobytes() for array in weights(tmp_path / "run", name).values())
        assert there == sorted(array.tobytes() for array in state)
    assert sorted(p.name for p in (tmp_path / "run").iterdir() if p.name.startswith(".")) == []


def test_only_what_changed_is_written_again(tmp_path: Path) -> None:
    fit(network(frozen=True), cnnviz.FilterWatch(tmp_path, steps=()), 2)
    last = series.read_moment(tmp_path / "2-8.npz")
    of = {file for name, (file, _) in last.stands.items() if "conv2d/" in name}
    assert of == {"0-0.npz"}  # the first layer's
    assert {file for name, (file, _) in last.stands.items() if "conv2d_1/" in name} == {"2-8.npz"}


def test_the_last_state_is_kept_whatever_the_interval(tmp_path: Path) -> None:
    fit(network(), cnnviz.FilterWatch(tmp_path, every=3, steps=()), 4)
    assert names(tmp_path) == ["0-0", "3-12", "4-16"]


def test_it_goes_on_where_the_training_does(tmp_path: Path) -> None:
    model, watch = network(), cnnviz.FilterWatch(tmp_path, steps=(1,))
    fit(model, watch, 2)
    fit(model, watch, 2)  # as in a notebook, without initial_epoch
    fit(model, cnnviz.FilterWatch(tmp_path, steps=(1,)), 5, initial_epoch=4)
    assert names(tmp_path) == ["0-0", "0-1", "1-4", "2-8", "3-12", "4-16", "5-20"]
    assert not list(tmp_path.glob("set-aside*"))


def test_a_restart_behind_a_state_makes_the_later_ones_again(tmp_path: Path, capsys: Any) -> None:
    model = network()
    keep = keras.callbacks.ModelCheckpoint(str(tmp_path / "kept-{epoch}.keras"))
    fit(model, cnnviz.FilterWatch(tmp_path / "run", steps=()), 3, callbacks=[keep])
    again = keras.models.load_model(tmp_path / "kept-2.keras")
    fit(again, cnnviz.FilterWatch(tmp_path / "run", steps=()), 4, initial_epoch=2)
    assert names(tmp_path / "run") == ["0-0", "1-4", "2-8", "3-12", "4-16"]
    assert sorted(path.name for path in (tmp_path / "run/set-aside-1").iterdir()) == ["3-12.npz", "seen.jsonl"]
    assert "1 files of an earlier training" in capsys.readouterr().err
    other = network()
    other.set_weights([w + 1 for w in other.get_weights()])
    fit(other, cnnviz.FilterWatch(tmp_path / "run", steps=()), 1)  # another training
    assert names(tmp_path / "run") == ["0-0", "1-4"]
    others = {"network.keras", "seen.jsonl", "watch.json"}
    assert len(list((tmp_path / "run/set-aside-2").iterdir())) == 5 + len(others)


def test_another_architecture_in_the_folder_is_set_aside(tmp_path: Path) -> None:
    fit(network(), cnnviz.FilterWatch(tmp_path, steps=()), 1)
    fit(network(width=5), cnnviz.FilterWatch(tmp_path, steps=()), 1)
    assert names(tmp_path) == ["0-0", "1-4"]
    assert weights(tmp_path, "0-0")["layers/conv2d/vars/0"].shape == (3, 3, 3, 5)


def test_early_stopping_and_mixed_precision(tmp_path: Path) -> None:
    model = network(dtype="mixed_bfloat16")
    stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=100.0, restore_best_weights=True)
    fit(model, cnnviz.FilterWatch(tmp_path, steps=(), every=1), 9, callbacks=[stop])
    assert names(tmp_path) == ["0-0", "1-4", "2-8"]
    assert {array.dtype.name for array in weights(tmp_path, "2-8").values()} == {"float32"}


def test_a_network_that_is_built_by_its_first_images(tmp_path: Path) -> None:
    model = keras.Sequential([keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(IMAGES, np.zeros((16, 2)), verbose=0, batch_size=4, callbacks=[cnnviz.FilterWatch(tmp_path, steps=(2,))])
    assert names(tmp_path) == ["0-1", "0-2", "1-4"]


def test_what_fails_is_said_once_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder would be")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        done = fit(network(), cnnviz.FilterWatch(tmp_path / "taken"), 2)
    ours = [str(one.message) for one in said if "FilterWatch" in str(one.message)]
    assert len(ours) == 1
    assert "taken" in ours[0]
    assert ours[0].endswith("; the training goes on")
    assert len(done.history["loss"]) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(network(), cnnviz.FilterWatch(tmp_path / "taken"), 1)


@pytest.mark.parametrize(
    "options",
    [
        {"every": 0},
        {"every": True},
        {"every": 1.5},
        {"steps": (0,)},
        {"steps": ("a",)},
        {"steps": 5},
        {"strip_steps": 0},
    ],
)
def test_what_cant_be_meant_is_refused_before_the_training(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"expected whole numbers(, 1 or more| in a list)"):
        cnnviz.FilterWatch("run", **options)


@pytest.mark.parametrize("folder", [None, "", 3])
def test_what_is_no_folder_is_refused_too(folder: Any) -> None:
    with pytest.raises(InputError, match=r"FilterWatch: folder: .* expected the path of a folder"):
        cnnviz.FilterWatch(folder)


KILLED = """
import sys
from tests.epochs.test_watch import fit, network
import cnnviz, keras, os
folder = sys.argv[1]
slow = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, flush=True))
fit(network(), cnnviz.FilterWatch(folder, steps=range(1, 10_000)), 10_000, callbacks=[slow])
"""


@pytest.mark.pipeline
def test_a_kill_leaves_a_series_that_can_be_used(tmp_path: Path) -> None:
    """Killed while it writes a file at every step; then another one goes on in the folder."""
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        for _ in range(2):
            process.stdout.readline()
        time.sleep(np.random.default_rng().uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
    kept = series.kept_in(tmp_path, "here")
    assert len(kept) >= 8
    for one in (kept[len(kept) // 2], kept[-1]):
        with series.whole(one, "here") as path:
            assert keras.models.load_model(path, compile=False).count_params() == network().count_params()
    arrays = weights(tmp_path, kept[-1].path.stem)
    assert all(np.isfinite(array).all() for array in arrays.values())
    before = len(kept)
    with series.whole(kept[-1], "here") as path:
        model = keras.models.load_model(path, compile=False)
    model.compile("adam", "sparse_categorical_crossentropy")
    fit(model, cnnviz.FilterWatch(tmp_path, steps=()), 1)
    assert len(series.kept_in(tmp_path, "here")) == before + 1
