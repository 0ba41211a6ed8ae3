"""Pictures of filters of a network at hand, without a pipeline: as those of its other states, from the same noise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.maximization import Chunk, Settings, Workshop, canvas, settings
from cnnviz.networks import graph, input_of, receptive_field, selection, series
from cnnviz.objectives import channel

SIDE = 96  # pixels of a canvas at most, and of an input of any size


def grow(network: Any, layer: str, filters: Sequence[int], steps: int, preprocessing: Any) -> NDArray[np.uint8]:
    """One attempt from noise for each filter, uint8 `(n, h, w, channels)`; grey where weights are no numbers.

    The noise is that of all series: it depends on the filter's number alone. preprocessing: as `networks.preprocess`
    takes it. Raises InputError for a layer or filter that is not there.
    """
    height, width, channels = input_of(network, network.name)
    shape = (height or SIDE, width or SIDE, channels)
    conv = graph.unit(graph.trace(network, shape, until=layer), layer)
    chosen = selection.numbers(filters, conv.filters, layer)
    seen = receptive_field.field(conv.output).size
    field = (seen[0], seen[1]) if seen else None
    use = Settings(
        steps=steps,
        snapshots=(),
        optimizer=settings.optimizer_for("auto", field),
        contrast=settings.contrast_for("auto", field, "fourier"),
        precision=settings.resolve_precision("auto"),
        size=canvas.Fitting(network, shape).layers([layer], None, canvas.wanted(field, shape[:2], SIDE)).size,
    )
    shop = Workshop(network, preprocessing, series.NOISE, channels)
    aims = tuple(channel(layer, k) for k in chosen)
    return shop.render(Chunk("", aims, use, scored=False, measured=False)).images
