"""Predictions of a classifier, and why it made some of them: from one model's outputs to its files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnviz.analysis import files
from cnnviz.analysis.files import Pixels
from cnnviz.analysis.observe import Observer
from cnnviz.analysis.predictions import files as predictions_files
from cnnviz.analysis.predictions import gradcam
from cnnviz.analysis.predictions import outputs as predictions
from cnnviz.analysis.section import AnalyzeSection
from cnnviz.errors import InputError, choices
from cnnviz.files import progress
from cnnviz.networks import Head

if TYPE_CHECKING:
    from cnnviz.networks import ModelSection

WHERE = "params.yaml: models"


def explain(
    observer: Observer,
    described: Mapping[str, Any],
    outputs: Mapping[str, predictions.Outputs],
    model: "ModelSection",
    options: AnalyzeSection,
    pixels: Pixels,
    artifacts: Path,
) -> dict[str, Any]:
    """Write the predictions into `<artifacts>/analysis/<model>/`, if the model is a classifier.

    Returns `labelled_images` and `accuracy` for metrics.json. Raises InputError where params.yaml asks for a class,
    layer or image that is not there.
    """
    key, head = described["name"], observer.head
    if head is None:
        return predictions.headline({})
    names = predictions.class_names(described, head.classes)
    found = {name: _against_labels(pixels, name, outputs[name], names, head, model, key) for name in pixels.names}
    layer = model.explained_layer or gradcam.default_layer(observer.graph, list(observer.convs))
    if layer not in observer.convs:
        raise InputError(f"{WHERE}.{key}.explained_layer: no layer {layer!r}; {choices(layer, observer.convs)}")
    folder = artifacts / "analysis" / key
    rendered = files.rendered_images(artifacts / "maximize" / key / f"{layer}.npz")
    patches = files.examples_of(folder, layer)
    writer = predictions_files.Writer(folder, pixels, names, found, layer, rendered, patches)
    explainer = gradcam.Explainer(observer.graph, head, described["preprocessing"], layer)
    asked = model.explain
    places = predictions.chosen(found, options.mistakes, options.doubtful, asked, f"{WHERE}.{key}.explain")
    entries = []
    with progress(len(places), "prediction", f"explain {key}") as bar:
        for name, i in places:
            classes = int(found[name].predicted[i]), found[name].contrast(i)[0]
            entries.append(writer.explained(name, i, explainer.explain(writer.image(name, i), classes)))
            bar.update()
    writer.table()
    writer.summary(entries)
    return predictions.headline(found)


def _against_labels(
    pixels: Pixels,
    name: str,
    outputs: predictions.Outputs,
    names: list[str],
    head: Head,
    model: "ModelSection",
    key: str,
) -> predictions.Predictions:
    fit = model.labels.get(name)
    true = predictions.true_classes(pixels.sets[name], names, fit, f"{WHERE}.{key}.labels.{name}")
    logits = outputs.logits
    return predictions.Predictions(logits, head.probabilities(logits), true, outputs.features)
