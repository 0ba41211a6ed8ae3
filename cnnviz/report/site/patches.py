"""The patches of natural images that drive a filter, cut off where the image ends, and how much of each lies beyond."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import Masks, examples, masked
from cnnviz.report.data import Facts
from cnnviz.report.site import pictures
from cnnviz.report.site.layers import Layer
from cnnviz.report.site.links import url
from cnnviz.report.site.photos import Eye, Photos, eye

SIDE = 96  # pixels of a patch on the page of a rendered filter; on all others examples.TILE
Place = tuple[str, int, list[int]]  # set, image, box


def of_filter(photos: Photos, layer: Layer, data: dict[str, NDArray], k: int, masks: Masks) -> list[Facts]:
    """Top and bottom examples of filter k, patch by patch with its place in the whole image. Writes their picture.

    data: the arrays of `examples/<layer>.npz`; an empty list where there are none, an image set is gone, or what the
    filter does is no number. `looked` of the top ones: what of them it looks at, None where there are no masks.
    """
    if not _known(data, k):
        return []
    height, width = layer.model.facts["input_shape"][:2]
    found: list[Facts] = []
    every: list[Place] = []
    for kind in ("top", "bottom"):
        places: list[Place] = [
            (str(data["sets"][data[f"{kind}_set"][k, i]]), int(data[f"{kind}_image"][k, i]), box.tolist())
            for i, box in enumerate(data[f"{kind}_box"][k])
        ]
        if any(name not in photos.sets for name, _, _ in places):
            return []
        every += places
        shown = []
        for (name, i, box), value in zip(places, data[f"{kind}_activation"][k].tolist(), strict=True):
            within = inside(box, height, width)
            shown.append({"photo": photos.photo(name, i), "set": name, "image": i, "box": box, "value": value})
            shown[-1] |= {
                "inside": within,
                "whole": within[2:] == (100.0, 100.0),
                "inset": examples.inset(box, height, width),
            }
            shown[-1]["outside"] = round(examples.outside(box, height, width), 4)
        found.append({"kind": kind, "examples": shown})
    seen = max(min(box[2], height) - max(box[0], 0) for _, _, box in every)
    seen = max(seen, *(min(box[3], width) - max(box[1], 0) for _, _, box in every))
    side = SIDE if k in layer.rendered and seen > examples.TILE else examples.TILE
    name = f"{k}_patches.webp"
    photos.files.later(f"{layer.folder}/{name}", partial(_drawn, photos, every, eye(layer.model.facts), side))
    start = 0
    for part in found:
        part |= {"src": url(*layer.folder.split("/"), name), "start": start, "count": len(every)}
        part |= {"coarse": side < SIDE, "looked": None}
        start += len(part["examples"])
    found[0]["looked"] = _looked(photos, layer, every[: len(found[0]["examples"])], masks, k)
    return found


def _known(data: dict[str, NDArray], k: int) -> bool:
    return bool(data) and bool(np.isfinite(data["top_activation"][k]).all())


def _looked(photos: Photos, layer: Layer, places: Sequence[Place], masks: Masks, k: int) -> Facts | None:
    """The strongest patches as filter k looks at them: their picture, and which of them are known."""
    if k not in masks.seen or len(masks.seen[k]) != len(places):
        return None
    of, seen = eye(layer.model.facts), masks.seen[k]

    def drawn() -> bytes:
        tiles = []
        for (name, i, box), one in zip(places, seen, strict=True):
            tiles.append(examples.tile(examples.cut(masked(photos.seen(name, i, *of), box, one), box), SIDE))
        return pictures.strip(tiles, SIDE)

    path = f"{layer.folder}/{k}_looked_at.webp"
    if masks.known[k].any():
        photos.files.later(path, drawn)
    return {"src": url(*path.split("/")), "count": len(places), "known": masks.known[k].tolist()}


def driving(data: dict[str, NDArray], k: int) -> list[str]:
    """The images that drive filter k most, strongest first, as `<set>/<number>`; data: see `of_filter`."""
    if not _known(data, k):
        return []
    places = zip(data["top_set"][k].tolist(), data["top_image"][k].tolist(), strict=True)
    return [f"{data['sets'][s]}/{i}" for s, i in places]


def _drawn(photos: Photos, places: Sequence[Place], of: Eye, side: int) -> bytes:
    return pictures.strip([photos.patch(*one, of, side) for one in places], side)


def inside(box: Sequence[int], height: int, width: int) -> tuple[float, float, float, float]:
    """Left, top, width, height of the part of a box that is in the image, in percent of the image."""
    top, bottom = (min(max(v, 0), height) / height * 100 for v in (box[0], box[2]))
    left, right = (min(max(v, 0), width) / width * 100 for v in (box[1], box[3]))
    return round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2)
