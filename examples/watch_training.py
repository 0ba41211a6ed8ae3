"""Watch the filters of a small network being born: docs/epochs.md walks through it, watch_training.ipynb shows it.

    python -m examples.watch_training                     # about a minute on two cores
    python -m examples.watch_training --folder inputs/models/watched --epochs 20

The network learns to tell by how many quarter turns a crop of a photograph was rotated (Gidaris, Singh, Komodakis, ICLR
2018): no labels are needed, and twenty photographs give as many crops as one wants. Four photographs are kept for
validation. What so few can show are first layers; deeper ones learn these twenty by heart.
"""

import argparse
import time
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import cnnviz

SIDE, TURNS = 32, ("upright", "a quarter left", "upside down", "a quarter right")
SMALLEST = 64  # pixels of a photograph that a crop shows, at least
HELD_OUT = 4  # photographs
LAYERS = {"first": range(8), "second": range(8)}


def crops(photos: list[NDArray], count: int, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Random squares of random photographs, turned: float32 `(count, 32, 32, 3)` in -1..1, and by how many quarters."""
    images, turns = np.zeros((count, SIDE, SIDE, 3), np.float32), rng.integers(0, len(TURNS), count)
    for i, turn in enumerate(turns):
        photo = photos[rng.integers(len(photos))]
        side = int(rng.integers(SMALLEST, min(photo.shape[:2]) + 1))
        top, left = (int(rng.integers(most - side + 1)) for most in photo.shape[:2])
        small = Image.fromarray(photo[top : top + side, left : left + side]).resize((SIDE, SIDE))
        images[i] = np.rot90(np.asarray(small, np.float32) / 127.5 - 1, turn)
    return images, turns


def network() -> keras.Model:
    """Three convolutions and a classifier of four turns, compiled."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((SIDE, SIDE, 3))])
    for name, filters, side in (("first", 16, 5), ("second", 24, 3), ("third", 32, 3)):
        model.add(layers.Conv2D(filters, side, padding="same", use_bias=False, name=name))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(len(TURNS), activation="softmax", name="turn"))
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(folder: Path, epochs: int = 10, count: int = 4000, steps: tuple[int, ...] = (20,)) -> dict[str, float]:
    """Train it, watched. Returns accuracies, seconds of training and of watching, and the folder's size in bytes."""
    keras.utils.set_random_seed(0)
    bundled = cnnviz.bundled_images("imagenet")
    photos, rng = [bundled.content.image(i) for i in range(len(bundled))], np.random.default_rng(0)
    learned, held_out = (
        crops(photos[:-HELD_OUT], count, rng),
        crops(photos[-HELD_OUT:], count // 5, rng),
    )
    watch = cnnviz.FilterWatch(folder, steps=steps, preprocessing="tf")
    started = time.perf_counter()
    options = {"epochs": epochs, "batch_size": 64, "verbose": 0, "callbacks": [watch]}
    done = network().fit(*learned, validation_data=held_out, **options).history
    return {
        "accuracy": done["accuracy"][-1],
        "val_accuracy": done["val_accuracy"][-1],
        "seconds": time.perf_counter() - started,
        "watching": watch.seconds,
        "bytes": sum(file.stat().st_size for file in folder.glob("*.npz")),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/watched"), help="of the checkpoints")
    parser.add_argument("--epochs", type=int, default=10)
    given = parser.parse_args()
    found = train(given.folder, given.epochs)
    share = found["watching"] / (found["seconds"] - found["watching"])
    print(
        f"{found['seconds']:.1f} s of training, turns told right: {found['accuracy']:.0%}, of other photographs "
        f"{found['val_accuracy']:.0%} (by chance 25%)\nFilterWatch: {found['watching']:.2f} s of it ({share:.1%}), "
        f"{found['watching'] / given.epochs:.3f} s and {found['bytes'] / given.epochs / 1e3:.0f} kB per epoch"
    )
    for layer, filters in LAYERS.items():
        life = cnnviz.life(given.folder, layer, filters, preprocessing="tf")
        place = given.folder / f"{layer}.png"
        life.picture().save(place)
        print(f"{life!r}: {place}")
    print(f"as a site: python -m cnnviz.add {given.folder}, then: make repro")


if __name__ == "__main__":
    main()
