"""What a network says about the images, and why it said some of it: from one model's scores to its files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnviz.analysis import altered, causes, files
from cnnviz.analysis.files import Pixels
from cnnviz.analysis.layers import LayerAnalysis, means
from cnnviz.analysis.observe import Observer
from cnnviz.analysis.predictions import files as predictions_files
from cnnviz.analysis.predictions import gradcam, labels, trial
from cnnviz.analysis.predictions import outputs as predictions
from cnnviz.analysis.section import AnalyzeSection
from cnnviz.errors import InputError, choices
from cnnviz.files import progress
from cnnviz.networks import Head, ancestors

if TYPE_CHECKING:
    from cnnviz.networks import ModelSection

WHERE = "params.yaml: models"


def explain(
    observer: Observer,
    described: Mapping[str, Any],
    found: predictions.Found,
    model: "ModelSection",
    options: AnalyzeSection,
    pixels: Pixels,
    artifacts: Path,
    layers: Mapping[str, LayerAnalysis],
) -> dict[str, Any]:
    """Write the predictions into `<artifacts>/analysis/<model>/`, if the model gives classes, labels or values.

    found: see `against_labels`; layers: what all filters do on the images. Returns `labelled_images`, `accuracy` and
    what `altered.explain` does for metrics.json. Raises InputError where params.yaml asks for a layer or image that
    is not there.
    """
    key, head = described["name"], observer.head
    if not head.answers:
        return predictions.headline({}) | altered.headline(0, [])
    layer = _layer(observer, model.explained_layer, f"{WHERE}.{key}.explained_layer")
    folder = artifacts / "analysis" / key
    rendered = files.rendered_images(artifacts / "maximize" / key / f"{layer}.npz", pixels.rgb) if layer else {}
    patches = files.examples_of(folder, layer) if layer else {}
    writer = predictions_files.Writer(folder, pixels, head.kind, head.names, found, layer, rendered, patches)
    where = f"{WHERE}.{key}.explain"
    places = predictions.chosen(found, options.mistakes, options.doubtful, model.explain, where)
    entries, numbers = [], altered.headline(0, [])
    if layer:
        explainer = gradcam.Explainer(observer.graph, head, described["preprocessing"], layer)
        decider = causes.Decider(observer.graph, head, described["preprocessing"], layer, means(layers[layer]))
        with progress(len(places), "prediction", f"explain {key}") as bar:
            for name, i in places:
                contrast = found[name].contrast(i)
                classes = int(found[name].predicted[i]), contrast[0] if contrast else None
                made = explainer.explain(writer.seen(name, i), classes)
                decided = decider.decide(writer.seen(name, i), classes, predictions_files.strongest(made))
                entries.append(writer.explained(name, i, made, decided))
                bar.update()
        classified = {name: one for name, one in found.items() if isinstance(one, predictions.Predictions)}
        if classified:
            numbers = altered.explain(observer, explainer, writer, classified, layers, options.altered)
    writer.table()
    writer.summary(entries)
    return predictions.headline(found) | numbers


def against_labels(
    outputs: Mapping[str, predictions.Outputs], head: Head, pixels: Pixels, fits: Mapping[str, labels.Fit], key: str
) -> predictions.Found:
    """The scores of each set, with the true class of every image where a label tells it; none without an answer.

    fits: `labels` of the model `key` in params.yaml.
    """
    if head.kind == "regression":
        return predictions.Values.of(outputs)
    found = {}
    for name, one in outputs.items():
        one_set, fit = pixels.sets[name], fits.get(name)
        true = labels.true_classes(one_set, head.names, fit, f"{WHERE}.{key}.labels.{name}", head.known)
        alone = head.kind == "labels"
        logits = one.logits
        found[name] = predictions.Predictions(logits, head.probabilities(logits), true, one.features, alone)
    return found


def labelled(found: predictions.Found, pixels: Pixels, count: int) -> list[tuple[int, int]]:
    """Numbers of images whose true class is known, with that class: `count` at most, evenly spread."""
    every = [
        (int(pixels.starts[pixels.names.index(name)]) + int(i), int(one.true[i]))
        for name, one in found.items()
        for i in np.flatnonzero(one.labelled)
    ]
    return [every[i] for i in np.linspace(0, len(every) - 1, min(count, len(every))).astype(int)]


def notes(
    observer: Observer, described: Mapping[str, Any], found: predictions.Found, pixels: Pixels, read: trial.Read
) -> list[str]:
    """What was assumed of the labels, and what is odd about the predictions: scores that are no numbers, a
    preprocessing that is likely wrong.
    """
    head = observer.head
    if not head.answers:
        return []
    broken = sum(int((~one.finite).sum()) for one in found.values())
    said = []
    for name in found if head.known else ():
        if several := labels.ambiguous(pixels.sets[name], head.names):
            said.append(
                f"{name}: the model has several classes called {several[0]!r}; images of it count as unlabelled"
            )
        if others := labels.opposites(pixels.sets[name], head.names):
            more = f" and {len(others) - 3} more" if others[3:] else ""
            said.append(f"{name}: labels {', '.join(others[:3])}{more} count as {head.names[0]!r}")
    if broken:
        every = sum(len(one.logits) for one in found.values())
        said.append(f"its answer is not a number for {broken} of {every} images: look for NaN in its weights")
    classified = {name: one for name, one in found.items() if isinstance(one, predictions.Predictions)}
    if not broken and (better := trial.likelier(observer.graph, head, described["preprocessing"], classified, read)):
        said.append(better)
    return said


def _layer(observer: Observer, asked: str | None, where: str) -> str | None:
    """Whose filters explain; None where no answer depends on a layer that is looked at."""
    if asked is None:
        return gradcam.default_layer(observer.graph, list(observer.convs), observer.head)
    if asked not in observer.convs:
        raise InputError(f"{where}: no layer {asked!r}; {choices(asked, observer.convs)}")
    way = ancestors(observer.head.scores)
    on = [name for name, conv in observer.convs.items() if id(conv.output) in way]
    if asked not in on:
        raise InputError(
            f"{where}: the output {observer.head.output!r} does not depend on {asked!r}; {choices('', on)}"
        )
    return asked
