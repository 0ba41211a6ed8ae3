"""The checkpoints of a model, as the stage `epochs` left them, and the strips of pictures that pages show."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.files import npz, read_csv
from cnnviz.pictures import shown
from cnnviz.report import data
from cnnviz.report.data import Facts
from cnnviz.report.site.links import url
from cnnviz.report.site.pictures import Files, film, strip

SIDE = 128  # pixels of a picture in a strip, at most
MOST = 64  # filters of a layer that have one, at most


@dataclass
class Training:
    """The checkpoints of one model, and what is known of them. formed: the similarity from which a form is taken."""

    folder: Path
    key: str
    checkpoints: list[Facts]
    formed: float
    layers: Facts
    notes: list[str]
    rgb: Sequence[int] | None = None
    strips: dict[tuple[str, int], Facts] = field(default_factory=dict)  # by layer and filter: its file

    def __len__(self) -> int:
        return len(self.checkpoints)

    @cached_property
    def labels(self) -> list[str]:
        """What each checkpoint is called: by epochs where these are known, else by its file."""
        epochs = [one["epoch"] for one in self.checkpoints]
        found = []
        for one in self.checkpoints:
            if one["epoch"] is None:
                found.append(str(one["name"]))
            elif one["epoch"] == one["step"] == 0:
                found.append("start")
            elif epochs.count(one["epoch"]) > 1:
                found.append(f"epoch {one['epoch']}, step {one['step']}")
            else:
                found.append(f"epoch {one['epoch']}")
        return found

    @cached_property
    def said(self) -> list[str]:
        """The same with what is known of the network then."""
        found = []
        for label, one in zip(self.labels, self.checkpoints, strict=True):
            known = {"accuracy here": one.get("accuracy"), **one["logs"]}
            numbers = [f"{name} {'no number' if v is None else f'{v:.3g}'}" for name, v in known.items()]
            numbers = numbers[1:] if one.get("accuracy") is None else numbers
            found.append("; ".join([label, ", ".join(numbers[:5])]) if numbers else label)
        return found

    def label(self, i: int | None) -> str:
        """Of a checkpoint by its place; empty where there is none."""
        return "" if i is None or i < 0 else self.labels[i]

    def arrays(self, layer: str) -> dict[str, NDArray]:
        """What the stage found of a layer."""
        return _arrays(self.folder / f"{layer}.npz")

    @cached_property
    def flips(self) -> list[dict[str, str]]:
        """Images in the order of when their prediction became what it is in the end, the latest first."""
        return read_csv(self.folder / "predictions.csv")

    def of_filters(self, layer: str, count: int) -> dict[str, list[Any]]:
        """Columns of a layer's table: a value per filter, None where nothing is known."""
        arrays = self.arrays(layer)
        if "silent_since" not in arrays and "formed_at" not in arrays:
            return {}
        formed: list[str | None] = [None] * count
        for k, at in zip(arrays.get("filters", ()), arrays.get("formed_at", ()), strict=True):
            formed[int(k)] = self.labels[at] if at >= 0 else None
        silent = [self.labels[at] if at >= 0 else None for at in arrays.get("silent_since", [-1] * count)]
        moved = [data.number(v) for v in arrays["distance"][:, 0]] if "distance" in arrays else [None] * count
        return {"formed_at": formed, "silent_since": silent, "moved_since_start": moved}


@lru_cache(2)
def _arrays(path: Path) -> dict[str, NDArray]:
    return npz.read(path)


def read_training(artifacts: Path, key: str, rgb: Sequence[int] | None = None) -> Training | None:
    """The training of a model; None where it is no series, or the stage `epochs` did not run."""
    folder = artifacts / "epochs" / key
    found = data.read(folder / "epochs.json")
    if not found.get("checkpoints"):
        return None
    _arrays.cache_clear()  # the files of an earlier report in this process may have changed
    return Training(folder, key, found["checkpoints"], found["formed"], found["layers"], found["notes"], rgb)


def write_strips(files: Files, training: Training, layer: str, folder: str) -> None:
    """Write a sheet of all states of each filter's picture, and a film, into the layer's folder of the site."""
    arrays = training.arrays(layer)
    filters = arrays.get("filters", np.zeros(0, int)).tolist()[:MOST]
    if not filters:
        return
    every = []
    for i in range(len(training)):
        with npz.opened(training.folder / "pictures" / f"{i}.npz") as stored:
            every.append(shown(stored[layer][: len(filters)], training.rgb))
    states = np.stack(every, 1)
    side, columns = min(SIDE, max(states.shape[2:4])), int(np.ceil(np.sqrt(len(training))))
    for row, k in enumerate(filters):
        name, own = f"{k}_life.webp", states[row]
        files.later(f"{folder}/{name}", partial(strip, list(own), side, columns))
        src = url(*folder.split("/"), name)
        known: Facts = {"src": src, "columns": columns, "rows": -(-len(training) // columns), "side": side, "film": ""}
        if len(training) > 1:
            files.later(f"{folder}/{k}_life_film.webp", partial(film, own))
            known["film"] = url(f"{k}_life_film.webp")
        training.strips[layer, k] = known
