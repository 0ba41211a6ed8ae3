"""Specimens through every stage: `python -m tests.zoo.run <folder> <specimen>…` makes the project and its whole site.

Prints a JSON object: the line that each specimen was refused with, if any; a traceback is no line, and ends everything.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests import plain_yaml
from tests.zoo.specimens import ZOO, write

CLASSES, EACH = ("circle", "cross", "noise"), 2
PARAMS: dict[str, Any] = {
    "random_seed": 0,
    "images": {"sets": {"shapes": {"folder": "inputs/images/shapes", "count": "all"}}},
    "weights": {},
    "feature_maps": {"images": [0, 3]},
    "fixed_filters": {"set": "shapes", "images": 2, "kernels": {"edge": [[-1, 0, 1]] * 3}},
    "maximize": {"steps": 2, "snapshots": [1], "stability_steps": 1, "max_size": 32},
    "analyze": {"examples": 2, "mistakes": 1, "doubtful": 1},
    "compare": {},
}


def images(folder: Path) -> None:
    """Six RGB pictures of 36 x 40 pixels in three classes, and four of five bands."""
    draw = np.random.default_rng(0)
    y, x = np.mgrid[0:36, 0:40]
    for i in range(EACH):
        shapes = {"circle": np.hypot(y - 18, x - 20) < 9 + i, "cross": (abs(x - 20) < 3 + i) | (abs(y - 18) < 3)}
        for name in CLASSES:
            pixels = draw.integers(0, 256, (36, 40, 3), np.uint8)
            pixels[shapes.get(name, np.zeros((36, 40), bool))] = (230, 200, 90)
            (folder / "shapes" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / "shapes" / name / f"{i}.png")
    (folder / "bands").mkdir()
    np.savez(folder / "bands" / "all.npz", images=draw.integers(0, 256, (4, 20, 20, 5), np.uint8))


def main(folder: Path, names: list[str]) -> None:
    os.chdir(folder)
    images(Path("inputs/images"))
    params = PARAMS | {"models": write(Path(), names)}
    if any("bands" in ZOO[name].section for name in names):
        params["images"]["sets"]["bands"] = {"folder": "inputs/images/bands", "count": "all"}
    Path("params.yaml").write_text(plain_yaml.dump(params))
    from cnnviz import activations, analysis, comparison, config, filters, maximization, networks, report
    from cnnviz import images as image_sets
    from cnnviz.errors import InputError
    from cnnviz.files import ARTIFACTS, fresh, stage

    loaded, refused = config.load(), {}
    sets = list(loaded.images.sets)
    with stage("zoo") as watch:
        image_sets.run(loaded.images, ARTIFACTS)
        for key, model in loaded.models.items():
            try:
                networks.run(key, model, ARTIFACTS)
                filters.extract(key, loaded.weights, ARTIFACTS)
                activations.run(key, model.channels, loaded.feature_maps, sets, ARTIFACTS, watch)
                maximization.run(key, model, loaded.maximize, 0, sets, ARTIFACTS, watch)
                analysis.run(key, model, loaded.analyze, sets, ARTIFACTS, watch)
            except InputError as error:
                refused[key] = str(error)
        if not refused:
            filters.apply(loaded.fixed_filters, ARTIFACTS)
            comparison.run(loaded.compare, list(loaded.models), sets, ARTIFACTS)
            report.render(ARTIFACTS, loaded, fresh(ARTIFACTS / "report"))
    print(json.dumps(refused))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
