"""Where filters fire in images, as files that pages load when they are asked (templates/site/places.js reads them).

`assets/places/images.js`: all images; `<model>.js`: its layers; `<model>/<set>_<i>.js`: an image's levels, deflated. A
script that calls a function is what a page can load from a folder, too, where it may not read other files.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import LEVELS, share, split
from cnnviz.files import npz
from cnnviz.images import ImageSet, conversion
from cnnviz.report.data import Facts
from cnnviz.report.site import pictures
from cnnviz.report.site.layers import Layer, Model
from cnnviz.report.site.links import Tile, url
from cnnviz.report.site.photos import Photos, eye

FOLDER = "assets/places"
SHOWN, OF_LAYER = 12, 3  # strongest filters of an image on its page, and of one layer at most


def told(name: str, value: Any) -> bytes:
    """A script that hands a value to the page that loads it."""
    text = json.dumps([name, value], separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f"cnnvizPlaces(...{text});\n".encode()


def packed(levels: NDArray[np.uint8]) -> str:
    """Levels as text: deflated by runs, which for these is the smallest of zlib's ways as well as the fastest."""
    deflate = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return base64.b64encode(deflate.compress(levels.tobytes()) + deflate.flush()).decode()


def described(model: Model) -> Facts:
    """What a page has to know of a model to name its filters and to read its levels."""
    return {"key": model.key, "levels": LEVELS, "layers": [_layer(model.layers[name]) for name in model.places]}


def _layer(layer: Layer) -> Facts:
    placed = layer.placed
    pages = sorted(layer.model.pages.get(layer.name, ()))
    sheets = [
        None if s is None else [s.src, s.columns, s.rows, None if len(s.index) == layer.filters else list(s.index)]
        for s in (layer.sheet, layer.patches)
    ]
    return {
        "title": layer.title,
        "url": layer.url,
        "pages": None if len(pages) == layer.filters else pages,
        "highest": [float(f"{v:.4g}") if np.isfinite(v) else None for v in placed.highest],
        "rows": [round(float(v), 4) for v in placed.rows],
        "columns": [round(float(v), 4) for v in placed.columns],
        "assumed": placed.assumed,
        "sheets": sheets,
    }


@contextmanager
def stored(models: Iterable[Model], name: str) -> Iterator[dict[str, npz.Archive]]:
    """By model the levels of each image of a set for which they were kept, in one row each, read one by one."""
    with ExitStack() as stack:
        paths = {one.key: one.artifacts / "analysis" / one.key / name / "places.npz" for one in models if one.places}
        yield {key: stack.enter_context(npz.opened(path)) for key, path in paths.items() if path.is_file()}


def write_model(files: pictures.Files, model: Model) -> None:
    files.write(f"{FOLDER}/{model.key}.js", told(model.key, described(model)))


def write_images(files: pictures.Files, photos: Photos, kept: dict[str, int]) -> None:
    """kept: per set, of how many images levels were."""
    every = [
        [name, kept.get(name, 0), [[p.title, p.src, p.page, p.width, p.height] for p in photos.of(name)]]
        for name in photos.sets
    ]
    files.write(f"{FOLDER}/images.js", told("images", every))


def write_levels(files: pictures.Files, model: Model, name: str, i: int, levels: NDArray[np.uint8]) -> str:
    """Returns the address."""
    path = f"{FOLDER}/{model.key}/{name}_{i}.js"
    address = url(*path.split("/"))
    files.later(path, lambda: told(address, [packed(levels), {}]))
    return address


def strongest(model: Model, levels: NDArray[np.uint8]) -> list[Facts]:
    """Filters that fire most anywhere in an image, by share of their own highest output; of equal ones the deepest."""
    found: list[tuple[float, Layer, int]] = []
    for name, one in split(levels, model.places).items():
        peaks = share(one.max((1, 2)))
        best = np.argsort(-peaks, kind="stable")[:OF_LAYER].tolist()
        found += [(float(peaks[k]), model.layers[name], k) for k in best if peaks[k]]
    found.sort(key=lambda one: (-one[0], -one[1].index, one[2]))
    return [
        {
            "filter": layer.filter(k),
            "patch": patch(layer, k),
            "share": peak,
            "value": peak * float(layer.placed.highest[k]),
        }
        for peak, layer, k in found[:SHOWN]
    ]


def patch(layer: Layer, k: int) -> Tile | None:
    """The natural patch that drives a filter most, where its picture is another one."""
    return layer.patch(k) if k in layer.rendered else None


def said(one: ImageSet, i: int, facts: Facts) -> str:
    """In words, how a network sees an image where that is not what a person sees; empty where it is."""
    (height, width, channels), (h, w) = facts["input_shape"], one.sizes[i].tolist()
    parts = []
    if height * w != width * h:
        parts.append(f"squashed from {w} × {h} to {width} × {height} pixels")
    elif height < h:
        parts.append(f"scaled from {w} × {h} to {width} × {height} pixels")
    elif height > h:
        parts.append(f"enlarged from {w} × {h} to {width} × {height} pixels")
    if converted := conversion(one.channels, channels):
        parts.append(converted.partition(": ")[2])
    return "; ".join(parts)


def seen(photos: Photos, model: Model, name: str, i: int) -> str | None:
    """Address of the image as the network sees it; None where a person sees as much or less in the image itself."""
    one, (height, width, channels) = photos.sets[name], model.facts["input_shape"]
    h, w = one.sizes[i].tolist()
    alike = height * w == width * h and height >= min(h, photos.photo(name, i).height)
    if alike and channels == one.channels and eye(model.facts)[1] is None:
        return None
    path = f"{FOLDER}/{model.key}/{name}_{i}.webp"
    photos.files.later(path, partial(pictures.webp, photos.seen(name, i, *eye(model.facts))))
    return url(*path.split("/"))
