"""What the page of a model says besides report_data.model: plots, comparisons, predictions."""

from pathlib import Path

from cnnviz import report_data
from cnnviz.report_data import Facts
from cnnviz.report_pictures import Picture, opened
from cnnviz.site import pictures, predictions
from cnnviz.site.filters import Site
from cnnviz.site.layers import Model
from cnnviz.site.links import url
from cnnviz.site.pairs import Pair
from cnnviz.stage import write_bytes

TELLING = {
    "statistics": "Firing rate, sparsity, selectivity, dead and redundant filters, layer by layer",
    "histograms": "Histograms of the pre-activations of up to 12 layers, a colour per image set",
}


def plot(out: Path, source: Path, path: str, alt: str) -> Picture | None:
    """Copy a plot into the site, None where there is none."""
    if not source.is_file():
        return None
    picture = opened(source)
    write_bytes(out / path, pictures.webp(picture, lossless=True))
    return Picture(url(*path.split("/")), picture.width, picture.height, alt)


def facts(site: Site, model: Model, compared: list[Pair]) -> Facts:
    """Plots of the analysis, and the pairs in which this model is."""
    folder = model.artifacts / "analysis" / model.key
    plots = []
    for path in sorted(folder.glob("*.png")):
        if path.stem == "predictions":  # shown image by image
            continue
        alt = TELLING.get(path.stem, "Mean activation of every filter on one image set against another")
        if shown := plot(site.out, path, f"{model.key}/{path.stem}.webp", f"{model.key}: {alt}"):
            plots.append((alt, shown))
    plots.sort(key=lambda one: "layer by layer" not in one[0])
    own = [pair for pair in compared if model in (pair.one, pair.other) and pair.one is not pair.other]
    objectives = [
        one
        | {
            "pictures": [
                pictures.unpack(site.out, f"{model.key}/objective_{one['name']}_{i}.webp", p)
                for i, p in enumerate(one["pictures"])
            ],
            "steps": pictures.unpack(site.out, f"{model.key}/objective_{one['name']}_steps.webp", one["steps"]),
        }
        for one in model.facts["objectives"]
    ]
    said = predictions.facts(site, model)
    return {
        "predictions": said,
        "plots": plots,
        "own_pairs": own,
        "objectives": objectives,
        "analysis": report_data.read(folder / "metrics.json"),
    }
