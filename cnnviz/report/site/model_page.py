"""What the page of a model says besides report_data.model: plots, comparisons, predictions."""

from cnnviz.report import data
from cnnviz.report.data import Facts
from cnnviz.report.site import altered, predictions
from cnnviz.report.site.filters import Site
from cnnviz.report.site.layers import Model
from cnnviz.report.site.pairs import Pair

TELLING = {
    "statistics": "Firing rate, sparsity, selectivity, silent and redundant filters, layer by layer",
    "histograms": "Histograms of the pre-activations of up to 12 layers, a colour per image set",
}


def facts(site: Site, model: Model, compared: list[Pair]) -> Facts:
    """Plots of the analysis, and the pairs in which this model is."""
    folder = model.artifacts / "analysis" / model.key
    plots = []
    for path in sorted(folder.glob("*.png")):
        if path.stem == "predictions":  # shown image by image
            continue
        alt = TELLING.get(path.stem, "Mean activation of every filter on one image set against another")
        if shown := site.files.copy(path, f"{model.key}/{path.name}", f"{model.key}: {alt}"):
            plots.append((alt, shown))
    plots.sort(key=lambda one: "layer by layer" not in one[0])
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
        "plots": plots,
        "own_pairs": own,
        "objectives": objectives,
        "analysis": data.read(folder / "metrics.json"),
        "by_layer": model.analysis,
    }
