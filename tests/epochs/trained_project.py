"""A whole project in small around two trainings, as a user would make it: watched, added, every stage for real.

`python -m tests.epochs.trained_project <folder>` writes it.
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests import every_stage, plain_yaml

SIDE, CLASSES = 16, ("dark", "light")
EPOCHS = {"mine": 2, "other": 1}
PARAMS: dict[str, Any] = {
    "random_seed": 0,
    "images": {"sets": {"tones": {"folder": "inputs/images/tones"}}},
    "models": {},
    "weights": {},
    "feature_maps": {"images": [0]},
    "analyze": {"batch": 8, "mistakes": 1, "doubtful": 1, "silenced_images": 0, "altered": {"images": 0}},
    "enlarge": {},
    "judge": {},
    "compare": {},
    "fixed_filters": {"set": "tones", "images": 2, "kernels": {"edge": [[-1, 0, 1]] * 3}},
    "maximize": {"steps": 10, "snapshots": [10], "stability_steps": 0, "max_size": 24, "from_patches": 0},
}


def write_images(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Four of each class; returns them as the networks are trained with them."""
    draw, found, labels = np.random.default_rng(0), [], []
    for label, (name, low, high) in enumerate((("dark", 0, 140), ("light", 110, 255))):
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        for i in range(4):
            pixels = draw.integers(low, high, (SIDE, SIDE, 3), np.uint8)
            Image.fromarray(pixels).save(place / f"{i}.png")
            found.append(pixels)
            labels.append(label)
    return np.stack(found).astype("float32") / 255, np.array(labels)


def network(seed: int) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(5, 3, padding="same", activation="relu", name="first"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True
    )
    return model


def main(folder: Path) -> None:
    os.chdir(folder)
    images, labels = write_images(Path("inputs/images/tones"))
    Path("params.yaml").write_text(plain_yaml.dump(PARAMS))
    Path("inputs/notes.yaml").write_text("{}\n")
    import cnnviz
    from cnnviz import add

    for seed, name in enumerate(EPOCHS):
        watch = cnnviz.FilterWatch(f"runs/{name}", steps=(1,))
        network(seed).fit(images, labels, epochs=EPOCHS[name], batch_size=4, verbose=0, callbacks=[watch])
        (Path("runs") / name / "class_names.txt").write_text("\n".join(CLASSES))
        assert add.add(Path("runs") / name) == name
    every_stage.main()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
