"""The page of one's own image (`cnnviz.ask`), by the template and the script of the site's image pages."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnviz.analysis import LEVELS, Placed, quantised
from cnnviz.pictures import shown
from cnnviz.report.data import Facts
from cnnviz.report.pages import environment, is_whole
from cnnviz.report.site import build, image_pages, pictures, places, search
from cnnviz.report.site.links import url
from cnnviz.report.site.photos import LONGEST, Photo, eye

OVER = 1.01  # times its highest output on the images here, from which an output counts as higher


@dataclass(frozen=True)
class Asked:
    """What one network makes of an image.

    described: its model.json; placed: of its layers; values: of each of these, float32 `(channels, cells down, cells
    across)`, the highest outputs above 0; seen: the image as it was shown to it, uint8 `(h, w, channels)`; why_not: in
    a sentence, why it was not, then there are no values; kind, names, answer: of its answer, `(names,)`, None where it
    gives none.
    """

    key: str
    described: Facts
    placed: Mapping[str, Placed]
    values: Sequence[NDArray[np.float32]] = ()
    seen: NDArray[np.uint8] | None = None
    why_not: str = ""
    kind: str = "none"
    names: Sequence[str] = ()
    answer: NDArray[np.float32] | None = None


def write_asked(out: Path, title: str, image: NDArray[np.uint8], asked: Sequence[Asked], report: Path) -> Path:
    """Write `index.html` and what it loads into `out`, an empty folder; returns its path.

    image: uint8 `(h, w, 3)`; report: the whole one, whose pictures and pages it leads to where it is there.
    """
    env, files = environment(), pictures.Files(out)
    there = is_whole(report) and (report / places.FOLDER).is_dir()
    root = quote(os.path.relpath(report, out).replace(os.sep, "/")) + "/" if there else ""
    style, script = build.shared_files(env)
    own = {"site.css": style, "site.js": script} | ({} if there else {"index.js": search.script()})
    for name, text in own.items():
        files.write(f"assets/{name}", text.encode())
    small = Image.fromarray(image)
    small.thumbnail((2 * LONGEST, 2 * LONGEST))
    files.write("image.webp", pictures.webp(small))
    found = [_of_model(files, one, image, report if there else None) for one in asked]
    models = [one["model"] for one in found if one["model"]["url"]]
    page = env.get_template("site/ask.html").render(
        root=root,
        assets="assets/",
        local="",
        version=hashlib.sha256((style + script).encode()).hexdigest()[:8],
        preview="",
        models=models,
        pairs=(report / "compare" / "index.html").is_file() and there,
        **({"images": True} if there else {}),
        photo=Photo("image.webp", *small.size, title),
        about={"height": image.shape[0], "width": image.shape[1]},
        found=found,
        asks=image_pages.asks(found),
        kept=1,
    )
    files.write("index.html", page.encode())
    files.finish()
    return out / "index.html"


def _of_model(files: pictures.Files, one: Asked, image: NDArray[np.uint8], report: Path | None) -> Facts:
    about = _described(one, report)
    has_page = report is not None and (report / one.key / "index.html").is_file()
    model = {"key": one.key, "url": url(one.key, "index.html") if has_page else None}
    found: Facts = {"key": one.key, "model": model}
    found |= {"saw": not one.why_not, "answer": None, "said": "", "seen": None, "levels": None, "strongest": []}
    if one.why_not:
        return found
    found["said"] = places.said(image.shape, one.described)
    if one.answer is not None:
        stored = {"class_names": np.array(one.names)}
        stored["own/values" if one.kind == "regression" else "own/probabilities"] = one.answer[None]
        likeliest = image_pages.likeliest(one.kind, stored, "own", 0)
        found["answer"] = {"kind": one.kind, "likeliest": likeliest, "verdict": None, "why": "", "true": ""}
    if one.seen is not None and places.differs(image.shape, one.described):
        path = f"{places.FOLDER}/{one.key}/own.webp"
        seen = shown(one.seen, eye(one.described)[1])
        files.write(path, pictures.webp(seen))
        found["seen"] = url(*path.split("/"))
    places.write_model(files, about)
    found["described"] = url(*places.model_file(one.key).split("/"))
    levels, over, shares = _levels(one)
    found["levels"] = places.write_levels(files, one.key, "own", levels, over)
    found["strongest"] = places.strongest(about, shares)
    for chip, (layer, k) in ((c, (c["layer"], c["number"])) for c in found["strongest"]):
        names = [each["title"] for each in about["layers"]]
        chip["value"] = float(one.values[names.index(layer)][k].max())
    return found


def _levels(one: Asked) -> tuple[NDArray[np.uint8], dict[int, float], list[NDArray[np.float64]]]:
    """Levels in one row, what is higher than on the images here (see places.write_levels), and shares."""
    over: dict[int, float] = {}
    rows, shares, first = [], [], 0
    for placed, values in zip(one.placed.values(), one.values, strict=True):
        most, known = values.max((1, 2)), np.isfinite(placed.highest)
        highest = np.where(known, np.maximum(placed.highest, 0), 0)
        above = known & (most > OVER * highest)
        scale = np.where(above, most, highest)
        safe = np.where(scale > 0, scale, np.inf)[:, None, None]
        rows.append(quantised(values / safe).ravel())
        over |= {first + int(k): float(most[k]) for k in np.flatnonzero(above)}
        with np.errstate(divide="ignore", invalid="ignore"):
            at = highest[:, None, None]
            shares.append(np.where(known[:, None, None] & (values > 0), values / at, 0))
        first += len(highest)
    return np.concatenate(rows), over, shares


def _described(one: Asked, report: Path | None) -> Facts:
    """As places.described; pages and pictures as the report has them, none without it."""
    titles = {conv["name"]: conv.get("title", conv["name"]) for conv in one.described["conv_layers"]}
    told = places.read_model(report, one.key) if report else None
    layers = []
    for i, (name, placed) in enumerate(one.placed.items()):
        bare: Facts = {"url": None, "sheets": [None, None]}
        if told and len(told["layers"]) == len(one.placed) and told["layers"][i]["title"] == titles[name]:
            bare = {key: told["layers"][i][key] for key in bare}
        layers.append({"title": titles[name], **bare, **places.measured(placed)})
    return {"key": one.key, "levels": LEVELS, "faint": places.FAINT, "layers": layers}
