"""Show image sets to a network once and let every measure of analysis.py watch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cnnviz.analysis.files import LayerExamples
from cnnviz.analysis.layers import LayerAnalysis
from cnnviz.analysis.observe import Observer
from cnnviz.analysis.predictions.outputs import Outputs
from cnnviz.images import ImageSet, fed, photos
from cnnviz.networks import receptive_field


@dataclass(frozen=True)
class Amounts:
    """examples: per filter and end; batch: images at a time; kept: images of a set that `compare` gets to see."""

    examples: int
    batch: int
    kept: int


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
    layers = {
        name: LayerAnalysis(conv.filters, amounts.examples, amounts.batch, amounts.kept, shown)
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
