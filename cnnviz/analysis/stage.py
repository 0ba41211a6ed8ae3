"""What the stage `analyze` does: show one model every image once, measure its filters, explain its predictions."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from cnnviz.analysis import files, layers, plots, subjects, words
from cnnviz.analysis.section import AnalyzeSection
from cnnviz.files import Stopwatch, alongside, fresh, progress, say, trim, write_bytes, write_csv, write_json
from cnnviz.filters import cosines, filters_of, read_kernel
from cnnviz.images import fed, load_sets
from cnnviz.networks import read_description, selection

if TYPE_CHECKING:
    from cnnviz.networks import ModelSection


def run(
    key: str, model: "ModelSection", section: AnalyzeSection, sets: Sequence[str], artifacts: Path, watch: Stopwatch
) -> None:
    """Write `<artifacts>/analysis/<key>`; patches are stored of the filters that `models.<key>.layers` names.

    Raises InputError for a layer, filter, class or image that is not there.
    """
    stored = artifacts / "models" / key
    described = read_description(stored)
    wanted = subjects.layers(model.analyzed_layers, described, f"params.yaml: models.{key}.analyzed_layers")
    asked = selection.filters(model.layers, described, f"params.yaml: models.{key}.layers")
    pictured = subjects.pictured(wanted, asked, described, section.patches)
    selection.check_batch(described, section.batch, "params.yaml: analyze.batch")
    shape = described["input_shape"]
    images = load_sets(artifacts, sets, shape[2])
    from cnnviz.analysis import causes, checks, observe, watching  # TensorFlow: only after the params are checked
    from cnnviz.analysis.predictions import drawing, explaining
    from cnnviz.networks import load

    network = load(stored)[0]
    observer = observe.Observer(network, described, wanted)
    amounts = watching.Amounts(section.examples, section.batch, section.kept_images, section.mapped_images)
    with watch.network(), progress(sum(map(len, images.values())), "image", f"analyze {key}") as bar:
        found, outputs = watching.watch(observer, images, shape, amounts, bar.update)
    examples = watching.located(observer, found, pictured)
    alike = _kernels_alike(stored / "weights.weights.h5", described, found)
    columns = {}
    for name, cosine in alike:
        columns[name] = layers.per_filter(found[name], cosine)
        del found[name].correlation  # more memory than all else, and of no more use
    trim()

    folder = fresh(artifacts / "analysis" / key)
    pixels = files.Pixels(images, shape, described.get("bands", {}).get("rgb"))
    fields = {conv["name"]: conv["receptive_field"] for conv in described["conv_layers"]}
    on_patches = files.write_examples(folder, examples, pixels)
    entries = {
        name: {"receptive_field": fields[name]} | layers.per_layer(layer, columns[name]) | on_patches[name]
        for name, layer in found.items()
    }

    def write() -> None:  # what of the measurements no network is needed for
        files.write_arrays(folder, found, columns)
        files.write_places(folder, found, watching.placed(observer, found, shape))
        write_csv(folder / "filters.csv", files.filter_rows(columns))
        write_json(folder / "statistics.json", entries)
        if told := words.rows({name: layer.responses for name, layer in found.items()}, images):
            write_csv(folder / "words.csv", told)
        for name, data in plots.draw(key, found, columns):
            write_bytes(folder / name, data)

    def read(name: str, indices: Sequence[int]) -> np.ndarray:
        return fed(images[name], indices, shape)

    with alongside(write):
        scores = explaining.against_labels(outputs, observer.head, pixels, model.labels, key)
        predicted = explaining.explain(observer, described, scores, model, section, pixels, artifacts, found)
        causes.write_masks(observer, examples, asked, section.masked_filters, pixels, folder)
        if section.silenced_images:
            labelled = explaining.labelled(scores, pixels, section.silenced_images)
            means = {name: layers.means(layer) for name, layer in found.items()}
            rendering = artifacts / "maximize" / key
            causes.check(observer, network, described, examples, means, labelled, pixels, rendering, folder)
        if observer.head.kind == "pictures":
            drawing.draw(observer.graph, observer.head, described["preprocessing"], pixels, read, folder)
        notes = checks.notes(found, observer.convs)
        notes += explaining.notes(observer, described, scores, pixels, read)
    for note in notes:
        say(f"{key}: {note}")
    write_json(folder / "notes.json", notes)
    write_json(folder / "metrics.json", layers.headline(entries, columns) | predicted)


def _kernels_alike(
    weights: Path, described: Mapping[str, Any], names: Collection[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Each of these layers with the cosines between its kernels, `(filters, filters)`: 33 MB of 2,048 filters."""
    convs = {conv["name"]: conv for conv in described["conv_layers"]}
    with h5py.File(weights) as file:
        for conv in map(convs.__getitem__, names):
            yield conv["name"], cosines(filters_of(read_kernel(file, conv)[0], conv["depthwise"]))
