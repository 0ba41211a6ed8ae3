"""The sheets of all layers, written before any page, and what is known of the pictures on them."""

from collections.abc import Callable, Iterable

import numpy as np

from cnnviz.analysis import examples
from cnnviz.files import WHOLE, npz
from cnnviz.pictures import shown
from cnnviz.report import data
from cnnviz.report.site import circuit, pictures
from cnnviz.report.site.layers import Layer, Model
from cnnviz.report.site.training import write_strips


def prepare(models: Iterable[Model], files: pictures.Files, tick: Callable[[], object]) -> None:
    """Read what is small of every layer, and write its sheets."""
    circuit.read_wiring.cache_clear()  # the files of an earlier report in this process may have changed
    for model in models:
        for layer in model.ordered():
            _made(layer, files)
            _patches(layer, files)
            if model.training:
                write_strips(files, model.training, layer.name, layer.folder)
            tick()


def _made(layer: Layer, files: pictures.Files) -> None:
    """Rendered filters: verdicts, scores, and all pictures small; those of a large layer at their own size, too."""
    path = layer.model.artifacts / "maximize" / layer.model.key / f"{layer.name}.npz"
    stored = data.arrays(path, "filters", "status", "images", "snapshot_scores", *data.SCORES, *data.GAINS)
    for row, k in enumerate(stored.get("filters", np.zeros(0, int)).tolist()):
        layer.rendered[k], layer.status[k] = row, str(stored["status"][row])
        layer.scores[k] = data.scores(stored, row)
    if layer.rendered:
        images = shown(stored["images"], layer.model.rgb)
        order = layer.rendered if len(images) <= WHOLE else dict(sorted(layer.rendered.items()))
        layer.sheet = pictures.write_sheet(files, f"{layer.folder}/filters.webp", order, images)
        if len(images) > WHOLE:
            pictures.write_parts(files, f"{layer.folder}/made", images)


def _patches(layer: Layer, files: pictures.Files) -> None:
    """The first patch of every filter, and where what it shows of the image is no square."""
    folder = layer.model.artifacts / "analysis" / layer.model.key / "examples"
    insets: dict[int, tuple[float, float]] = {}
    if (path := folder / f"{layer.name}.npz").is_file():
        with npz.opened(path) as stored:
            boxes = stored["top_box"][:, 0].tolist()
        size = layer.model.facts["input_shape"][:2]
        found = {k: examples.inset(box, *size) for k, box in enumerate(boxes)}
        insets = {k: one for k, one in found.items() if any(one)}
    overview = folder / "every_filter" / f"{layer.name}.png"
    layer.patches = pictures.rewrite_overview(files, f"{layer.folder}/patches.webp", overview, layer.filters, insets)
