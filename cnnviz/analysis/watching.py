"""Show image sets to a network once and let every measure of analysis.py watch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis.files import LayerExamples
from cnnviz.analysis.layers import LayerAnalysis, highest
from cnnviz.analysis.observe import Observer
from cnnviz.analysis.places import Placed, edges
from cnnviz.analysis.predictions.outputs import Outputs
from cnnviz.files import Spool
from cnnviz.images import ImageSet, fed, photos
from cnnviz.networks import receptive_field


@dataclass(frozen=True)
class Amounts:
    """examples: per filter and end; batch: images at a time; kept: images of a set that `compare` gets to see; mapped:
    of which it is kept where filters fire."""

    examples: int
    batch: int
    kept: int
    mapped: int = 64


def watch(
    observer: Observer,
    sets: dict[str, ImageSet],
    shape: Sequence[int],
    amounts: Amounts,
    tick: Callable[[int], object],
) -> tuple[dict[str, LayerAnalysis], dict[str, Outputs]]:
    """Run every image of every set once, as a network of this input shape sees it; `tick(n)` counts images done.

    Returns what was measured of each layer, and the scores of each set's images (none where the network has no answer).
    """
    outputs = {name: Outputs() for name in sets if observer.head.answers}
    shown = photos(one.image(i) for one in sets.values() for i in range(len(one)))
    spool = Spool()
    layers = {
        name: LayerAnalysis(conv.filters, amounts.examples, amounts.batch, amounts.kept, amounts.mapped, shown, spool)
        for name, conv in observer.convs.items()
    }
    for name, one in sets.items():

        def read(indices: Sequence[int], one: ImageSet = one) -> np.ndarray:
            return fed(one, indices, shape)

        for layer in layers.values():
            layer.begin(name, one.labels)
        for start, batch in enumerate(observer.batches(read, len(one), amounts.batch)):
            for key in batch:
                layers[key].update(batch[key])
            batch.release()
            if batch.classified:
                outputs[name].update(*batch.classified)
            tick(min(amounts.batch, len(one) - start * amounts.batch))
        for layer in layers.values():
            layer.end(len(one))
    return layers, outputs


def located(
    observer: Observer, layers: dict[str, LayerAnalysis], pictured: dict[str, list[int]]
) -> dict[str, LayerExamples]:
    """The receptive fields of the examples, in pixels of the network's input."""
    found = {}
    for name, layer in layers.items():
        output = observer.convs[name].output
        boxes = [
            receptive_field.boxes(output, one.positions).reshape(*one.values.shape, 4)
            for one in (layer.top, layer.bottom)
        ]
        found[name] = LayerExamples(layer, boxes[0], boxes[1], pictured[name])
    return found


def placed(observer: Observer, layers: dict[str, LayerAnalysis], shape: Sequence[int]) -> dict[str, Placed]:
    """Which part of an image of this shape (h, w, …) each cell of a layer's places stands for.

    By the centres of what its units see, of their surroundings: a gate lets them know of the rest of the image.
    """
    return {name: Placed(highest(layer), *cells(observer.convs[name].output, shape)) for name, layer in layers.items()}


def cells(output: Any, shape: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.float32], bool]:
    """Edges of the cells of a conv layer's output down and across the image, and whether they had to be assumed."""
    height, width = (int(side) for side in output.shape[1:3])
    places = np.arange(max(height, width))
    diagonal = np.stack([np.minimum(places, side - 1) for side in (height, width)], axis=1)
    boxes = receptive_field.boxes(output, diagonal, local=True)
    rows, odd = edges((boxes[:height, 0] + boxes[:height, 2]) / 2, shape[0])
    columns, assumed = edges((boxes[:width, 1] + boxes[:width, 3]) / 2, shape[1])
    return rows, columns, odd or assumed
