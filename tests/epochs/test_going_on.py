"""A folder of FilterWatch whose training is stopped, broken off, gone on with; whose files are gone or damaged."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import keras
import pytest

import cnnviz
from cnnviz.networks import series
from tests.epochs.test_watch import IMAGES, LABELS, fit, names, weights

RANKS = (3, 1, 2, 4)  # of epochs: the second is the best one


def network(rate: float = 0.0, activation: str = "relu", frozen: bool = False, side: int = 8) -> Any:
    """With dropout its random generator has another state at every step, which is no part of what it learned."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    body = [layers.Conv2D(2, 3, activation=activation, name="first", trainable=not frozen), layers.Dropout(rate)]
    end = [layers.GlobalAveragePooling2D(), layers.Dense(2, activation="softmax", name="second")]
    model = keras.Sequential([keras.Input((side, side, 3)), *body, *end])
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    return model


def train(model: Any, folder: Path, epochs: int, *others: Any, every: int = 3, **options: Any) -> list[list[Any]]:
    """Returns the weights at the start and after every epoch."""
    states = [model.get_weights()]
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: states.append(model.get_weights()))
    watch = cnnviz.FilterWatch(folder, every=every, steps=options.pop("steps", ()))
    fit(model, watch, epochs, callbacks=[note, *others], **options)
    return states


def same(folder: Path, name: str, state: list[Any]) -> bool:
    return sorted(a.tobytes() for a in weights(folder, name).values()) == sorted(a.tobytes() for a in state)


def stop(epoch: int, batch: int | None = None) -> Any:
    """Breaks a training off, as Ctrl-C does, behind an epoch or in the one after it."""

    def end(at: int, logs: Any = None) -> None:
        if at == (epoch - 1 if batch is None else batch):
            raise KeyboardInterrupt

    return keras.callbacks.LambdaCallback(**{"on_epoch_end" if batch is None else "on_train_batch_end": end})


@pytest.mark.parametrize("first", [True, False])
def test_a_restored_state_has_the_name_of_when_it_was_first_seen(tmp_path: Path, first: bool) -> None:
    model, states = network(rate=0.5), []
    ranks = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(rank=RANKS[epoch]))
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: states.append(model.get_weights()))
    best = keras.callbacks.EarlyStopping("rank", mode="min", patience=9, restore_best_weights=True)
    watch = cnnviz.FilterWatch(tmp_path, every=3, steps=())
    order = [ranks, watch, best, note] if first else [ranks, note, best, watch]
    options = {"batch_size": 4, "verbose": 0, "shuffle": False}
    done = model.fit(IMAGES, LABELS, epochs=4, callbacks=order, **options)
    assert names(tmp_path) == ["0-0", "2-8", "3-12"]
    assert same(tmp_path, "2-8", model.get_weights())
    assert same(tmp_path, "2-8", states[1])
    assert same(tmp_path, "3-12", states[2])
    moment = series.read_moment(tmp_path / "2-8.npz")
    assert moment.logs == pytest.approx({name: values[1] for name, values in done.history.items()})
    model.fit(IMAGES, LABELS, epochs=1, callbacks=[cnnviz.FilterWatch(tmp_path, steps=())], **options)
    assert names(tmp_path) == ["0-0", "2-8", "3-12"]
    assert same(tmp_path, "3-12", model.get_weights())  # it went on from there


def test_what_the_optimizer_makes_of_a_training_in_the_end_is_its_last_state(tmp_path: Path) -> None:
    model = network()
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    model.compile(optimizer, "sparse_categorical_crossentropy", run_eagerly=True)
    states = train(model, tmp_path, 2, every=1)
    assert names(tmp_path) == ["0-0", "1-4", "2-8"]
    assert not same(tmp_path, "2-8", states[2])
    assert same(tmp_path, "2-8", model.get_weights())


def test_a_state_that_nobody_saw_is_none_of_the_series(tmp_path: Path, capsys: Any) -> None:
    model = network()
    strange = keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: model.set_weights([w + 1 for w in model.get_weights()])
    )
    train(model, tmp_path, 2, strange)
    assert names(tmp_path) == ["0-0"]
    assert "left in a state that it had after no epoch" in capsys.readouterr().err


def test_steps_go_on_where_the_epoch_ended_whose_state_was_not_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(model := network(), tmp_path, 9, stop(2))
    assert names(tmp_path) == ["0-0"]
    again = network()
    again.set_weights(model.get_weights())
    train(again, tmp_path, 4, initial_epoch=2)
    assert names(tmp_path) == ["0-0", "2-8", "3-12", "4-16"]
    assert not list(tmp_path.glob("set-aside*"))


def test_a_training_that_was_stopped_by_hand_goes_on(tmp_path: Path) -> None:
    model = network()
    with pytest.raises(KeyboardInterrupt):
        train(model, tmp_path, 9, stop(0, batch=1))
    train(model, tmp_path, 1)
    assert names(tmp_path) == ["0-0", "0-2", "1-6"]


def test_two_folders_of_one_training_go_on_both(tmp_path: Path) -> None:
    model, one, other = network(), tmp_path / "one", tmp_path / "other"
    with pytest.raises(KeyboardInterrupt):
        train(model, one, 9, cnnviz.FilterWatch(other, every=3, steps=()), stop(0, batch=1))
    train(model, one, 1, cnnviz.FilterWatch(other, every=3, steps=()))
    assert names(one) == names(other) == ["0-0", "0-2", "1-6"]


def test_images_of_another_size_are_another_training(tmp_path: Path, capsys: Any) -> None:
    train(small := network(), tmp_path, 1)
    large = network(side=12)
    large.set_weights(small.get_weights())
    watch = cnnviz.FilterWatch(tmp_path, steps=())
    large.fit(keras.random.uniform((4, 12, 12, 3)), LABELS[:4], batch_size=4, verbose=0, callbacks=[watch])
    assert names(tmp_path) == ["0-0", "1-1"]
    assert capsys.readouterr().err.count("files of an earlier training are in") == 1


def test_another_training_of_the_architecture_is_not_gone_on_with(tmp_path: Path, capsys: Any) -> None:
    train(network(), tmp_path, 3, every=1)
    other = network()
    other.set_weights([w + 1 for w in other.get_weights()])
    train(other, tmp_path, 3, every=1, initial_epoch=2)
    assert names(tmp_path) == ["2-0", "3-4"]
    assert {path.name for path in (tmp_path / "set-aside-1").glob("*.npz")} == {
        *("0-0.npz", "1-4.npz", "2-8.npz", "3-12.npz")
    }
    assert capsys.readouterr().err.count("files of an earlier training are in") == 1


def test_one_state_is_one_file(tmp_path: Path) -> None:
    """A step that is the last one of an epoch, at any interval; Keras may make several steps at once."""
    train(network(), tmp_path / "a", 2, steps=(2, 4), every=1)
    assert names(tmp_path / "a") == ["0-0", "0-2", "1-4", "2-8"]
    states = train(network(), tmp_path / "b", 2, steps=(4,))
    assert names(tmp_path / "b") == ["0-0", "1-4", "2-8"]
    assert same(tmp_path / "b", "1-4", states[1])
    assert {path.stem for path in (tmp_path / "b").glob("*.npz")} == set(names(tmp_path / "b"))
    at_once = network()
    at_once.compile("sgd", "sparse_categorical_crossentropy", steps_per_execution=3)
    train(at_once, tmp_path / "c", 1, steps=(2, 4))
    assert names(tmp_path / "c") == ["0-0", "0-3", "1-4"]


def test_what_a_kill_leaves_of_two_files_of_one_state_is_one_checkpoint(tmp_path: Path) -> None:
    train(network(), tmp_path, 1, every=1)
    arrays, before = weights(tmp_path, "1-4"), series.read_moment(tmp_path / "0-0.npz")
    series.see(tmp_path, series.Seen(0, 4, series.state(arrays.values())))
    series.keep(tmp_path, "0-4", arrays, before, series.Moment(0, 4))
    assert names(tmp_path) == ["0-0", "1-4"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b"\x93NUMPY", 200) + 140] ^= 0xFF  # in the numbers of an array
    path.write_bytes(data)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A folder of three epochs, and the weights at its start and after each."""
    folder = tmp_path_factory.mktemp("trained")
    return folder, train(network(), folder, 3, every=1)


def gone_on(trained: tuple[Path, list[Any]], folder: Path, damage: Any, name: str) -> Any:
    """A copy, of which a file is damaged before the training goes on, for an epoch."""
    shutil.copytree(trained[0], folder, dirs_exist_ok=True)
    damage(folder / name)
    model = network()
    model.set_weights(trained[1][3])
    train(model, folder, 1, every=1)
    return model


@pytest.mark.parametrize("damage", [cut, flip, lambda path: path.write_bytes(b""), Path.unlink])
def test_a_damaged_file_costs_its_state_alone(trained: Any, tmp_path: Path, capsys: Any, damage: Any) -> None:
    gone_on(trained, tmp_path, damage, "2-8.npz")
    assert names(tmp_path) == ["0-0", "1-4", "3-12", "4-16"]
    assert all(same(tmp_path, name, trained[1][i]) for name, i in (("0-0", 0), ("1-4", 1), ("3-12", 3)))
    said = capsys.readouterr().err.splitlines()
    if damage is not Path.unlink:
        (line,) = said
        assert line.startswith(f"FilterWatch: {tmp_path}/2-8.npz: is no whole checkpoint")
        assert line.endswith(f"are in {tmp_path}/set-aside-1 now")


@pytest.mark.parametrize("name", ["3-12.npz", "network.keras", "watch.json", "seen.jsonl"])
def test_a_damaged_file_of_where_it_goes_on_is_written_again(trained: Any, tmp_path: Path, name: str) -> None:
    model = gone_on(trained, tmp_path, cut, name)
    assert names(tmp_path) == ["0-0", "1-4", "2-8", "3-12", "4-16"]
    assert same(tmp_path, "3-12", trained[1][3])
    with series.whole(series.kept_in(tmp_path, "here")[-1], "here") as path:
        assert keras.models.load_model(path, compile=False).count_params() == model.count_params()


def test_what_needs_a_damaged_file_is_lost_with_it_and_no_more(tmp_path: Path, capsys: Any) -> None:
    """The second state changes one array, the third all others: it needs the second, which needs the first."""
    model = network()
    train(model, tmp_path, 1, every=1)
    before = series.read_moment(tmp_path / "1-4.npz")
    some = model.get_layer("first").kernel
    for i in (2, 3):
        for weight in model.weights:
            if (weight is some) == (i == 2):
                weight.assign(weight + 1)
        model.save_weights(tmp_path / "now.weights.h5")
        arrays = series.from_weights(tmp_path / "now.weights.h5")
        series.see(tmp_path, series.Seen(i, 4 * i, series.state(arrays.values())))
        before = series.keep(tmp_path, f"{i}-{4 * i}", arrays, before, series.Moment(i, 4 * i))
    cut(tmp_path / "1-4.npz")
    state = model.get_weights()
    train(model, tmp_path, 1, every=1)
    assert names(tmp_path) == ["0-0", "3-12", "4-16"]
    assert same(tmp_path, "3-12", state)
    (line,) = capsys.readouterr().err.splitlines()
    assert "1-4.npz" in line
    assert "2 files, with those that need such a one, are in" in line


def test_a_folder_that_is_removed_meanwhile_is_begun_again(tmp_path: Path) -> None:
    model, folder = network(), tmp_path / "run"

    def remove(epoch: int, logs: Any = None) -> None:
        if epoch == 2:
            shutil.rmtree(folder)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        states = train(model, folder, 4, keras.callbacks.LambdaCallback(on_epoch_begin=remove), every=1)
    (line,) = [str(one.message) for one in said if "FilterWatch" in str(one.message)]
    assert "its files are gone" in line
    assert names(folder) == ["3-12", "4-16"]
    assert same(folder, "4-16", states[4])
    train(model, folder, 1, every=1)
    assert names(folder) == ["3-12", "4-16", "5-20"]


def test_a_file_that_is_removed_meanwhile_costs_what_needs_it(tmp_path: Path) -> None:
    model = network(frozen=True)
    remove = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: (tmp_path / "0-0.npz").unlink() if epoch == 1 else None
    )
    with pytest.warns(UserWarning, match="its files are gone"):
        states = train(model, tmp_path, 3, remove, every=1)
    found, _ = series.whole_in(tmp_path)
    assert [one.path.stem for one in found] == ["2-8", "3-12"]
    assert same(tmp_path, "3-12", states[3])


def test_another_activation_is_another_network(tmp_path: Path) -> None:
    train(network(0.5), tmp_path, 1)
    train(network(0.1), tmp_path, 1)
    assert not list(tmp_path.glob("set-aside-1/network.keras"))  # begun again: the same network
    train(network(0.1, activation="tanh"), tmp_path, 1)
    assert (tmp_path / "set-aside-2/network.keras").is_file()
    assert keras.models.load_model(tmp_path / "network.keras").get_layer("first").activation.__name__ == "tanh"
