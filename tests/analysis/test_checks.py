"""Notes on maps that never change, and on a preprocessing that is likely wrong: said where they are due, only there."""

from typing import Any

import keras
import numpy as np
import pytest

from cnnviz.analysis import checks, observe, watching
from cnnviz.analysis.predictions import trial
from cnnviz.analysis.predictions.outputs import Predictions
from cnnviz.images.sets import ImageSet
from cnnviz.networks import graph, head, preprocess

LAYERS = keras.layers
SIZE = (12, 12)


def image_set(labels: list[int], pixels: np.ndarray, class_names: list[str]) -> ImageSet:
    n = len(labels)
    names = np.array([str(i) for i in range(n)])
    sizes = np.full((n, 2), 12, np.int32)
    return ImageSet(pixels, sizes, np.array(labels, np.int32), names, np.array(class_names))


@pytest.fixture
def photos(rng: np.random.Generator) -> ImageSet:
    return image_set([0] * 6, rng.integers(0, 256, (6, 12, 12, 3)).astype(np.uint8), [])


def noted(network: Any, spec: dict[str, Any], photos: ImageSet) -> list[str]:
    observer = observe.Observer(network, {"input_shape": [12, 12, 3], "preprocessing": spec})
    found, _ = watching.watch(observer, {"photos": photos}, (*SIZE, 3), watching.Amounts(3, 4, 6), lambda n: None)
    return checks.notes(found, observer.convs)


def convolutions(*layers: Any) -> Any:
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((12, 12, 3)), *layers])


def test_no_note_on_an_ordinary_network(raw: dict[str, Any], photos: ImageSet) -> None:
    unit = {**raw, "scale": [1 / 255] * 3}
    network = convolutions(
        LAYERS.Conv2D(6, 3, activation="relu"), LAYERS.Conv2D(6, 3, activation="sigmoid"), LAYERS.Conv2D(4, 3)
    )
    assert noted(network, unit, photos) == []


def test_maps_that_never_change_are_above_0_or_saturated(raw: dict[str, Any], photos: ImageSet) -> None:
    bias = keras.initializers.Constant
    tiny = {**raw, "scale": [1e-8] * 3}
    still = convolutions(
        LAYERS.Conv2D(6, 3, bias_initializer=bias(0.5), name="first"), LAYERS.Conv2D(4, 3, name="next")
    )
    assert noted(still, tiny, photos) == ["maps of first, next are the same on all images: check the preprocessing"]
    dead = convolutions(LAYERS.Conv2D(6, 3, activation="relu", bias_initializer=bias(-1e4), name="off"))
    assert noted(dead, raw, photos) == ["no filter of off is ever above 0 on any image: check the preprocessing"]
    full = convolutions(LAYERS.Conv2D(6, 3, activation="tanh", kernel_initializer=bias(1.0), name="full"))
    assert noted(full, raw, photos) == ["maps of full are saturated on all images: check the preprocessing"]
    assert noted(full, {**raw, "scale": [1e-4] * 3}, photos) == []


def test_weights_that_are_no_numbers_are_named(raw: dict[str, Any], photos: ImageSet) -> None:
    network = convolutions(LAYERS.Conv2D(2, 3, name="broken"))
    network.set_weights([w * np.nan for w in network.get_weights()])
    assert noted(network, raw, photos) == ["maps of broken hold NaN or infinity: look for such weights or statistics"]


def brightness(scale: float) -> Any:
    """A classifier of red, green and blue images whose bias makes it answer red where images are scaled otherwise."""
    network = convolutions(LAYERS.Conv2D(3, 1, name="see"), LAYERS.GlobalAveragePooling2D(), LAYERS.Softmax())
    network.get_layer("see").set_weights([np.eye(3)[None, None] * 40 * scale, np.array([10.0, 0, 0])])
    return network


@pytest.fixture
def colours(rng: np.random.Generator) -> ImageSet:
    labels = [i % 3 for i in range(30)]
    pixels = np.zeros((30, 12, 12, 3), np.uint8)
    pixels[np.arange(30), :, :, labels] = rng.integers(200, 255, (30, 12, 12))
    return image_set(labels, pixels, ["r", "g", "b"])


def proposed(network: Any, spec: dict[str, Any], one: ImageSet, keep: int = 30) -> str | None:
    traced = graph.trace(network, (12, 12, 3))
    found = head.find(traced, ["r", "g", "b"])
    images = one.images.astype("float32")
    logits = keras.Model(traced.input, found.scores)(preprocess(images, spec)).numpy()
    true = np.where(np.arange(30) < keep, one.labels, -1).astype(np.int32)
    said = Predictions(logits, found.probabilities(logits), true, logits)
    return trial.likelier(traced, found, spec, {"colours": said}, lambda name, i: images[list(i)])


def test_the_preprocessing_that_names_the_images_is_proposed(raw: dict[str, Any], colours: ImageSet) -> None:
    unit = {**raw, "name": "unit", "scale": [1 / 255] * 3}
    said = proposed(brightness(1 / 255), unit, colours)
    assert said is not None
    assert "with the preprocessing unit it names 10 of 30 labelled images right, no more than by chance, and 30" in said
    assert "30 with preprocessing: raw: write that" in said
    assert proposed(brightness(1 / 255), raw, colours) is None
    assert proposed(brightness(1 / 255), unit, colours, keep=19) is None  # too few to tell


def test_the_other_order_of_channels_is_proposed(raw: dict[str, Any], colours: ImageSet) -> None:
    unit = {**raw, "name": "unit", "scale": [1 / 255] * 3}
    turned = brightness(1.0)
    kernel, bias = turned.get_layer("see").get_weights()
    turned.get_layer("see").set_weights([kernel[:, :, ::-1], bias * 0])
    said = proposed(turned, unit, colours)
    assert said is not None
    assert "30 with the same in the other order of channels" in said


def test_a_network_that_is_no_good_whatever_it_is_fed_gets_no_advice(raw: dict[str, Any], colours: ImageSet) -> None:
    useless = brightness(0.0)
    assert proposed(useless, raw, colours) is None
