"""Whether a network rescales its images by itself, and what that means for the preprocessing in front of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from cnnviz.networks import selection
from cnnviz.networks.graph import Conv, Graph, numbers
from cnnviz.networks.preprocessing import preprocess

WEAK = 1 / 20  # slope from which on a scaling counts as one from 0..255 to about 1
FAR = 10  # what becomes 0 lies among 0..255 if it is larger, else among numbers of about 1
PROBES = (0, 1, 255)  # images of one grey each
_STATISTICS = (keras.layers.Normalization, keras.layers.BatchNormalization)


@dataclass(frozen=True)
class Rescaling:
    """What a network does to its images before the first convolution: x * slope + shift for x at its input.

    layer: the name of the first operation that does.
    """

    layer: str
    slope: float
    shift: float

    def __str__(self) -> str:
        scaled = (
            f"x/{1 / self.slope:.6g}"
            if 0 < self.slope < 1
            else "x"
            if round(self.slope, 3) == 1
            else f"{self.slope:.4g}x"
        )
        return (
            scaled if not round(self.shift, 6) else f"{scaled} {'-' if self.shift < 0 else '+'} {abs(self.shift):.4g}"
        )


def inside(graph: Graph) -> Rescaling | None:
    """What a network does itself to images in 0..255: it scales them to small numbers, or takes their mean from them.

    None where it does neither, and so wants small numbers.

    Whatever stands between the input and the first convolution counts, but for layers that were trained. What it does
    is measured, of black, nearly black and white images; of channels and places the steepest. Raises InputError where
    that takes more memory than there is.
    """
    first = next((call for call in graph.calls if isinstance(call, Conv)), None)
    steps = _front(graph.input, first.input) if first else []
    if not steps or any(_trained(operation) for operation, _ in steps):
        return None
    shape = [side or 8 for side in graph.input.shape[1:]]
    sizes = {operation.name: numbers(tensor) for operation, tensor in steps}
    largest = max(sizes, key=lambda name: sizes[name])
    at_once = sum(sizes.values()) + 4 * sizes[largest]  # of one twice, as float64, too
    selection.check_output(largest, at_once, shape, len(PROBES))
    grey = np.array(PROBES, "float32")[:, None, None, None] * np.ones((1, *shape), "float32")
    outputs = keras.Model(graph.input, [tensor for _, tensor in steps])(grey, training=False)
    found = [_line(np.asarray(output)) for output in keras.tree.flatten(outputs)]
    slope, shift = found[-1]
    if not slope or (abs(slope) > WEAK and abs(shift / slope) < FAR):
        return None
    names = [
        operation.name
        for (operation, _), line in zip(steps, found, strict=True)
        if line[0] and not np.allclose(line, (1, 0), atol=1e-3)
    ]
    return Rescaling(names[0], slope, shift)


def _front(image: Any, end: Any) -> list[tuple[Any, Any]]:
    """The operations between the image and a tensor with what comes out of them, the first ones first."""
    found: list[tuple[Any, Any]] = []
    seen = {id(image)}

    def visit(tensor: Any) -> None:
        if id(tensor) in seen:
            return
        seen.add(id(tensor))
        operation, node, _ = tensor._keras_history
        for source in operation._inbound_nodes[node].input_tensors:
            visit(source)
        found.append((operation, tensor))

    visit(end)
    return found


def _trained(operation: Any) -> bool:
    """Whether a layer has kernels; a number for each channel is none."""
    weights = getattr(operation, "weights", [])
    return not isinstance(operation, _STATISTICS) and any(len(weight.shape) > 1 for weight in weights)


def _line(values: np.ndarray) -> tuple[float, float]:
    """Slope and shift of what became of 0, 1 and 255; 0, 0 where it is no line, as behind a clipping to 0..1."""
    if values.size % 3:  # no value for each image
        return 0.0, 0.0
    black, dark, white = np.nan_to_num(values.astype("float64")).reshape(3, -1)
    slopes = (white - black) / 255
    steepest = int(np.abs(slopes).argmax())
    slope, shift = float(slopes[steepest]), float(black[steepest])
    straight = np.isclose(dark[steepest] - shift, slope, rtol=0.02, atol=1e-4 * abs(slope) + 1e-6 * abs(shift))
    return (slope, shift) if straight else (0.0, 0.0)


def note(found: Rescaling | None, preprocessing: Any, shape: Sequence[int] = ()) -> str | None:
    """A sentence where the network and the preprocessing scale both; None where all is well.

    preprocessing: as in model.json, or a function of images of `shape`, (h, w, channels).
    """
    if found is None:
        return None
    named = isinstance(preprocessing, Mapping)
    shape = shape or (1, 1, np.size(preprocessing["scale"]))
    grey = np.array([0, 255], "float32")[:, None, None, None] * np.ones((1, *shape), "float32")
    low, high = np.asarray(preprocess(grey, {**preprocessing, "reverse_channels": False} if named else preprocessing))
    if float(np.abs(high - low).max() / 255) > WEAK:
        return None
    name = preprocessing.get("name", "given") if named else "given"
    return (
        f"the network rescales by itself ({found.layer}: {found}) and the preprocessing {name} scales as well, so that "
        "it sees hardly any contrast: many filters will look dead; write preprocessing: raw"
    )
