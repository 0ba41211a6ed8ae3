"""A folder with networks and images as the pipeline stores them, from `make repro` or seeded: no network is needed.

Random weights and images take as long as others. What is missing of a given folder `artifacts` is made here.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from benchmarks.card.rows import part
from cnnviz import device
from cnnviz.files import npz, use_defaults, write_json
from cnnviz.images import ImageSet, sets
from cnnviz.networks import scaling, store

VGG16, SMALL = "vgg16", "cifar10-cnn"
CLASSES = [f"class {k}" for k in range(10)]
PARTS = 5_000  # images made at a time


def networks() -> dict[str, tuple[keras.Model, str]]:
    """VGG16 without its head and the form of the catalogue's network for CIFAR-10, with random weights of He's scale;
    each with the name of its preprocessing.
    """
    layers = keras.layers
    inputs = x = keras.Input((32, 32, 3))
    for filters, pool in ((64, 1), (64, 2), (128, 1), (128, 2), (64, 1), (64, 1)):
        x = layers.BatchNormalization()(layers.Conv2D(filters, 3, activation="relu")(x))
        x = layers.MaxPooling2D(pool)(x) if pool > 1 else x
    x = layers.Flatten()(x)
    for units in (1024, 512):
        x = layers.Dense(units, activation="relu")(x)
    small = keras.Model(inputs, layers.Dense(len(CLASSES), activation="softmax")(x))
    vgg16 = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3), name=VGG16)
    for network in (vgg16, small):
        rng = np.random.default_rng(0)
        for layer in network.layers:
            if isinstance(layer, (layers.Conv2D, layers.Dense)):
                kernel, bias = layer.get_weights()
                scale = np.sqrt(2 / np.prod(kernel.shape[:-1]))
                layer.set_weights([rng.normal(0, scale, kernel.shape), rng.normal(0, 0.01, bias.shape)])
    return {VGG16: (vgg16, "caffe"), SMALL: (small, "raw")}


def images(count: int, size: int, seed: int) -> ImageSet:
    """Noise with the spectrum of photographs, 1/f, uint8 `(count, size, size, 3)`, with random labels."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    made = np.empty((count, size, size, 3), np.uint8)
    for start in range(0, count, PARTS):
        some = min(PARTS, count - start)
        spectra = np.fft.rfft2(rng.normal(size=(some, 3, size, size))) / np.maximum(frequency, 1 / size)
        planes = np.fft.irfft2(spectra, s=(size, size)).transpose(0, 2, 3, 1)
        planes = planes / planes.std(axis=(1, 2, 3), keepdims=True)
        made[start : start + some] = np.clip(128 + 50 * planes, 0, 255)
    sizes, names = np.full((count, 2), size, np.int32), np.array([f"{i:05d}" for i in range(count)])
    return ImageSet(made, sizes, rng.integers(0, len(CLASSES), count).astype(np.int32), names, np.array(CLASSES))


def store_images(artifacts: Path, known: dict[str, ImageSet]) -> None:
    about = {}
    for name, one in known.items():
        (artifacts / "images").mkdir(parents=True, exist_ok=True)
        npz.write(artifacts / "images" / f"{name}.npz", one.arrays(), compress=False)
        about[name] = {"source": "folder", "origin": "", "license": "", "sha256": one.digest(), "count": len(one)}
        about[name] |= {"channels": 3, "notes": []}
    write_json(artifacts / "images" / "images.json", about)


def weights(network: keras.Model) -> dict[str, NDArray[np.float32]]:
    """Kernels and biases of the conv layers, for those that build the network themselves."""
    found = {}
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D):
            found[f"{layer.name}/kernel"], found[f"{layer.name}/bias"] = layer.get_weights()
    return found


def prepare(folder: str, given: str, many: int) -> Iterator[dict[str, Any]]:
    """Write `<folder>/artifacts` and, with `many` images of CIFAR's size, `<folder>/many/artifacts`."""
    use_defaults()
    yield {"device": str(device.here())}
    out, source = Path(folder), Path(given) if given else None
    seeded = []
    for key, (network, how) in networks().items():
        stored = out / "artifacts" / "models" / key
        stored.mkdir(parents=True)
        if source and (source / "models" / key / store.WEIGHTS).is_file():
            shutil.copytree(source / "models" / key, stored, dirs_exist_ok=True)
            continue
        seeded.append(key)
        shape = tuple(network.input_shape[1:])
        about = ("random weights, seed 0", "file", "here", "none", "nothing")
        names = CLASSES if key == SMALL else []
        store.save(key, store.Loaded(network, *about, shape, scaling(how, 3), names), stored)
    np.savez(out / "weights.npz", **weights(store.load(out / "artifacts" / "models" / VGG16)[0]))
    known = {}
    for name, size in (("imagenet", 224), ("cifar10", 32)):
        path = source / "images" / f"{name}.npz" if source else None
        known[name] = sets.load_set(path) if path and path.is_file() else images(20, size, 1)
        seeded += [] if path and path.is_file() else [name]
    store_images(out / "artifacts", known)
    store_images(out / "many" / "artifacts", {"cifar10": images(many, 32, 2)})
    for shared in ("models", "maximize"):  # the networks, and pictures to come
        (out / "many" / "artifacts" / shared).symlink_to(out / "artifacts" / shared)
    yield {"seeded": seeded, "many": many}


if __name__ == "__main__":
    part(prepare)
