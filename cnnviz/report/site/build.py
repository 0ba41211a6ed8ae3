"""Write all pages of the site: what they share, then model by model, layer by layer, filter by filter."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from cnnviz.files import abreast, progress
from cnnviz.report import data
from cnnviz.report.data import Facts, Notes
from cnnviz.report.site import (
    altered,
    beside,
    clouds,
    curves,
    every,
    filters,
    image_pages,
    layer_page,
    listing,
    model_page,
    pairs,
    pictures,
    predictions,
    search,
    sheets,
    tables,
    walk,
)
from cnnviz.report.site.alike import Alike
from cnnviz.report.site.filters import Context, Site
from cnnviz.report.site.layers import Layer, Model, read_model
from cnnviz.report.site.pairs import Pair
from cnnviz.report.site.photos import Photos


@dataclass
class Writer:
    """Renders templates of `templates/site/` into files; `root` of a page is the way back to the site's folder."""

    env: jinja2.Environment
    site: Site
    shared: Facts

    def page(self, template: str, path: str, **values: Any) -> None:
        root = "../" * path.count("/")
        text = self.env.get_template(f"site/{template}.html").render(self.shared, root=root, **values)
        self.site.files.write(path, text.encode())


def build(env: jinja2.Environment, artifacts: Path, out: Path, facts: list[Facts], shared: Facts, notes: Notes) -> None:
    """Write the site into `out`.

    facts: report.facts.model of every model; shared: what report.render knows for all pages (sets, fixed filters).
    """
    names = list(shared["sets"])
    models = {one["key"]: read_model(artifacts, one["key"], names, one) for one in facts}
    files = pictures.Files(out)
    photos = Photos(artifacts, files, names)
    classes = {name: one.class_names for name, one in photos.sets.items()}
    for model in models.values():
        model.facts["set_classes"] = classes
        model.notes = notes.get(model.key, {})
    every = [layer for model in models.values() for layer in model.ordered()]
    with progress(2 * len(every), "layer", "report", f"pages of {len(models)} models, {len(every)} layers") as bar:
        sheets.prepare(models.values(), files, bar.update)
        compared = pairs.read(artifacts, models)
        site = Site(files, models, photos, pairs.twins(compared), Alike(models))
        _choose_pages(site, compared)
        writer = Writer(env, site, {"site": site, "models": list(models.values()), "pairs": compared, **shared})
        writer.shared["with_images"] = bool(photos.sets)
        writer.shared["trained"] = beside.pairs(models)
        writer.shared["version"] = _assets(env, files, models, compared, photos)
        if fixed := shared["fixed"]:
            drawn = {name: files.unpack(p, f"assets/fixed/{name}.webp") for name, p in fixed["pictures"].items() if p}
            writer.shared["fixed"] = fixed | {"pictures": dict.fromkeys(fixed["pictures"]) | drawn}
        known = {
            key: {layer.name: tables.of_layer(layer, compared) for layer in model.ordered()}
            for key, model in models.items()
        }
        answers = {key: model_page.facts(site, model, compared, known[key]) for key, model in models.items()}
        writer.shared["walk"] = walk.facts(site, answers)
        writer.page("home", "index.html")
        if writer.shared["walk"]:
            writer.page("walk", "walk.html", **writer.shared["walk"])
        listing.of_models(files, list(models.values()))
        _compare(writer, compared, artifacts)
        for two in writer.shared["trained"]:
            writer.page("epochs_pair", two.path, **beside.facts(two))
        image_pages.write(site, writer)
        for model in models.values():
            values = answers[model.key] | listing.of_model(site, model)
            writer.page("model", f"{model.key}/index.html", model=model, **values)
            values = listing.filters(site, model, known[model.key])
            writer.page("filters", f"{model.key}/filters.html", model=model, **values)
        files.finish()

        def write(layer: Layer) -> None:
            _layer(writer, layer, known[layer.model.key][layer.name])

        abreast(write, every, lambda layer: layer.filters, bar.update, files.begin, files.finish)


def _choose_pages(site: Site, compared: list[Pair]) -> None:
    """Which filters have a whole page: rendered and noted ones, whatever these are connected to or compared with.

    The others have a light one. Of a layer of more rendered filters than those of which everything is kept, these have
    a whole page, and what is noted, enlarged, or named on the page of a model or a pair.
    """
    chosen: dict[str, dict[str, set[int]]] = {
        key: {layer.name: set(layer.whole) for layer in model.ordered()} for key, model in site.models.items()
    }
    every = [layer for model in site.models.values() for layer in model.ordered()]
    alike = site.alike.best([(layer.model.key, layer.name, k) for layer in every for k in layer.whole])

    def connect(key: str, name: str, k: int) -> None:
        layer = site.models[key].layers[name]
        if len(layer.rendered) == len(layer.whole):
            chosen[key][name].add(k)

    for model in site.models.values():
        for name, noted in model.notes.items():
            chosen[model.key][name].update(noted)
        for name, large in model.enlarged.items():
            chosen[model.key][name].update(map(int, large))
        for name, k in predictions.filters(model) | altered.filters(model):
            chosen[model.key][name].add(k)
        for layer in model.ordered():
            for name, k in filters.neighbours(Context.of(layer, whole=False), layer.whole) if layer.whole else ():
                connect(model.key, name, k)
            for k in layer.whole:
                for (key, name, other), _ in (
                    *alike[model.key, layer.name, k],
                    *site.twins.get((model.key, layer.name, k), []),
                ):
                    connect(key, name, other)
    for pair in compared:
        for place in (end for match in pair.shown_matches() for end in (match.one, match.other)):
            chosen[place[0]][place[1]].add(place[2])
        for row in (row for side in pair.changed() for row in side):
            for key in (pair.one.key, pair.other.key):
                chosen[key][row["layer"]].add(row["filter"])
    for key, model in site.models.items():
        model.pages = chosen[key]
    pages = [(key, name, k) for key, layers in chosen.items() for name, filters_ in layers.items() for k in filters_]
    site.matches = site.alike.best(pages)


def _assets(
    env: jinja2.Environment, files: pictures.Files, models: dict[str, Model], compared: list[Pair], photos: Photos
) -> str:
    """Write style, script and the index that the search reads; return what tells their versions apart."""
    style, script = shared_files(env)
    index = search.index(models, compared, photos)
    for name, text in (("site.css", style), ("site.js", script), ("index.js", index)):
        files.write(f"assets/{name}", text.encode())
    return hashlib.sha256((style + script + index).encode()).hexdigest()[:8]


def shared_files(env: jinja2.Environment) -> tuple[str, str]:
    """Style and script of all pages."""
    style = "\n".join(env.get_template(name).render() for name in ("style.css", *_parts(env, "css")))
    return style, "".join(env.get_template(name).render() for name in _parts(env, "js"))


def _parts(env: jinja2.Environment, kind: str) -> list[str]:
    """Styles or scripts of the site: what all pages share first, then by name, each for itself."""
    found = env.list_templates(filter_func=lambda name: name.startswith("site/") and name.endswith(f".{kind}"))
    return sorted(found, key=lambda name: (name != f"site/site.{kind}", name))


def _compare(writer: Writer, compared: list[Pair], artifacts: Path) -> None:
    folder, files = artifacts / "compare", writer.site.files
    if not compared:
        return
    depth = curves.depth(writer.site.models, tables.read(folder / "depth.csv"))
    table = data.read(folder / "metrics.json")
    listed = listing.of_compared(files, list(writer.site.models.values()))
    writer.page("compare", "compare/index.html", metrics=table, depth=depth, files=listed)
    for pair in compared:
        numbers = table.get("pairs", {}).get(pair.name, {})
        known = listing.of_pair(files, pair)
        writer.page(
            "pair", f"compare/{pair.name}.html", pair=pair, numbers=numbers, drift_plots=clouds.drift(pair), **known
        )


def _layer(writer: Writer, layer: Layer, table: tables.Table) -> None:
    """The page of a layer, and those of its filters."""
    context, site = Context.of(layer), writer.site
    writer.page("layer", f"{layer.folder}/index.html", layer=layer, **layer_page.facts(site, context, table))
    whole, asked = layer.model.pages[layer.name], every.command(layer, layer.model.facts["asked"])
    light = every.Light(site, context, table, layer.model.facts["asked"]) if len(whole) < layer.filters else None
    for k in range(layer.filters):
        ways = {"before": f"{k - 1}.html" if k else "", "after": f"{k + 1}.html" if k + 1 < layer.filters else ""}
        if light is None or k in whole:
            found = filters.facts(site, context, k) | {"asked": asked}
            writer.page("filter", f"{layer.folder}/{k}.html", **found, **ways)
            if found["image"]:
                writer.page("embed", f"{layer.folder}/{k}_embed.html", **found)
        else:
            writer.page("light", f"{layer.folder}/{k}.html", **light.facts(k), **ways)
