"""The pictures made for one filter: how the picture grew, step by step, and what else drives it."""

import hashlib
import math
import shlex
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cnnviz.pictures import shown
from cnnviz.report import data as report_data
from cnnviz.report.data import Facts
from cnnviz.report.pictures import curves
from cnnviz.report.site import pictures
from cnnviz.report.site.layers import Layer
from cnnviz.report.site.links import url
from cnnviz.report.site.photos import Photo, Photos

COLUMN = 416  # pixels that a picture has on a filter's page
LARGEST = 512  # pixels of one of several pictures in a strip
SHEET = 8192  # and of the side of a sheet of snapshots, where all are kept at the size they were made
MADE, MIXED = "made", "mixed"  # kinds of pictures: from noise, from a natural image


def facts(photos: Photos, layer: Layer, data: dict[str, NDArray], k: int) -> Facts:
    """What the page of a rendered filter shows of its pictures; writes them. data: arrays of `maximize/<layer>.npz`."""
    row = layer.rendered[k]
    image, kept = drawn(layer, data, row), row < len(data["snapshots"])
    steps = data["snapshot_steps"].tolist()[0 if kept else -1 :]
    snapshots = data["snapshots"][row] if kept else image[None]
    found: Facts = {"reason": str(data["reason"][row]), "steps": steps, "kept": kept}
    found |= {"height": image.shape[0], "width": image.shape[1], "times": times(*image.shape[:2])}
    found["image"] = url(*layer.folder.split("/"), f"{k}.png")
    photos.files.later(f"{layer.folder}/{k}.png", partial(pictures.png, image))
    found["strip"] = strip = sheet(layer, k, snapshots)
    tiles = list(snapshots)
    photos.files.later(f"{layer.folder}/{k}_steps.webp", lambda: pictures.strip(tiles, strip["side"], strip["columns"]))
    found["film"] = ""
    if len(snapshots) > 1:
        photos.files.later(f"{layer.folder}/{k}_growing.webp", partial(pictures.film, snapshots))
        found["film"] = url(f"{k}_growing.webp")
    marks = data["snapshot_scores"][row : row + 1, -len(steps) :]
    found["chart"] = curves(data["scores"][row : row + 1], [f"filter {k}"], steps, marks)
    found["marks"] = [report_data.number(value) for value in marks[0]]
    found["others"] = []
    if not kept:
        return found
    if "variants" in data and data["variants"].shape[1]:
        found["others"].append(_others(photos, layer, k, "variants", data["variants"][row]))
    if "from_patches" in data:
        found["others"].append(_others(photos, layer, k, "made", data["from_patches"][row], MIXED))
        found["others"][-1]["of"] = [_photo(photos, one) for one in data["from_patches_of"][row].tolist()]
    if "negatives" in data:
        found["others"].append(_others(photos, layer, k, "negative", data["negatives"][row : row + 1]))
    return found


def drawn(layer: Layer, data: dict[str, NDArray], row: int) -> NDArray[np.uint8]:
    """The finished picture of one row of `maximize/<layer>.npz`, uint8 `(h, w, 3)`."""
    return shown(data["images"][row], layer.model.rgb)


def large(photos: Photos, layer: Layer, k: int) -> Facts:
    """The larger picture of a filter, where params.yaml asks for one under `enlarge`, and the command that asks."""
    asked = shlex.join(["python", "-m", "cnnviz.enlarge", layer.model.key, layer.name, str(k), "--size", str(LARGEST)])
    found: Facts = {"large": None, "enlarge": asked}
    if settled := layer.model.enlarged.get(layer.name, {}).get(str(k)):
        source = layer.model.artifacts / "enlarge" / layer.model.key / layer.name / f"{k}.png"
        alt = f"Image that drives filter {k} of {layer.title}, on a larger canvas"
        if picture := photos.files.copy(source, f"{layer.folder}/{k}_large.png", alt):
            found["large"] = {**settled, "picture": picture, "sha256": hashlib.sha256(source.read_bytes()).hexdigest()}
    return found


def times(height: int, width: int) -> int:
    """How often a picture fits into its column: it is shown so many times as large, its pixels as squares."""
    return max(1, COLUMN // max(height, width))


def sheet(layer: Layer, k: int, snapshots: NDArray[np.uint8]) -> Facts:
    """The file of its snapshots `(s, h, w, 3)`: a grid, each at its own size where it stays below SHEET."""
    columns = math.ceil(math.sqrt(len(snapshots)))
    side = min(max(snapshots.shape[1:3]), SHEET // columns)
    src = url(*layer.folder.split("/"), f"{k}_steps.webp")
    return {"src": src, "columns": columns, "rows": -(-len(snapshots) // columns), "side": side}


def _others(photos: Photos, layer: Layer, k: int, what: str, images: NDArray[np.uint8], kind: str = MADE) -> Facts:
    name = f"{k}_{what}.webp"
    side = min(LARGEST, max(images.shape[1:3]))
    photos.files.later(f"{layer.folder}/{name}", partial(pictures.strip, list(images), side))
    src = url(*layer.folder.split("/"), name)
    return {"what": what, "kind": kind, "src": src, "count": len(images), "side": side, "of": []}


def _photo(photos: Photos, name: str) -> Photo | None:
    """The photo `set/index`; None where its set is not there any more."""
    of, index = name.rsplit("/", 1)
    return photos.photo(of, int(index)) if of in photos.sets else None
