"""What the page of a model says besides report.facts.model: plots, comparisons, predictions."""

from collections.abc import Mapping

from cnnviz.report import data
from cnnviz.report.data import Facts
from cnnviz.report.site import altered, clouds, curves, life, predictions
from cnnviz.report.site.filters import Site
from cnnviz.report.site.layers import Model
from cnnviz.report.site.pairs import Pair
from cnnviz.report.site.tables import Table

HISTOGRAMS = "Histograms of the pre-activations of up to 12 layers, a colour per image set"


def facts(site: Site, model: Model, compared: list[Pair], known: Mapping[str, Table]) -> Facts:
    """Plots of the analysis, and the pairs in which this model is. known: tables of its layers."""
    folder = model.artifacts / "analysis" / model.key
    drawn = site.files.copy(folder / "histograms.png", f"{model.key}/histograms.png", f"{model.key}: {HISTOGRAMS}")
    own = [pair for pair in compared if model in (pair.one, pair.other) and pair.one is not pair.other]
    objectives = [
        one
        | {
            "pictures": [
                site.files.unpack(p, f"{model.key}/objective_{one['name']}_{i}.webp")
                for i, p in enumerate(one["pictures"])
            ],
            "steps": site.files.unpack(one["steps"], f"{model.key}/objective_{one['name']}_steps.webp"),
        }
        for one in model.facts["objectives"]
    ]
    outputs = [
        (name, site.files.unpack(picture, f"{model.key}/outputs_{name}.webp"))
        for name, picture in model.facts["outputs"]
    ]
    return {
        "outputs": outputs,
        "predictions": predictions.facts(site, model),
        "altered": altered.facts(site, model),
        "histograms": (HISTOGRAMS, drawn) if drawn else None,
        "statistics": curves.statistics(model, known),
        "preferences": clouds.preferences(model),
        "own_pairs": own,
        "objectives": objectives,
        "life": life.of_model(model.training, {one.name: one.filter(one.telling()) for one in model.ordered()}),
        "analysis": data.read(folder / "metrics.json"),
        "by_layer": model.analysis,
    }
