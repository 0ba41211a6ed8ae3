"""Which pixels of the input a neuron sees: walked back from its position through every operation, forks included.

Araujo, Norris, Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019; here with intervals
instead of its closed formulas, so that scaling up, cropping and forks of unequal offset come out right as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
from numpy.typing import NDArray

from cnnviz.networks.nesting import inside
from cnnviz.networks.reach import Interval, Needs, Step, before, keeps

FAR = 720720 * 5040  # positions from one another: a multiple of what networks scale by
_opened: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()  # a call of a layer of one's own -> what is inside it


@dataclass(frozen=True)
class Field:
    """What the neurons of a layer see, in pixels of the input, [height, width]; None where it is the whole image.

    size: the largest box of any of them; jump: how far apart the boxes of neighbours are, less than 1 where the map is
    finer than the image.
    """

    size: list[int] | None
    jump: list[float] | None


def boxes(tensor: Any, positions: NDArray[np.integer], local: bool = False) -> NDArray[np.int64]:
    """Receptive fields of neurons, in pixels of the network's input.

    tensor: a Keras tensor `(None, h, w, channels)` of a flat graph with one input (graph.Conv.output); positions: int
    `(n, 2)`, y and x in it. Returns int `(n, 4)`: top, left, bottom, right, the last two not included. Boxes of a layer
    without forks have one size, and reach beyond the image (below 0, above its size) where padding fills them.
    A neuron that looks at the whole map, such as one behind a global pooling, sees the whole image; local: as `field`.
    """
    rows, columns = np.asarray(positions, np.int64).reshape(-1, 2).T
    image, needs = _needed(tensor, rows, columns, local)
    sides = []
    for axis in (1, 2):
        whole = np.zeros_like(rows), np.full_like(rows, (image.shape[axis] or 1) - 1)
        sides.append(needs.get(axis, whole))
    (top, bottom), (left, right) = sides
    return np.stack([top, left, bottom + 1, right + 1], axis=1)


def field(tensor: Any, local: bool = False) -> Field:
    """The receptive field of the neurons of a Keras tensor `(None, h, w, channels)` of a flat graph with one input.

    local: what they see of their surroundings, without what a gate (squeeze and excitation) or a normalization over
    the map lets them know of the rest of the image.
    """
    height, width = (int(side) for side in tensor.shape[1:3])
    places = np.arange(max(height, width))
    rows, columns = (np.append(np.minimum(places, side - 1), [0, FAR]) for side in (height, width))
    image, needs = _needed(tensor, rows, columns, local)
    size: list[int] = []
    jump: list[float] = []
    for axis in (1, 2):
        if axis not in needs:  # of one side all is seen, or of both
            size.append(int(image.shape[axis]))
            jump.append(size[-1])
            continue
        first, last = needs[axis]
        size.append(int((last - first)[:-2].max()) + 1)
        apart = round(abs(int(first[-1] - first[-2])) / FAR, 6)
        jump.append(int(apart) if apart == int(apart) else apart)
    return Field(size, jump) if needs.keys() & {1, 2} and min(size) > 0 else Field(None, None)


def _needed(tensor: Any, rows: NDArray[np.int64], columns: NDArray[np.int64], local: bool) -> tuple[Any, Needs]:
    """The image that a tensor is made from, and what its neurons need of it."""
    found = _walk(tensor, {1: (rows, rows), 2: (columns, columns)}, local)
    image, needs = next((t, n) for t, n in found if isinstance(t._keras_history.operation, keras.layers.InputLayer))
    return image, {axis: _full(interval, len(rows)) for axis, interval in needs.items()}


def _full(interval: Interval, count: int) -> Interval:
    return np.broadcast_to(interval[0], (count,)), np.broadcast_to(interval[1], (count,))


def _walk(tensor: Any, needs: Needs, local: bool) -> list[tuple[Any, Needs]]:
    """All tensors that lead to this one, with what `needs` of it asks of each."""
    seen: dict[int, Needs] = {id(tensor): needs}
    order = list(_backwards(tensor))
    for one in order:
        if id(one) not in seen:  # reshaped, and back again
            continue
        if (source := _before_reshaping(one)) is not None:
            seen[id(source)] = _union(seen[id(source)], seen[id(one)], local) if id(source) in seen else seen[id(one)]
            continue
        operation, node, part = one._keras_history
        arguments = operation._inbound_nodes[node].arguments
        for number, source in enumerate(arguments.keras_tensors):
            step = Step(operation, arguments, number, source, one, part)
            asked = _through(step, seen[id(one)], local)
            asked = before(step, seen[id(one)], local) if asked is None else asked
            seen[id(source)] = _union(seen[id(source)], asked, local) if id(source) in seen else asked
    return [(one, seen[id(one)]) for one in order if id(one) in seen]


def _before_reshaping(tensor: Any) -> Any:
    """The tensor of the same shape that was reshaped and now is again as it was, such as a row that was an image."""
    one, reshaped = tensor, False
    while None not in tensor.shape[1:]:
        operation, node, _ = one._keras_history
        sources = operation._inbound_nodes[node].arguments.keras_tensors
        if len(sources) != 1 or not keeps(operation):
            return None
        reshaped, one = reshaped or sources[0].shape != one.shape, sources[0]
        if reshaped and one.shape == tensor.shape:
            return one
    return None


def _through(step: Step, needs: Needs, local: bool) -> Needs | None:
    """A layer of one's own (or of keras.applications), by what it calls; None where that can't be traced."""
    if not isinstance(step.operation, keras.layers.Layer) or type(step.operation).call.__module__.startswith(
        "keras.src.layers."
    ):
        return None
    if step.arguments not in _opened:
        _opened[step.arguments] = inside(step.operation, step.arguments.args)
    opened = _opened[step.arguments]
    if opened is None:
        return None
    inner = opened.inputs[step.number]
    found = _walk(opened.outputs[step.part], needs, local)
    return next((asked for one, asked in found if one is inner), {})


def _backwards(tensor: Any) -> Iterator[Any]:
    """Tensors that lead to this one, each after all tensors made from it; the network's input comes last."""
    order: list[Any] = []
    done: set[int] = set()
    stack = [(tensor, False)]
    while stack:
        one, finished = stack.pop()
        if finished:
            order.append(one)
        elif id(one) not in done:
            done.add(id(one))
            stack.append((one, True))
            operation, node, _ = one._keras_history
            stack += [(source, False) for source in operation._inbound_nodes[node].arguments.keras_tensors]
    return reversed(order)


def _union(a: Needs, b: Needs, local: bool) -> Needs:
    """What either of two branches of a fork needs: all along an axis where one of them does; locally the other's."""
    both = {
        axis: (np.minimum(a[axis][0], b[axis][0]), np.maximum(a[axis][1], b[axis][1])) for axis in a.keys() & b.keys()
    }
    return {**a, **b, **both} if local else both
