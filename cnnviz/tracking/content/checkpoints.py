"""What the stage `epochs` gives to a run: a training as steps of one run, its numbers and its pictures. No MLflow."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.files import ARTIFACTS, npz, read_json
from cnnviz.pictures import shown
from cnnviz.tracking.content import inputs as run_inputs
from cnnviz.tracking.content import maximized
from cnnviz.tracking.content import pictures as run_pictures
from cnnviz.tracking.content.curves import Curve
from cnnviz.tracking.content.holding import Content

PREFIX = "training"  # of the names of all curves and pictures


def read(folder: Path) -> Content:
    """Curves and pictures by step; nothing of a model that is no series."""
    found = read_json(folder / "epochs.json")
    if not (checkpoints := found["checkpoints"]):
        return Content()
    at = steps(checkpoints)
    metrics = {name: value for name, value in read_json(folder / "metrics.json").items() if value is not None}
    sets = run_inputs.images(run_inputs.sets_of(folder.name))
    content = Content(metrics, inputs=[run_inputs.model(folder.name), *sets])
    for name in ("accuracy", "flipped", "median_similarity"):
        content.curves[f"{PREFIX}/{name}"] = _curve(at, [one.get(name) for one in checkpoints])
    for name in dict.fromkeys(name for one in checkpoints for name in one["logs"]):
        content.curves[f"{PREFIX}/logs/{name}"] = _curve(at, [one["logs"].get(name) for one in checkpoints])
    for layer, numbers in found["layers"].items():
        for name in ("cka_to_last", "median_cosine"):
            content.curves[f"{PREFIX}/{name}/{layer}"] = _curve(at, numbers.get(name, []))
    content.curves = {name: curve for name, curve in content.curves.items() if curve}
    content.files = [(path, "") for path in sorted(folder.iterdir()) if path.is_file()]
    rgb = read_json(ARTIFACTS / "models" / folder.name / "model.json").get("bands", {}).get("rgb")
    for depth, (layer, filters) in maximized.depths(folder.name).items():
        rows = npz.read(folder / f"{layer}.npz")["filters"].tolist()
        for i, step in enumerate(at):
            with npz.opened(folder / "pictures" / f"{i}.npz") as stored:
                images = shown(stored[layer], rgb)[[rows.index(k) for k in filters if k in rows]]
            if len(images):
                content.pictures.append((f"{PREFIX}/{depth}", step, run_pictures.grid(np.asarray(images), layer)))
    return content


def steps(checkpoints: Sequence[dict[str, Any]]) -> list[int]:
    """The step of MLflow for each: that of the training where all are known and rise, else its place in the series."""
    known = [one["step"] for one in checkpoints]
    if all(step is not None for step in known) and all(a < b for a, b in pairwise(known)):
        return [int(step) for step in known]
    return list(range(len(checkpoints)))


def _curve(at: Sequence[int], values: Sequence[float | None]) -> Curve:
    return [(step, float(value)) for step, value in zip(at, values, strict=False) if value is not None]
