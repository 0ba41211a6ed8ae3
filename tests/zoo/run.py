"""Specimens through every stage: `python -m tests.zoo.run <folder> <specimen>…` makes projects and their whole sites.

A project has few specimens, since every two of a project are compared: `<folder>/<number>`, in the order of the words.
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
TOGETHER = 3  # specimens of a project
# Whose filters are silenced, masked and rendered from patches, and those of their project: dear
SILENCED = ("shared_on_two_crops", "siamese", "u_net")
PARAMS: dict[str, Any] = {
    "random_seed": 0,
    "images": {"sets": {"shapes": {"folder": "inputs/images/shapes", "count": "all"}}},
    "weights": {},
    "feature_maps": {"images": [0, 3]},
    "fixed_filters": {"set": "shapes", "images": 2, "kernels": {"edge": [[-1, 0, 1]] * 3}},
    "maximize": {"steps": 2, "snapshots": [1], "stability_steps": 1, "max_size": 32},
    "analyze": {"examples": 2, "mistakes": 0, "doubtful": 0},  # what is explained, each specimen says
    "enlarge": {},
    "judge": {},
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


def projects(names: list[str]) -> list[list[str]]:
    """The specimens of each project."""
    return [names[i : i + TOGETHER] for i in range(0, len(names), TOGETHER)]


def main(folder: Path, names: list[str]) -> None:
    refused: dict[str, str] = {}
    for number, some in enumerate(projects(names)):
        (folder / str(number)).mkdir()
        os.chdir(folder / str(number))
        refused |= project(some)
    print(json.dumps(refused))


def project(names: list[str]) -> dict[str, str]:
    """A project of these specimens in the working folder, every stage run; returns the lines of those refused."""
    images(Path("inputs/images"))
    params = PARAMS | {"models": write(Path(), names)}
    silenced = 2 if set(SILENCED) & set(names) else 0
    params["maximize"] = PARAMS["maximize"] | {"from_patches": silenced}
    params["analyze"] = PARAMS["analyze"] | {"silenced_images": silenced, "masked_filters": silenced}
    if any("bands" in ZOO[name].section for name in names):
        bands = {"folder": "inputs/images/bands", "count": "all"}
        params["images"] = {"sets": {**PARAMS["images"]["sets"], "bands": bands}}
    Path("params.yaml").write_text(plain_yaml.dump(params))
    from cnnviz import activations, analysis, comparison, config, filters, judging, maximization, networks, report
    from cnnviz import images as image_sets
    from cnnviz.errors import InputError
    from cnnviz.files import ARTIFACTS, fresh, stage

    loaded, refused = config.load(), dict[str, str]()
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
        for key in loaded.models:
            if key not in refused:
                judging.run(key, loaded.models, loaded.judge, sets, ARTIFACTS, watch)
        if not refused:
            filters.apply(loaded.fixed_filters, ARTIFACTS)
            comparison.run(loaded.compare, list(loaded.models), sets, ARTIFACTS)
            report.render(ARTIFACTS, loaded, fresh(ARTIFACTS / "report"))
    return refused


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
