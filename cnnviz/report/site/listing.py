"""Tables beyond a layer's: a network's filters and rankings, predictions and scores, pairs, headline numbers."""

from collections.abc import Mapping, Sequence

from cnnviz.report.data import Facts
from cnnviz.report.site import rows, tables
from cnnviz.report.site.filters import Site
from cnnviz.report.site.layers import Model
from cnnviz.report.site.links import url
from cnnviz.report.site.pairs import Pair
from cnnviz.report.site.pictures import Files
from cnnviz.report.site.tables import Table


def filters(site: Site, model: Model, known: Mapping[str, Table]) -> Facts:
    """The page of all filters of a network; known: tables of its layers. Writes the files beside it."""
    whole = tables.of_model(known)
    shown = rows.columns(whole, model.training.labels if model.training else ())
    tables.write(site.files, f"{model.key}/filters", whole)
    site.files.write(f"{model.key}/filters.js", rows.script(model, known, whole, shown))
    return {
        "total": len(whole["filter"]),
        "width": len(whole),
        "rankings": rows.rankings(model, whole, shown),
    }


def of_model(site: Site, model: Model) -> Facts:
    """`files`: the tables beside a model's page, (address without ending, what it holds)."""
    sources = {
        "predictions": ("analysis", "predictions.csv", "predictions"),
        "scores": ("maximize", "filters.csv", "scores of the rendered filters"),
    }
    found = [("filters", "all its filters")]
    for name, (room, file, what) in sources.items():
        table = tables.read(model.artifacts / room / model.key / file)
        if tables.write(site.files, f"{model.key}/{name}", table):
            found.append((name, what))
    return {"files": found}


def of_models(files: Files, models: Sequence[Model]) -> None:
    """The headline numbers of the home page."""
    rows_ = [{"model": model.key, **model.facts["headline"]} for model in models]
    tables.write(files, "assets/models", tables.of_rows(rows_))


def of_compared(files: Files, models: Sequence[Model]) -> list[tuple[str, str]]:
    """The tables beside the page of all comparisons."""
    names = {"models": "headline numbers", "depth": "measures over depth"}
    folder = models[0].artifacts / "compare"
    return [
        (name, what)
        for name, what in names.items()
        if tables.write(files, f"compare/{name}", tables.read(folder / f"{name}.csv"))
    ]


def of_pair(files: Files, pair: Pair) -> Facts:
    """`tables`: what lies beside a pair's page; `changed_most`: of all its filters those that changed most."""
    folder = pair.one.artifacts / "compare"
    found = {
        kind: url(name)
        for kind in ("matches", "drift")
        if tables.write(
            files, f"compare/{(name := f'{pair.name}_{kind}')}", tables.read(folder / kind / f"{pair.name}.csv")
        )
    }
    chosen = [row for key in ("distance", "correlation") for row in pair.most_changed(key, rows.TOP)]
    unique = {(row["layer"], row["filter"]): row for row in chosen}
    most = sorted(unique.values(), key=lambda row: -(row["distance"] or 0))
    return {"tables": found, "changed_most": [_changed(pair, row) for row in most]}


def _changed(pair: Pair, row: Facts) -> Facts:
    before, after = (model.layers[row["layer"]].filter(row["filter"]) for model in (pair.one, pair.other))
    numbers = {key: rows.text(row[key]) for key in tables.DRIFT}
    return {"before": before, "after": after, **numbers}
