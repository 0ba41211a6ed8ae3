"""Whether a network rescales its images by itself, and what that means for the preprocessing in front of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from cnnviz.networks.graph import Conv, Graph
from cnnviz.networks.preprocessing import preprocess

WEAK = 1 / 20  # slope from which on a scaling counts as one from 0..255 to about 1
_POINTWISE = (
    *("Rescaling", "Normalization", "TrueDivide", "Divide", "Multiply", "Subtract", "Add", "Cast", "Identity"),
    *("GetItem", "Resizing", "ZeroPadding2D", "RandomFlip", "RandomRotation", "RandomZoom", "RandomContrast"),
    *("RandomTranslation", "RandomCrop", "CenterCrop", "GaussianNoise", "Dropout"),
)
_SCALING = ("Rescaling", "Normalization", "TrueDivide", "Divide", "Multiply")


@dataclass(frozen=True)
class Rescaling:
    """What a network does to its images before the first convolution: x * slope + shift for x at its input.

    layer: the name of the first operation that does.
    """

    layer: str
    slope: float
    shift: float

    def __str__(self) -> str:
        scaled = f"x/{1 / self.slope:.6g}" if 0 < self.slope < 1 else f"{self.slope:.4g}x"
        return (
            scaled if not round(self.shift, 6) else f"{scaled} {'-' if self.shift < 0 else '+'} {abs(self.shift):.4g}"
        )


def inside(graph: Graph) -> Rescaling | None:
    """The scaling from 0..255 to small numbers that a network does itself; None where it does none.

    Only what stands between the input and the first convolution, one operation after another, counts. Slope and shift
    are measured, of grey images; of several channels the steepest.
    """
    first = next((call for call in graph.calls if isinstance(call, Conv)), None)
    if first is None:
        return None
    tensor, found = first.input, []
    while tensor is not graph.input:
        operation, node, _ = tensor._keras_history
        sources = operation._inbound_nodes[node].input_tensors
        if len(sources) != 1 or type(operation).__name__ not in _POINTWISE:
            return None
        found.append(operation)
        tensor = sources[0]
    scaling = [operation.name for operation in found if type(operation).__name__ in _SCALING]
    if not scaling:
        return None
    shape = [1, *(side or 8 for side in graph.input.shape[1:3]), graph.input.shape[3]]
    grey = np.concatenate([np.zeros(shape, "float32"), np.full(shape, 255, "float32")])
    low, high = np.asarray(keras.Model(graph.input, first.input)(grey, training=False))[:, shape[1] // 2, shape[2] // 2]
    slopes = (high - low) / 255
    steepest = int(np.abs(slopes).argmax())
    slope = float(slopes[steepest])
    return Rescaling(scaling[-1], slope, float(low[steepest])) if 0 < abs(slope) <= WEAK else None


def note(found: Rescaling | None, preprocessing: Mapping[str, Any]) -> str | None:
    """A sentence where the network and the preprocessing scale both; None where all is well."""
    grey = np.array([0, 255], "float32")[:, None, None, None] * np.ones(
        (1, 1, 1, np.size(preprocessing["scale"])), "f4"
    )
    low, high = preprocess(grey, {**preprocessing, "reverse_channels": False})
    given = float(np.abs(high - low).max() / 255)
    if found is None or given > WEAK:
        return None
    name = preprocessing.get("name", "given")
    return (
        f"the network rescales by itself ({found.layer}: {found}) and the preprocessing {name} scales as well, so that "
        "it sees hardly any contrast: many filters will look dead; write preprocessing: raw"
    )
