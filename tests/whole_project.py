"""A network of which all filters are rendered, more than 64 of some layers, and another one: every stage for real.

`python -m tests.whole_project <folder>` writes it.
"""

import os
import sys
from pathlib import Path
from typing import Any

from tests import every_stage, plain_yaml, site_project

SIZE = 24
FILTERS = {"wide": 100, "next": 70, "last": 6}
NOTED, ENLARGED = 76, 98  # filters of `wide` of which not everything is kept
PARAMS: dict[str, Any] = {
    **{
        key: site_project.PARAMS[key]
        for key in ("random_seed", "images", "weights", "feature_maps", "judge", "compare")
    },
    "models": {
        key: {
            "file": f"inputs/models/{key}.keras",
            "input_size": SIZE,
            "preprocessing": "unit",
            "class_names": list(site_project.CLASSES),
            "channels": 2,
            "layers": layers,
        }
        for key, layers in (("all", "all"), ("few", {"wide": 2}))
    },
    "analyze": {"mistakes": 1, "doubtful": 1, "altered": {"images": 0}},
    "enlarge": {"all": {"wide": {ENLARGED: 32}}},
    "fixed_filters": {"set": "shapes", "images": 1, "kernels": {"edge": [[-1, 0, 1]] * 3}},
    "maximize": {"steps": 2, "snapshots": [1, 2], "stability_steps": 0, "from_patches": 1, "variants": 2},
}


def _models(folder: Path) -> None:
    import keras

    folder.mkdir(parents=True)
    layers = keras.layers
    for seed, key in enumerate(PARAMS["models"]):
        keras.utils.set_random_seed(seed)
        network = keras.Sequential([keras.Input((SIZE, SIZE, 3))])
        network.add(layers.Conv2D(FILTERS["wide"], 3, padding="same", activation="relu", name="wide"))
        network.add(layers.MaxPooling2D(4))
        network.add(layers.Conv2D(FILTERS["next"], 5, padding="same", activation="relu", name="next"))
        network.add(layers.Conv2D(FILTERS["last"], 3, activation="relu", name="last"))
        network.add(layers.GlobalAveragePooling2D())
        network.add(layers.Dense(len(site_project.CLASSES), activation="softmax"))
        network.save(folder / f"{key}.keras")


def main(folder: Path) -> None:
    os.chdir(folder)
    Path("params.yaml").write_text(plain_yaml.dump(PARAMS))
    site_project.images(Path("inputs/images"))
    _models(Path("inputs/models"))
    Path("inputs/notes.yaml").write_text(plain_yaml.dump({"all": {"wide": {NOTED: "a note"}}}))
    every_stage.main()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
