"""What the search of the site finds (templates/site/site.js): layers with their filters, and pages by their words."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cnnviz.report.site import words
from cnnviz.report.site.layers import Model
from cnnviz.report.site.pairs import Pair
from cnnviz.report.site.photos import Photos

CLASSES = 2000  # of a model at most
BEGIN, END = "window.cnnvizIndex = ", ";\n"

Entry = tuple[str, str, str, str]  # what is shown, its address, more words that find it, its very name


def index(models: Mapping[str, Model], compared: Sequence[Pair], photos: Photos) -> str:
    """The script that the search loads: `layers` by model, `pages`."""
    layers = [
        [
            key,
            [
                [layer.title, layer.url, layer.filters, sorted(model.pages[layer.name]), words.searchable(layer)]
                for layer in model.ordered()
            ],
        ]
        for key, model in models.items()
    ]
    return script(layers, [*_pages(models, compared), *_classes(models), *_images(photos)])


def extended(index: str, pages: Iterable[Entry]) -> str:
    """The script with more pages."""
    found = json.loads(index.removeprefix(BEGIN).removesuffix(END))
    return script(found["layers"], [*found["pages"], *pages])


def script(layers: Sequence[Any] = (), pages: Iterable[Entry] = ()) -> str:
    found = json.dumps({"layers": list(layers), "pages": list(pages)}, separators=(",", ":"))
    return BEGIN + found.replace("<", "\\u003c") + END


def _pages(models: Mapping[str, Model], compared: Sequence[Pair]) -> Iterator[Entry]:
    yield "home: all models", "index.html", "start overview numbers fixed filters", "home"
    if any(layer.rendered for model in models.values() for layer in model.ordered()):
        yield "walk: how a network sees, step by step", "walk.html", "start tour learn explanation pixels", "walk"
    yield "images: all images", "images/index.html", "pictures photos", "images"
    if compared:
        yield "compare: how alike the models are", "compare/index.html", "comparison CKA similar", "compare"
    for key, model in models.items():
        yield f"{key}: {model.facts['title']}", model.url, "model network architecture parameters provenance", key
        for one in model.facts["objectives"]:
            yield (
                f"{key}: objective {one['name']}",
                f"{model.url}#objectives",
                str(one["description"]),
                str(one["name"]),
            )
    for pair in compared:
        own = pair.one.key == pair.other.key
        said = f"{pair.one.key} with itself" if own else f"{pair.one.key} and {pair.other.key}"
        yield f"compare: {said}", pair.url, "comparison CKA similar matching filters drift", pair.name


def _classes(models: Mapping[str, Model]) -> Iterator[Entry]:
    """Classes that networks know, where their predictions are."""
    for key, model in models.items():
        head = model.facts.get("head") or {}
        named = model.facts.get("class_names") or head.get("names") or ()
        if (model.artifacts / "analysis" / key / "predictions.csv").is_file():
            for name in named[:CLASSES]:
                yield f"{key}: class {name}", f"{model.url}#predictions", "predictions", str(name)


def _images(photos: Photos) -> Iterator[Entry]:
    """By title (a class, where it is known), set, number and file name."""
    for name, one in photos.sets.items():
        for i, photo in enumerate(photos.of(name)):
            yield f"image {photo.title} ({name} {i})", photo.page, str(one.names[i]), photo.title
