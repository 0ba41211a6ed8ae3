"""How far apart two clones' maximized images are: in the network's own features, in pixels, verdicts and scores."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError
from cnnviz.verify import arrays
from cnnviz.verify.sides import Files

ARRAYS = {"filters": "iu1", "images": "u4", "status": "U1", "robust_score": "f1"}
Alike = Callable[[str, NDArray, NDArray], NDArray]  # layer, uint8 images (n, h, w, c) here and there -> (n,)


@dataclass(frozen=True)
class Layer:
    """n filters that both sides rendered; filters: int `(n,)`.

    alike: cosine similarity `(n,)` of the features, 1 where the bytes are the same, NaN where it can't be measured.
    pixels: largest difference `(n,)` of 0..255, NaN where the canvases differ. verdicts: str `(n, 2)`, here and there.
    robust: change of the robust score `(n,)` as a share of the one here; NaN where it couldn't be measured.
    whole: whether both sides rendered the same filters.
    """

    name: str
    filters: NDArray
    alike: NDArray
    pixels: NDArray
    verdicts: NDArray
    robust: NDArray
    whole: bool


def named(files: Files) -> dict[str, Path]:
    """The files of `artifacts/maximize/<model>` that hold filters: `<layer>.npz`."""
    return {name: path for name, path in files.items() if "/" not in name and name.endswith(".npz")}


def compare(here: Files, there: Files, alike: Alike) -> Iterator[Layer]:
    """Compare the filters that both have of the layers that both have; `alike` is asked only where images differ."""
    for name in sorted(here.keys() & there.keys()):
        one, other = (_read(files[name]) for files in (here, there))
        filters, *rows = arrays.common(there[name], one["filters"], other["filters"])
        if not len(filters):
            continue
        parts = [{key: part[key][k] for key in ARRAYS} for part, k in zip((one, other), rows, strict=True)]
        images = [part["images"] for part in parts]
        pixels = np.full(len(filters), np.nan)
        if images[0].shape == images[1].shape:
            pixels = np.abs(images[0].astype(np.int16) - images[1]).reshape(len(filters), -1).max(axis=1).astype(float)
        differing, layer = pixels != 0, name.removesuffix(".npz")
        similarity = np.ones(len(filters))
        if differing.any():
            similarity[differing] = alike(layer, images[0][differing], images[1][differing])
        verdicts = np.stack([part["status"] for part in parts], 1)
        robust = changed(*(part["robust_score"] for part in parts))
        whole = len(filters) == len(one["filters"]) == len(other["filters"])
        yield Layer(layer, filters, similarity, pixels, verdicts, robust, whole)


def others(here: Files, there: Files) -> Iterator[tuple[str, str]]:
    """Pictures of other objectives than filters, `objectives/<name>`, which differ, and by how much."""
    names = sorted(name for name in here.keys() & there.keys() if name.startswith("objectives/"))
    for name in (name for name in names if name.endswith(".npz")):
        one, other = (arrays.read(files[name], {"images": "u4"})["images"].astype(np.int16) for files in (here, there))
        if one.shape != other.shape:
            yield name.removesuffix(".npz"), "their number"
        elif (one != other).any():
            yield name.removesuffix(".npz"), f"at most {np.abs(one - other).max()} of 255"


def _read(path: Path) -> dict[str, NDArray]:
    found = arrays.read(path, ARRAYS)
    if len({len(array) for array in found.values()}) != 1:
        raise InputError(f"{path}: damaged (as many filters as images, verdicts and scores expected)")
    return found


def changed(here: NDArray, there: NDArray) -> NDArray:
    """Change of each score as a share of the one here: 0 where they are equal, NaN where one couldn't be measured."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.abs(there.astype(float) - here) / np.abs(here.astype(float))
    return np.where(here == there, 0, share)
