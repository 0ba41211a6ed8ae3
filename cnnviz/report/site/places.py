"""Where filters fire in images, as files that pages load when they are asked (templates/site/places.js reads them).

`assets/places/images.js`: all images; `<model>.js`: its layers; `<model>/<set>_<i>.js`: an image's levels, deflated. A
script that calls a function is what a page can load from a folder, too, where it may not read other files.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import LEVELS, Placed
from cnnviz.files import npz
from cnnviz.images import conversion
from cnnviz.report.data import Facts
from cnnviz.report.site import pictures
from cnnviz.report.site.layers import Layer, Model
from cnnviz.report.site.links import Tile, url
from cnnviz.report.site.photos import LONGEST, Photos, eye

FOLDER = "assets/places"
BEGIN, END = "cnnvizPlaces(...", ");\n"
SHOWN, OF_LAYER = 12, 3  # strongest filters of an image on its page, and of one layer at most
FAINT = 0.01  # of the highest output of any filter of its layer: one that never reaches that comes after all others


def told(name: str, value: Any) -> bytes:
    """A script that hands a value to the page that loads it."""
    text = json.dumps([name, value], separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f"{BEGIN}{text}{END}".encode()


def packed(levels: NDArray[np.uint8]) -> str:
    """Levels as text: deflated by runs, which for these is the smallest of zlib's ways as well as the fastest."""
    deflate = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return base64.b64encode(deflate.compress(levels.tobytes()) + deflate.flush()).decode()


def described(model: Model) -> Facts:
    """What a page has to know of a model to name its filters and to read its levels."""
    layers = [_layer(model.layers[name]) for name in model.places]
    return {"key": model.key, "levels": LEVELS, "faint": FAINT, "layers": layers}


def _layer(layer: Layer) -> Facts:
    every = list(range(layer.filters))
    sheets = [
        None
        if s is None
        else [s.src, s.columns, s.rows, None if list(s.index) == every else list(s.index), kind, _insets(s)]
        for s, kind in ((layer.sheet, "made"), (layer.patches, "natural"))
    ]
    return {"title": layer.title, "url": layer.url, "sheets": sheets, **measured(layer.placed)}


def _insets(sheet: pictures.Sheet) -> dict[str, tuple[float, float]]:
    return {str(k): (round(top, 3), round(left, 3)) for k, (top, left) in sheet.insets.items() if top or left}


def measured(placed: Placed) -> Facts:
    """What the levels of a layer mean."""
    return {
        "highest": [float(f"{v:.4g}") if np.isfinite(v) else None for v in placed.highest],
        "rows": [round(float(v), 4) for v in placed.rows],
        "columns": [round(float(v), 4) for v in placed.columns],
        "assumed": placed.assumed,
    }


@contextmanager
def stored(models: Iterable[Model], name: str) -> Iterator[dict[str, npz.Archive]]:
    """By model the levels of each image of a set for which they were kept, in one row each, read one by one."""
    with ExitStack() as stack:
        paths = {one.key: one.artifacts / "analysis" / one.key / name / "places.npz" for one in models if one.places}
        yield {key: stack.enter_context(npz.opened(path)) for key, path in paths.items() if path.is_file()}


def model_file(key: str) -> str:
    return f"{FOLDER}/{key}.js"


def write_model(files: pictures.Files, about: Facts) -> None:
    files.write(model_file(about["key"]), told(about["key"], about))


def read_model(report: Path, key: str) -> Facts | None:
    """What `write_model` wrote into a report; None where it is not there, or no such file."""
    path = report / model_file(key)
    try:
        _, about = json.loads(path.read_text(encoding="utf-8").removeprefix(BEGIN).removesuffix(END))
    except (OSError, ValueError):
        return None
    return dict(about)


def write_images(files: pictures.Files, photos: Photos, kept: dict[str, int]) -> None:
    """kept: per set, of how many images levels were."""
    every = [
        [name, kept.get(name, 0), [[p.title, p.src, p.page, p.width, p.height] for p in photos.of(name)]]
        for name in photos.sets
    ]
    files.write(f"{FOLDER}/images.js", told("images", every))


def write_levels(
    files: pictures.Files, key: str, name: str, levels: NDArray[np.uint8], over: dict[int, float] | None = None
) -> str:
    """Returns the address. name: of the image; over: highest outputs of filters, by their number among all of the
    model, that are above what they are on the images here: the levels are shares of these instead."""
    path = f"{FOLDER}/{key}/{name}.js"
    address = url(*path.split("/"))
    files.later(
        path, lambda: told(address, [packed(levels), {str(k): float(f"{v:.4g}") for k, v in (over or {}).items()}])
    )
    return address


def strongest(about: Facts, shares: Sequence[NDArray[np.floating]]) -> list[Facts]:
    """Filters that fire most anywhere in an image, as links; of equal ones that which fires least elsewhere in it.
    Those that are FAINT come last, as a share of next to nothing says little.

    about: see `described`; shares: of each layer, of each filter's own highest output, `(channels, h, w)`.
    """
    found: list[tuple[bool, float, float, int, int]] = []
    for depth, one in enumerate(shares):
        peaks, all_over = one.max((1, 2)), np.minimum(one, 1).mean((1, 2))
        highest = np.array([v or 0 for v in about["layers"][depth]["highest"]])
        faint = np.where(np.isinf(peaks), False, highest < FAINT * highest.max(initial=0))
        best = np.lexsort((all_over, -peaks, faint))[:OF_LAYER].tolist()
        found += [(bool(faint[k]), -float(peaks[k]), float(all_over[k]), -depth, k) for k in best if peaks[k]]
    return [
        chip(about["layers"][-depth], k)
        | {"share": -peak, "value": -peak * (about["layers"][-depth]["highest"][k] or 0)}
        for _, peak, _, depth, k in sorted(found)[:SHOWN]
    ]


def chip(layer: Facts, k: int) -> Facts:
    """A filter as a link: `tile`, its picture or else its best natural patch; `patch`, that where it is another one."""
    tiles = [tile for sheet in layer["sheets"] if (tile := _tile(sheet, k))]
    at = layer["url"]
    if at is not None:
        at = f"{at.removesuffix('index.html')}{k}.html"
    found: Facts = {"layer": layer["title"], "number": k, "url": at, "tile": tiles[0] if tiles else None}
    return found | {"patch": tiles[1] if len(tiles) > 1 else None}


def _tile(sheet: list[Any] | None, k: int) -> Tile | None:
    if sheet is None or (sheet[3] is not None and k not in sheet[3]):
        return None
    src, columns, rows, index, kind, insets = sheet
    y, x = divmod(k if index is None else index.index(k), columns)
    return Tile(src, x, y, columns, rows, "", kind, insets.get(str(k)))


def said(shape: tuple[int, int, int], facts: Facts) -> str:
    """In words, how a network sees an image `(h, w, channels)` where that is not what a person sees; else empty."""
    (height, width, wanted), (h, w, channels) = facts["input_shape"], shape
    how = "squashed" if height * w != width * h else "scaled" if height < h else "enlarged"
    parts = [f"{how} from {w} × {h} to {width} × {height} pixels"] if (h, w) != (height, width) else []
    if converted := conversion(channels, wanted):
        parts.append(converted.partition(": ")[2])
    return "; ".join(parts)


def differs(shape: tuple[int, int, int], facts: Facts) -> bool:
    """Whether an image `(h, w, channels)` of a page is another one as a network sees it: in form, detail, colour."""
    (height, width, wanted), (h, w, channels) = facts["input_shape"], shape
    return (
        height * w != width * h or height < min(h, LONGEST * h // max(h, w)) or wanted != channels or "bands" in facts
    )


def seen(photos: Photos, model: Model, name: str, i: int) -> str | None:
    """Address of the image as the network sees it; None where a person sees as much in the image itself."""
    if not differs(photos.sets[name].image(i).shape, model.facts):
        return None
    path = f"{FOLDER}/{model.key}/{name}_{i}.webp"
    photos.files.later(path, partial(pictures.webp, photos.seen(name, i, *eye(model.facts))))
    return url(*path.split("/"))
