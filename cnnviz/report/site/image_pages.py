"""A page for every image: what each network says about it, and which filters fire where in it (places.py)."""

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import share, split
from cnnviz.files import npz, read_csv
from cnnviz.report import data
from cnnviz.report.data import Facts
from cnnviz.report.site import places
from cnnviz.report.site.filters import Site
from cnnviz.report.site.layers import Model
from cnnviz.report.site.links import url

LIKELIEST = 5  # classes, or values, of an answer on a page


def write(site: Site, writer: Any) -> None:
    """Write all pages `images/<set>/<i>.html`, their index, and the files that they load."""
    photos, models = site.photos, list(site.models.values())
    with_places = [model for model in models if model.places]
    abouts = {model.key: places.described(model) for model in with_places}
    for about in abouts.values():
        places.write_model(site.files, about)
    answers = {model.key: _answers(model) for model in models}
    kept: dict[str, int] = {}
    for name in photos.sets:
        every = photos.of(name)
        with places.stored(with_places, name) as levels:
            kept[name] = max(map(len, levels.values()), default=0)
            for i, photo in enumerate(every):
                found = [
                    _of_model(site, model, name, i, levels, abouts) | {"answer": answers[model.key].get((name, i))}
                    for model in models
                ]
                facts = {"set": name, "i": i, "of": len(every), "found": found, "kept": kept[name]}
                facts |= {
                    "before": f"{i - 1}.html" if i else "",
                    "after": f"{i + 1}.html" if i + 1 < len(every) else "",
                }
                facts |= {"photo": photo, "asks": asks(found), "about": _about(site, name, i)}
                writer.page("image", photo.page, **facts)
    writer.page("images", "images/index.html", every={name: photos.of(name) for name in photos.sets}, kept=kept)
    if with_places:
        places.write_images(site.files, photos, kept)


def _about(site: Site, name: str, i: int) -> Facts:
    one = site.photos.sets[name]
    height, width = one.sizes[i].tolist()
    return {"name": str(one.names[i]), "height": height, "width": width, "channels": one.channels}


def _of_model(
    site: Site, model: Model, name: str, i: int, levels: dict[str, npz.Archive], abouts: dict[str, Facts]
) -> Facts:
    """What one model has to do with an image. saw: whether it was shown to it at all."""
    found: Facts = {"key": model.key, "model": model, "saw": name in model.sets}
    found |= {"strongest": [], "levels": None, "seen": None, "said": ""}
    if not found["saw"]:
        return found
    found["said"] = places.said(site.photos.sets[name].image(i).shape, model.facts)
    if model.key in levels and str(i) in levels[model.key]:
        own = levels[model.key][str(i)]
        found["seen"] = places.seen(site.photos, model, name, i)
        found["described"] = url(*places.model_file(model.key).split("/"))
        found["levels"] = places.write_levels(site.files, model.key, f"{name}_{i}", own)
        found["strongest"] = places.strongest(
            abouts[model.key], [share(one) for one in split(own, model.places).values()]
        )
    return found


def asks(found: list[Facts]) -> list[list[Any]]:
    """What the page's script has to know: model, its description, key and address of the levels, image as seen."""
    names = ("described", "levels", "seen", "said")
    return [[one["key"], *(one[name] for name in names)] for one in found if one["levels"]]


def _answers(model: Model) -> dict[tuple[str, int], Facts]:
    """By set and image: the likeliest classes (or the values), right or wrong, and where it is explained."""
    folder = model.artifacts / "analysis" / model.key
    about = data.read(folder / "predictions.json")
    if not about or not (folder / "predictions.csv").is_file():
        return {}
    stored = npz.read(folder / "predictions.npz")
    why: dict[tuple[str, int], str] = defaultdict(str)
    for one in about["explained"]:
        why[one["set"], one["image"]] = f"{model.url}#why-{one['set']}-{one['image']}"
    for one in _altered(model):
        why.setdefault((one["set"], one["image"]), f"{model.url}#altered")
    found: dict[tuple[str, int], Facts] = {}
    for row in read_csv(folder / "predictions.csv"):
        place = row["set"], int(row["image"])
        facts: Facts = {"predicted": row["predicted_class"], "true": row.get("true_class", ""), "why": why[place]}
        facts["verdict"] = {"True": "right", "False": "wrong"}.get(row.get("right", ""), "")
        facts["kind"] = about.get("kind", "classes")
        facts["likeliest"] = likeliest(facts["kind"], stored, *place)
        found[place] = facts
    return found


def _altered(model: Model) -> list[Facts]:
    found = data.read(model.artifacts / "analysis" / model.key / "altered.json")
    return list(found.get("pairs", [])) if found else []


def likeliest(kind: str, stored: dict[str, NDArray], name: str, i: int) -> list[tuple[str, float]]:
    """Names with their probabilities, the largest first, or with the values themselves; none where they are no numbers.

    stored: predictions.npz.
    """
    key = f"{name}/{'values' if kind == 'regression' else 'probabilities'}"
    if key not in stored or not np.isfinite(stored[key][i]).all():
        return []
    values = stored[key][i]
    order = np.arange(len(values)) if kind == "regression" else np.argsort(-values, kind="stable")
    return [(str(stored["class_names"][c]), float(values[c])) for c in order[:LIKELIEST]]
