"""A walk from pixels to classes by the pictures of this run, for whoever starts here.

Its steps are those of TITLES for which this run has pictures.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnviz.files import npz
from cnnviz.report import data
from cnnviz.report.data import Facts
from cnnviz.report.site import growth, pictures
from cnnviz.report.site.filters import Site
from cnnviz.report.site.layers import Layer, Model
from cnnviz.report.site.links import url
from cnnviz.report.site.photos import eye

SHOWN = 6  # layers side by side
PIXELS = 8  # of the enlarged part of the image, a side
TITLES = {
    "pixels": "An image is numbers",
    "kernel": "A filter is a small pattern of weights",
    "map": "Slid over the image, it makes a map",
    "relu": "What speaks against it is cut off",
    "pooling": "Only the strongest of four neighbours goes on",
    "fields": "Layer by layer, a filter sees more",
    "layers": "Layer by layer, filters look for more",
    "growth": "How we know what a filter looks for",
    "answer": "From filters to an answer",
    "mistake": "And where it goes wrong",
}


def facts(site: Site, answers: dict[str, Facts]) -> Facts | None:
    """The walk through the first classifier that has rendered layers, else the first such model; None without one.

    answers: by model, what model_page.facts says. Writes the pictures that no other page has, into `assets/walk/`.
    """
    rendered = [m for m in site.models.values() if any(layer.rendered for layer in m.ordered())]
    model = next((m for m in rendered if _explained(answers[m.key])), next(iter(rendered), None))
    if model is None:
        return None
    chosen = [layer for layer in model.ordered() if layer.rendered]
    found: Facts = _image(site, model, answers[model.key]) | _fixed(site)
    found |= {"fields": _fields(model, found["photo"]), "layers": [_layer(one) for one in _spread(chosen)]}
    found["growth"] = _growth(chosen[len(chosen) // 2])
    found |= _answers(answers[model.key])
    steps = [(name, title) for name, title in TITLES.items() if found.get(name)]
    return {"model": model, "steps": steps, **found}


def _explained(answer: Facts) -> list[Facts]:
    predictions = answer["predictions"]
    return [one for one in predictions["explained"] if one["maps"]] if predictions else []


def _spread(layers: list[Layer]) -> list[Layer]:
    """The first, the last and some between."""
    return [layers[i] for i in sorted({int(i) for i in np.linspace(0, len(layers) - 1, SHOWN).round()})]


def _image(site: Site, model: Model, answer: Facts) -> Facts:
    """photo, pixels, kernel, map: the first layer at work on one image, of the set with the largest ones."""
    layer = model.ordered()[0]
    sets = [name for name in model.sets if name in site.photos.sets]
    stored: dict[str, NDArray] = {}
    found: Facts = dict.fromkeys(("photo", "pixels", "kernel", "map"))
    for name in sorted(sets, key=lambda name: -int(site.photos.sets[name].sizes.max(initial=0))):
        stored = npz.read(model.artifacts / "feature_maps" / model.key / name / f"{layer.name}.npz")
        if stored and len(stored["images"]) and len(stored["channels"]):
            break
    else:
        return found
    told = {(e["set"], e["image"]) for e in _explained(answer) if e.get("right")}
    rows = stored["images"].tolist()
    row = next((r for r, i in enumerate(rows) if (name, i) in told), 0)
    image = site.photos.seen(name, rows[row], *eye(model.facts))
    found["photo"] = {"photo": site.photos.photo(name, rows[row]), "set": name, "image": rows[row]}
    top, left = ((side - min(PIXELS, side)) // 2 for side in image.shape[:2])
    part = image[top : top + PIXELS, left : left + PIXELS]
    found["pixels"] = {
        "whole": _write(site, "image", image),
        "shape": image.shape,
        "part": pictures.exactly(part),
        "count": int(np.prod(model.facts["input_shape"])),
        "numbers": [[one.tolist() for one in line[:3]] for line in part[:3]],
        "box": [100 * v for v in (left / image.shape[1], top / image.shape[0])]
        + [100 * part.shape[1] / image.shape[1], 100 * part.shape[0] / image.shape[0]],
    }
    maps = stored["activations"][row].astype(np.float64)
    column = _telling(maps, image)
    k = int(stored["channels"][column])
    found["map"] = {"filter": layer.filter(k), "layer": layer, "shape": maps.shape[:2]}
    found["map"]["src"] = _write(site, "map", _grey(maps[..., column]))
    wiring = layer.wiring()
    if wiring and not model.sources.get(layer.name) and wiring.kernel.shape[2] == 3 and not wiring.depthwise:
        kernel = wiring.kernel[..., k]
        kernel = kernel[..., ::-1] if model.facts["preprocessing"]["reverse_channels"] else kernel
        planes = pictures.diverging([kernel[..., c] for c in range(3)])
        found["kernel"] = {"filter": layer.filter(k), "layer": layer, "colours": pictures.colours(kernel)}
        found["kernel"] |= {"planes": planes, "shape": kernel.shape, "count": kernel.size}
    return found


def _telling(maps: NDArray[np.float64], image: NDArray[np.uint8]) -> int:
    """Which of the maps `(h, w, channels)` shows most that is not just how bright the image is."""
    size = (maps.shape[1], maps.shape[0])
    light = np.asarray(Image.fromarray(image).convert("L").resize(size, Image.Resampling.BOX), np.float64)
    flat = np.nan_to_num(maps.reshape(-1, maps.shape[2]))
    flat = flat - flat.mean(0)
    light = (light - light.mean()).ravel()
    norms = np.linalg.norm(flat, axis=0)
    alike = np.abs(light @ flat) / (norms * np.linalg.norm(light) + 1e-12)
    peaks = np.abs(flat).max(0) + 1e-12
    return int((norms / peaks * (1 - alike)).argmax())


def _fixed(site: Site) -> Facts:
    """relu, pooling: what the stage fixed_filters did, by the kernel and image with most above 0 and most below."""
    folder = site.photos.artifacts / "fixed_filters"
    stored, about = npz.read(folder / "outputs.npz"), data.read(folder / "fixed_filters.json")
    if not stored or not len(stored["images"]) or not len(stored["kernels"]):
        return {"relu": None, "pooling": None}
    sides = [np.maximum(sign * stored["outputs"], 0).mean((1, 2)) for sign in (1, -1)]  # each (images, kernels)
    i, k = np.unravel_index(np.minimum(*sides).argmax(), sides[0].shape)
    outputs = stored["outputs"][..., k]
    image = np.rint(np.clip(stored["images"][i], 0, 1) * 255).astype(np.uint8)
    scale = float(np.abs(outputs[i]).max()) or 1.0
    signed = pictures.signed(outputs[i] / scale)
    # the highest of four, then what is above 0, is the same as the other way round
    relu, pooled = (_grey(np.maximum(stored[name][i, ..., k], 0)) for name in ("relu", "pool_max"))
    kernels = npz.read(folder / "kernels.npz")
    name = str(stored["kernels"][k])
    drawn = kernels.get(name)
    kernel = pictures.diverging([drawn if drawn.ndim == 2 else drawn.mean(-1)]) if drawn is not None else ""
    shared = {"kernel": kernel, "name": name.replace("_", " "), "shape": outputs.shape[1:], "set": about.get("set", "")}
    return {
        "relu": shared | {"images": [_write(site, f"fixed_{n}", t) for n, t in enumerate((image, signed, relu))]},
        "pooling": shared | {"images": [_write(site, f"pool_{n}", t) for n, t in enumerate((relu, pooled))]},
    }


def _fields(model: Model, photo: Facts | None) -> Facts | None:
    """How much of the image single filters of some layers see, as boxes in percent around its centre."""
    height, width = model.facts["input_shape"][:2]
    if photo is None or not height or not width:
        return None
    boxes = []
    for layer in _spread(model.ordered()):
        field = layer.conv.get("receptive_field")
        high, wide = field or (height, width)
        share = min(100 * wide / width, 100.0), min(100 * high / height, 100.0)
        boxes.append({"layer": layer, "field": field, "whole": share == (100.0, 100.0), "width": share[0]})
        boxes[-1]["height"] = share[1]
    return {"boxes": boxes}


def _layer(layer: Layer) -> Facts:
    """A layer by the filter that stands for it: its picture, and the patch of a natural image that drives it most."""
    here = layer.filter(layer.telling())
    return {"layer": layer, "filter": here, "patch": layer.patch(here.number)}


def _growth(layer: Layer) -> Facts | None:
    k = layer.telling()
    stored, row = layer.maximized(), layer.rendered[k]
    marks = [data.number(value) for value in stored["snapshot_scores"][row]]
    steps = list(zip(stored["snapshot_steps"].tolist(), marks, strict=True))
    return {"filter": layer.filter(k), "strip": growth.sheet(layer, k, stored["snapshots"][row]), "steps": steps}


def _answers(answer: Facts) -> Facts:
    """answer: a prediction that is right, else one of which nobody knows; mistake: a wrong one, found or made."""
    told = _explained(answer)
    layer = answer["predictions"]["layer"] if answer["predictions"] else ""
    right = [e for e in told if e.get("right")] or [e for e in told if e.get("right") is None]
    wrong = next((e for e in told if e.get("right") is False), None)
    made = next(iter(answer["altered"]["pairs"]), None) if answer["altered"] else None
    mistake = {"found": wrong, "made": None if wrong else made, "layer": layer}
    return {
        "answer": {"one": right[0], "layer": layer, "kind": answer["predictions"]["kind"]} if right else None,
        "mistake": mistake if wrong or made else None,
    }


def _grey(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Black 0 or the lowest, if that is less; white the highest."""
    low, high = min(float(values.min()), 0.0), float(values.max())
    grey = np.rint((values - low) * (255 / ((high - low) or 1))).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def _write(site: Site, name: str, image: NDArray[np.uint8]) -> Facts:
    path = f"assets/walk/{name}.png"
    site.files.later(path, partial(pictures.png, image))
    return {"src": url(*path.split("/")), "height": image.shape[0], "width": image.shape[1]}
