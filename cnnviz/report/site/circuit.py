"""Who feeds whom: from a stored Keras configuration and kernels, without Keras.

Channel c of a layer's input is channel c of its *sources*: the conv layers before it, as far as only layers lie
between that keep channels apart. An addition has several sources, a concatenation or a dense layer none.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONVOLUTIONS = {"Conv2D", "DepthwiseConv2D", "SeparableConv2D"}
CHANNELWISE = {
    *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "BatchNormalization", "Dropout", "SpatialDropout2D"),
    *("GaussianNoise", "GaussianDropout", "MaxPooling2D", "AveragePooling2D", "ZeroPadding2D", "Cropping2D"),
    *("UpSampling2D", "Rescaling", "InputLayer", "Add", "Average", "Maximum"),
}
Origin = tuple[str, ...]


@dataclass(frozen=True)
class Link:
    """A connection to channel `filter` of `layer`. kernel: its 2-D weights `(kh, kw)`; strength: their L2 norm."""

    layer: str
    filter: int
    kernel: NDArray[np.float32]
    strength: float


def sources(config: dict[str, Any], convs: Iterable[str]) -> dict[str, Origin]:
    """Conv layer -> its sources. config: a serialized functional or sequential model; convs: names as in model.json."""
    found: dict[str, Origin] = {}
    known, met = set(convs), Counter[str]()

    def call(layer: dict[str, Any], inputs: list[Origin], prefix: str) -> Origin:
        kind, name = layer["class_name"], layer["config"].get("name", "")
        if "layers" in layer["config"]:
            return walk(layer["config"], inputs, f"{name}.")
        here = name if not met[name] else prefix + name
        met[name] += 1
        if kind in CONVOLUTIONS:
            if here in known:
                found[here] = inputs[0] if inputs else ()
            return (here,) if here in known else ()
        if kind not in CHANNELWISE or not all(inputs):
            return ()
        return tuple(dict.fromkeys(origin for one in inputs for origin in one))

    def walk(model: dict[str, Any], inputs: list[Origin], prefix: str) -> Origin:
        made: dict[tuple[str, int], Origin] = {}
        given = iter(inputs)
        last: Origin = ()
        for layer in model["layers"]:
            name, nodes = layer["config"].get("name", ""), layer.get("inbound_nodes")
            if layer["class_name"] == "InputLayer":
                made[name, 0] = last = next(given, ())
            elif nodes is None:  # sequential: one after the other
                last = call(layer, [last], prefix)
            else:
                for i, node in enumerate(nodes):
                    made[name, i] = last = call(layer, [made.get(t, ()) for t in _tensors(node)], prefix)
        outputs = model.get("output_layers") or []
        outputs = [outputs] if outputs and isinstance(outputs[0], str) else outputs
        return made.get((outputs[0][0], outputs[0][1]), ()) if outputs else last

    walk(config["config"], [()], "")
    return found


def _tensors(node: Any) -> Iterator[tuple[str, int]]:
    """(layer, call) of every tensor among the arguments of a call."""
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            history = node["config"]["keras_history"]
            yield history[0], history[1]
        else:
            for value in node.values():
                yield from _tensors(value)
    elif isinstance(node, list):
        for value in node:
            yield from _tensors(value)


class Wiring:
    """What a conv layer reads. kernel: float32 `(kh, kw, in, out)`, depthwise `(kh, kw, in, multiplier)`."""

    def __init__(self, kernel: NDArray[np.float32], depthwise: bool) -> None:
        self.kernel, self.depthwise = kernel, depthwise
        self.norms = np.sqrt(np.square(kernel, dtype=np.float32).sum((0, 1)))
        self.sums = kernel.sum((0, 1))

    def inputs(self, k: int, layers: Origin, count: int) -> tuple[list[Link], list[Link]]:
        """The strongest input channels of filter k: `count` whose weights sum to more than 0, `count` others."""
        if self.depthwise:
            multiplier = self.kernel.shape[3]
            channels, column = np.array([k // multiplier]), k % multiplier
        else:
            channels, column = np.arange(self.kernel.shape[2]), k
        return self._strongest([(int(c), int(c), column) for c in channels], layers, count)

    def outputs(self, channel: int, layer: str, count: int) -> tuple[list[Link], list[Link]]:
        """The filters of `layer`, whose kernel this is, that read this input channel most."""
        width = self.kernel.shape[3]
        first = channel * width if self.depthwise else 0
        return self._strongest([(first + c, channel, c) for c in range(width)], (layer,), count)

    def _strongest(
        self, places: list[tuple[int, int, int]], layers: Origin, count: int
    ) -> tuple[list[Link], list[Link]]:
        """places: (filter that is named, row, column of the kernel)."""
        rows, columns = np.array([p[1] for p in places]), np.array([p[2] for p in places])
        norms, sums = self.norms[rows, columns], self.sums[rows, columns]
        order = [int(i) for i in np.argsort(-norms, kind="stable") if norms[i] > 0]
        sides = []
        for chosen in ([i for i in order if sums[i] > 0][:count], [i for i in order if sums[i] <= 0][:count]):
            links = [
                Link(layer, places[i][0], self.kernel[:, :, rows[i], columns[i]], float(norms[i]))
                for i in chosen
                for layer in layers
            ]
            sides.append(links)
        return sides[0], sides[1]
