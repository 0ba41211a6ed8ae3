"""Numbers of tf-keras-vis 0.8.7 that analysis/test_gradcam.py holds cnnviz against: tests/gradcam_reference.npz.

Made in an environment with that package (`make bench` builds one):

    .venv-bench/bin/python -m tests.gradcam_reference artifacts

Two small networks whose weights NumPy draws, and cifar10-cnn with the first four bundled CIFAR-10 images.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

STORED = Path(__file__).with_suffix(".npz")
REAL, REAL_IMAGES = "cifar10-cnn", 4
CLASSES = (2, 0)  # the two classes that each image is explained for


def network(hidden: bool) -> tuple[Any, str]:
    """A classifier of 16 x 20 images and the layer to look at; hidden: with a dense layer between map and logits."""
    import keras

    layers = keras.layers
    inputs = keras.Input((16, 20, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="early")(inputs)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(8, 3, activation="relu", name="late")(x)
    x = layers.Dense(10, activation="relu")(layers.Flatten()(x)) if hidden else layers.GlobalAveragePooling2D()(x)
    made = keras.Model(inputs, layers.Dense(4, activation="softmax")(x))
    rng = np.random.default_rng(11)
    made.set_weights([rng.normal(0, 0.4, weight.shape) for weight in made.weights])
    return made, "late"


def pictures() -> np.ndarray:
    """float32 `(3, 16, 20, 3)`."""
    return np.random.default_rng(12).normal(size=(3, 16, 20, 3)).astype("float32")


def main(artifacts: Path) -> None:
    import keras
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
    from tf_keras_vis.utils.scores import CategoricalScore

    described = json.loads((artifacts / "models" / REAL / "model.json").read_text())
    real = keras.saving.deserialize_keras_object(described["config"], safe_mode=True)
    real.load_weights(artifacts / "models" / REAL / "weights.weights.h5")
    real = keras.Model(real.inputs, real.outputs)
    with np.load(artifacts / "images" / "cifar10.npz") as stored:
        images = stored["images"][:REAL_IMAGES].astype("float32")
    given = {"pooled": (*network(False), pictures()), "hidden": (*network(True), pictures())}
    given["real"] = (real, "conv2d_3", images)
    found = {}
    for name, (model, layer, x) in given.items():
        gradcam = Gradcam(model, model_modifier=ReplaceToLinear(), clone=True)
        for expand in (False, True):
            maps = [
                gradcam(
                    CategoricalScore([c] * len(x)),
                    x,
                    penultimate_layer=layer,
                    seek_penultimate_conv_layer=False,
                    expand_cam=expand,
                    normalize_cam=False,
                )
                for c in CLASSES
            ]
            found[f"{name}/{'enlarged' if expand else 'map'}"] = np.asarray(maps, "float16" if expand else "float32")
    np.savez_compressed(STORED, allow_pickle=False, **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
