"""Filters of a series in a notebook: all from one noise, in the order that people count."""

from pathlib import Path

import keras
import numpy as np
import pytest

import cnnviz
from cnnviz.errors import InputError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Filter 0 is the same at all checkpoints, filter 1 another one at the last."""
    for name in ("epoch_2", "epoch_9", "epoch_10"):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(2, 3, activation="relu", name="conv")])
        kernel, bias = model.get_weights()
        kernel[..., 1] *= -1 if name == "epoch_10" else 1
        model.set_weights([kernel, bias + 0.1])
        model.save(tmp_path / f"{name}.keras")
    return tmp_path


@pytest.mark.pipeline
def test_pictures_differ_where_weights_do_and_only_there(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)  # patterns are of the working folder
    with pytest.warns(UserWarning, match=r"epoch_9\.keras has the weights of epoch_2\.keras"):
        life = cnnviz.life("*.keras", "conv", [0, 1], preprocessing="unit", steps=6)
    assert life.checkpoints == ["epoch_2", "epoch_9", "epoch_10"]
    assert life.images.shape[:2] == (2, 3)
    same = (life.images[:, :1] == life.images).all((2, 3, 4))
    assert same.tolist() == [[True, True, True], [True, True, False]]
    assert life.of(1).images.shape[:2] == (1, 3)
    assert repr(life).startswith("<2 filters of conv at 3 checkpoints")
    assert np.asarray(life.picture()).shape[2] == 3


@pytest.mark.pipeline
def test_layers_that_keras_counted_on_are_the_same_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built twice in one session, a layer is conv2d and then conv2d_1: of one series for all that."""
    monkeypatch.chdir(tmp_path)
    for name in ("conv2d", "conv2d_1"):
        keras.utils.set_random_seed(1)
        body = [keras.layers.Normalization(name=f"{name}_norm", mean=[0.4] * 3, variance=[0.2] * 3)]
        body.append(keras.layers.Conv2D(2, 3, activation="relu", name=name, bias_initializer="ones"))
        keras.Sequential([keras.Input((16, 16, 3)), *body]).save(f"{name}.keras")
    with pytest.warns(UserWarning, match=r"conv2d_1\.keras has the weights of conv2d\.keras"):
        life = cnnviz.life("*.keras", "conv2d", [0, 1], preprocessing="unit", steps=4)
    assert (life.images[:, 0] == life.images[:, 1]).all()
    alone = cnnviz.life("conv2d_1.keras", "conv2d_1", [0, 1], preprocessing="unit", steps=4)
    assert (alone.images[:, 0] == life.images[:, 0]).all()  # from the same noise, whatever the layer is called
    assert (life.images[0] != life.images[1]).any()


def test_what_is_not_there_is_a_line(run: Path) -> None:
    with pytest.raises(InputError, match=r"checkpoints: .* has no network\.keras"):
        cnnviz.life(run, "conv", [0], preprocessing="unit")


def test_another_architecture_among_them_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(3, 3, name="conv")]).save("epoch_1.keras")
    with pytest.raises(InputError, match=r"^checkpoints: 'epoch_2\.keras' is of another architecture than 'epoch_1"):
        cnnviz.life("*.keras", "conv", [0], preprocessing="unit", steps=1)


def test_another_size_of_images_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    larger = keras.Sequential([keras.Input((24, 24, 3)), keras.layers.Conv2D(2, 3, activation="relu", name="conv")])
    larger.save("epoch_11.keras")
    with pytest.raises(InputError, match=r"^checkpoints: 'epoch_11\.keras' is of .*: size .* \[24, 24, 3\], not"):
        cnnviz.life("*.keras", "conv", [0], preprocessing="unit", steps=1)
