"""What of a filter's page can be passed on: a link that knows what it meant, a card, a page to be embedded."""

import hashlib
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.report import wording
from cnnviz.report.data import Facts
from cnnviz.report.site import card
from cnnviz.report.site.growth import drawn
from cnnviz.report.site.layers import Layer
from cnnviz.report.site.photos import Photos, eye

DIGITS = 12  # of a digest in a link
CARDS = 16  # rendered filters of a layer, from the first on, that get a card


def of_filter(photos: Photos, layer: Layer, data: dict[str, NDArray], k: int, found: Facts, numbers: str) -> Facts:
    """Digests, and what is written to share filter k. found: the facts of its page; numbers: its JSON file.

    A link's `?v=<picture>-<numbers>` is made of the digests of the picture's pixels and of the JSON file.
    """
    image = drawn(layer, data, layer.rendered[k]) if k in layer.rendered else None
    picture = "" if image is None else hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()
    whole = hashlib.sha256(numbers.encode()).hexdigest()
    version = f"{picture[:DIGITS] or 'none'}-{whole[:DIGITS]}"
    share: Facts = {"picture": picture, "numbers": whole, "version": version, "card": ""}
    if image is not None and layer.rendered[k] < CARDS:
        share["card"] = f"{k}_card.png"
        patches = [
            photos.patch(e["set"], e["image"], e["box"], eye(layer.model.facts), card.PATCH)
            for part in found["natural"][:1]
            for e in part["examples"][: card.PATCHES]
        ]
        one = card.Card(
            f"filter {k}",
            f"{layer.title} of {layer.model.key}",
            image,
            patches,
            _numbers(layer, k),
            _words(found),
            [
                f"{layer.model.facts['title']}; weights {layer.model.facts['digest'][:DIGITS]}…; made by cnnviz",
                f"picture sha256 {picture}",
            ],
        )
        photos.files.later(f"{layer.folder}/{share['card']}", partial(card.png, one))
    return {"share": share}


def _numbers(layer: Layer, k: int) -> list[str]:
    scores: dict[str, Any] = layer.scores[k]
    robust = f"robust score {wording.measure(scores['robust_score'], 'robust_score')}"
    nature = f"{wording.measure(scores['against_nature'], 'against_nature')} nature"
    status = layer.status[k]
    return [f"{robust}, {nature}" + (f" ({status})" if status != "ok" else "")]


def _words(found: Facts) -> list[str]:
    told = [f"on {one['set']} it tells {one['words']} apart" for one in found["told"] if one["sure"]]
    return [*([found["note"]] if found["note"] else []), *told]
