"""A stage of the pipeline on the networks and images of project.py, from the start of Python to its last file."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.card.rows import part
from cnnviz import activations, analysis, maximization
from cnnviz.files import ARTIFACTS, read_json, stage
from cnnviz.networks import ModelSection

IMAGES = {"vgg16": ["imagenet", "cifar10"], "cifar10-cnn": ["cifar10"]}


def run(name: str, key: str, layers: Any, steps: int) -> Iterator[dict[str, Any]]:
    """The stage `name` of the model `key`; layers: as params.yaml has them; steps: of the maximizer, 0 for the default.

    The last row is what the stage says of itself, without what starting Python took.
    """
    model = ModelSection(known=key, layers=layers)
    options = {"steps": steps, "snapshots": [steps]} if steps else {}
    section, sets = maximization.MaximizeSection(**options), IMAGES[key]
    begun = time.time()
    with stage(f"{name}@{key}", f"python -m benchmarks.gpu ({name})") as watch:
        if name == "feature_maps":
            activations.run(key, "auto", activations.FeatureMapsSection(), sets, ARTIFACTS, watch)
        elif name == "maximize":
            maximization.run(key, model, section, 0, sets, ARTIFACTS, watch)
        else:
            analysis.run(key, model, analysis.AnalyzeSection(), sets, ARTIFACTS, watch)
    timing = read_json(Path(".cache/timings") / f"{name}@{key}.json")
    found = {what: timing[what] for what in ("network_seconds", "cpu_seconds", "peak_memory_mb")}
    found |= {"inside_seconds": time.time() - begun, "device": timing.get("device", {})}
    if name == "maximize":
        numbers = read_json(ARTIFACTS / "maximize" / key / "metrics.json")
        found |= {what: numbers[what] for what in numbers if what.endswith("_filters") or what.startswith("median_")}
    yield {"stage": name, "model": key, **found}


if __name__ == "__main__":
    part(run)
