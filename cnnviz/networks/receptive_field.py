"""Which pixels of the input a neuron sees: walked back from its position through every layer, forks included.

Araujo, Norris, Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019; here with intervals
instead of its closed formulas, so that scaling up, cropping and forks of unequal offset come out right as well.
"""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cnnviz.networks.graph import CONVOLUTIONS

Interval = tuple[NDArray[np.int64], NDArray[np.int64]]  # first and last position, one of each per neuron
_POOLINGS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)


def boxes(tensor: Any, positions: NDArray[np.integer]) -> NDArray[np.int64]:
    """Receptive fields of neurons, in pixels of the network's input.

    tensor: a Keras tensor `(None, h, w, channels)` of a flat graph with one input (graph.Conv.output); positions: int
    `(n, 2)`, y and x in it. Returns int `(n, 4)`: top, left, bottom, right, the last two not included. Boxes of a layer
    without forks have one size, and reach beyond the image (below 0, above its size) where padding fills them.
    A layer that looks at the whole map, such as a global pooling, makes the box the whole image.
    """
    rows, columns = np.asarray(positions, np.int64).reshape(-1, 2).T
    seen: dict[int, tuple[Interval, Interval]] = {id(tensor): ((rows, rows), (columns, columns))}
    last = tensor
    for last in _backwards(tensor):
        operation, node, _ = last._keras_history
        intervals = seen[id(last)]
        for source in operation._inbound_nodes[node].input_tensors:
            found = (
                _before(operation, 0, intervals[0], source, last),
                _before(operation, 1, intervals[1], source, last),
            )
            if id(source) in seen:  # a fork: what any of its branches sees
                found = tuple(map(_union, seen[id(source)], found))  # type: ignore[assignment]
            seen[id(source)] = found
    (top, bottom), (left, right) = seen[id(last)]
    return np.stack([top, left, bottom + 1, right + 1], axis=1)


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
            stack += [(source, False) for source in operation._inbound_nodes[node].input_tensors]
    return reversed(order)


def _union(a: Interval, b: Interval) -> Interval:
    return np.minimum(a[0], b[0]), np.maximum(a[1], b[1])


def _before(operation: Any, axis: int, interval: Interval, source: Any, output: Any) -> Interval:
    """What `interval` of the output on one axis (0: y, 1: x) needs of the source."""
    first, last = interval
    whole = np.zeros_like(first), np.full_like(last, (source.shape[axis + 1] or 1) - 1 if len(source.shape) > 1 else 0)
    if len(source.shape) != 4 or len(output.shape) != 4:
        return whole
    size = source.shape[axis + 1]
    if isinstance(operation, (*CONVOLUTIONS, *_POOLINGS)):
        extent, stride, dilation = _window(operation, axis)
        extent = dilation * (extent - 1)
        start = _same(size, extent, stride) if operation.padding == "same" else 0
        return first * stride - start, last * stride - start + extent
    if isinstance(operation, keras.layers.Conv2DTranspose):
        extent, stride, dilation = _window(operation, axis)
        extent = dilation * (extent - 1)
        start = max(extent + 1 - stride, 0) // 2 if operation.padding == "same" else 0
        return -((extent - first - start) // stride), (last + start) // stride
    if isinstance(operation, keras.layers.ZeroPadding2D):
        return first - operation.padding[axis][0], last - operation.padding[axis][0]
    if isinstance(operation, keras.layers.Cropping2D):
        return first + operation.cropping[axis][0], last + operation.cropping[axis][0]
    if isinstance(operation, keras.layers.UpSampling2D):
        factor = operation.size[axis]
        if operation.interpolation == "nearest":
            return first // factor, last // factor
        # half-pixel centres: output o lies at (o + 1/2) / factor - 1/2, between two inputs
        return (2 * first + 1 - factor) // (2 * factor), -((factor - 2 * last - 1) // (2 * factor))
    return interval if size == output.shape[axis + 1] else whole


def _window(operation: Any, axis: int) -> tuple[int, int, int]:
    """Extent, stride and dilation."""
    if isinstance(operation, _POOLINGS):
        return operation.pool_size[axis], operation.strides[axis], 1
    return operation.kernel_size[axis], operation.strides[axis], operation.dilation_rate[axis]


def _same(size: int, extent: int, stride: int) -> int:
    """Padding before the first position that TensorFlow's "same" adds: half of the total, rounded down."""
    return max((-(-size // stride) - 1) * stride + extent + 1 - size, 0) // 2
