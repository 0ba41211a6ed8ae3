"""A whole project in small: two networks of one architecture and a nested one, 16 images, every stage for real.

`python -m tests.site_project <folder>` writes it; tests of the site look at what comes out.
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests import every_stage, plain_yaml

SIZE, CLASSES, EACH = 24, ("ring", "stripes"), 4
RENDERED = {"first": [0, 1, 2, 3, 4, 5], "second": 4}
PARAMS: dict[str, Any] = {
    "random_seed": 0,
    "images": {
        "sets": {
            "shapes": {"folder": "inputs/images/shapes", "count": 8},
            "noise": {"folder": "inputs/images/noise", "count": 6},
        }
    },
    "models": {
        key: {
            "file": f"inputs/models/{key}.keras",
            "input_size": SIZE,
            "preprocessing": "unit",
            "class_names": list(CLASSES),
            **more,
        }
        for key, more in (
            ("before", {"channels": 4, "layers": RENDERED, "objectives": {"ring": "logit(0)"}}),
            ("after", {"channels": 4, "layers": RENDERED}),
            ("nested", {"channels": 2, "layers": {"inner_conv": 3}}),
        )
    },
    "weights": {},
    "feature_maps": {"images": [0, 5]},
    "analyze": {"mistakes": 1, "doubtful": 1},
    "enlarge": {"after": {"second": {0: 40}}},
    "judge": {},
    "compare": {},
    "fixed_filters": {
        "set": "shapes",
        "images": 2,
        "kernels": {"edge": [[-1, 0, 1]] * 3},
        "borrowed": {"model": "before", "layer": "first", "filters": [0]},
    },
    "maximize": {
        "steps": 12,
        "snapshots": [1, 10, 12],
        "stability_steps": 2,
        "negatives": True,
        "variants": 2,
    },
}


NOTES = {"before": {"first": {2: "<b>likes</b> round & bright things"}, "third": {1: "a note alone"}}}


def images(folder: Path) -> None:
    draw = np.random.default_rng(0)
    y, x = np.mgrid[0:40, 0:48]
    for i in range(EACH):
        far = np.hypot(y - draw.uniform(12, 28), x - draw.uniform(14, 34))
        tone = draw.uniform(0.3, 1, 3)
        for name, shape in (("ring", np.abs(far - 9) < 3), ("stripes", np.sin(x / (1.5 + i) + i) > 0)):
            path = folder / "shapes" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((shape[..., None] * tone * 255).astype(np.uint8)).save(path)
    (folder / "noise").mkdir()
    for i in range(6):
        pixels = draw.integers(0, 255, (30 + i, 30, 3), np.uint8)  # no classes, several sizes
        Image.fromarray(pixels).save(folder / "noise" / f"{i}.png")


def _models(folder: Path) -> None:
    import keras

    folder.mkdir(parents=True)
    layers = keras.layers

    def plain() -> Any:
        inputs = keras.Input((SIZE, SIZE, 3))
        x = layers.Conv2D(6, 3, padding="same", activation="relu", name="first")(inputs)
        x = layers.MaxPooling2D(2)(x)
        y = layers.Conv2D(8, 3, padding="same", activation="relu", name="second")(x)
        z = layers.Conv2D(8, 1, name="third")(y)
        x = layers.GlobalAveragePooling2D()(layers.Add()([y, z]))
        return keras.Model(inputs, layers.Dense(len(CLASSES), activation="softmax")(x))

    keras.utils.set_random_seed(1)
    before = plain()
    before.get_layer("first").set_weights(_one_dead(before.get_layer("first").get_weights()))
    before.save(folder / "before.keras")
    change = np.random.default_rng(2)
    before.set_weights([w + change.normal(0, 0.1, w.shape) * (w != 0) for w in before.get_weights()])
    before.save(folder / "after.keras")
    inner_in = keras.Input((None, None, 5))
    inner = keras.Model(
        inner_in,
        layers.Conv2D(4, 3, dilation_rate=8, name="inner_conv")(layers.DepthwiseConv2D(3, name="deep")(inner_in)),
    )
    outside = keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), layers.Conv2D(5, 3, activation="relu", name="outer"), inner]
    )
    outside.save(folder / "nested.keras")


def _one_dead(weights: list[np.ndarray]) -> list[np.ndarray]:
    """Filter 3 never fires: no weights, a bias below 0."""
    kernel, bias = weights
    kernel[..., 3], bias[3] = 0, -1
    return [kernel, bias]


def main(folder: Path) -> None:
    os.chdir(folder)
    Path("params.yaml").write_text(plain_yaml.dump(PARAMS))
    images(Path("inputs/images"))
    _models(Path("inputs/models"))
    Path("inputs/notes.yaml").write_text(plain_yaml.dump(NOTES))
    every_stage.main()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
