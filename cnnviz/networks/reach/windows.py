"""Operations that look at windows along height and width: convolutions, poolings, scaling, padding, cropping."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cnnviz.networks.reach.step import Needs, Rule, Step

_RADIUS = {"bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}


def _sides(step: Step, needs: Needs) -> list[int]:
    """Height and width where they are asked about, in `(n, h, w, channels)` only."""
    known = len(step.source.shape) == 4 and getattr(step.operation, "data_format", None) != "channels_first"
    return sorted(needs.keys() & {1, 2}) if known else []


def windowed(step: Step, needs: Needs) -> Needs:
    """A convolution or a pooling, a layer or an operation with the same options."""
    found, same = {}, step.operation.padding == "same"
    for axis in _sides(step, needs):
        extent, stride = _window(step, axis - 1)
        size, made, (first, last) = step.source.shape[axis], step.output.shape[axis], needs[axis]
        if size is not None and made != (-(-size // stride) if same else (size - extent - 1) // stride + 1):
            continue  # a class derived from Keras's that pads in its own way
        start = _start(size, extent, stride) if same else 0
        found[axis] = first * stride - start, last * stride - start + extent
    return found


def _window(step: Step, side: int) -> tuple[int, int]:
    """How far the last tap is from the first, and the stride."""

    def at(given: Any) -> int:
        return int(given[side] if isinstance(given, list | tuple) else given)

    one = step.operation
    if hasattr(one, "pool_size"):
        return at(one.pool_size) - 1, at(one.pool_size if one.strides is None else one.strides)
    size = one.kernel_size if hasattr(one, "kernel_size") else tuple(step.arguments.args[1].shape[:2])
    return at(one.dilation_rate) * (at(size) - 1), at(one.strides)


def _start(size: int | None, extent: int, stride: int) -> int:
    """Padding before the first position that TensorFlow's "same" adds: half of the total, rounded down."""
    size = stride if size is None else size
    return max((-(-size // stride) - 1) * stride + extent + 1 - size, 0) // 2


def transposed(step: Step, needs: Needs) -> Needs:
    """The same windows seen from the other side: output o gets input i where i * stride + tap - start = o."""
    found = {}
    for axis in _sides(step, needs):
        extent, stride = _window(step, axis - 1)
        start = _start(step.output.shape[axis], extent, stride) if step.operation.padding == "same" else 0
        first, last = needs[axis]
        found[axis] = -((extent - first - start) // stride), (last + start) // stride
    return found


def moved(by: Callable[[Step, int], int]) -> Rule:
    """Output o is input o + by(step, axis)."""
    return lambda step, needs: {
        axis: (needs[axis][0] + by(step, axis), needs[axis][1] + by(step, axis)) for axis in _sides(step, needs)
    }


def cut(step: Step, needs: Needs) -> Needs:
    """The middle of the map; where that is too small, it is scaled."""
    source, output = step.shapes
    if any(source[axis] is None for axis in (1, 2)):
        return {}
    if any(source[axis] < output[axis] for axis in (1, 2)):
        return scaled(step, needs)
    return moved(lambda _, axis: (source[axis] - output[axis]) // 2)(step, needs)


def scaled(step: Step, needs: Needs) -> Needs:
    """Scaling as TensorFlow does it, centres half a pixel in: output o looks at (o + 1/2) in / out - 1/2."""
    one, found = step.operation, {}
    sizes, made = step.source.shape, step.output.shape
    for axis in _sides(step, needs):
        (size, out), offset = (sizes[axis], made[axis]), 0
        if isinstance(one, keras.layers.UpSampling2D):
            size, out = 1, int(one.size[axis - 1])
        if size is None or out is None:
            continue
        if getattr(one, "crop_to_aspect_ratio", False) or isinstance(one, keras.layers.CenterCrop):
            fitting = min(size, max(1, int(sizes[3 - axis] * out / made[3 - axis])))
            size, offset = fitting, (size - fitting) // 2
        elif getattr(one, "pad_to_aspect_ratio", False):
            beside = max(0, int(sizes[3 - axis] * out / made[3 - axis]) - size) // 2
            size, offset = size + 2 * beside, -beside
        first, last = needs[axis]
        kind = getattr(one, "interpolation", "bilinear")
        if kind == "nearest":
            first, last = (_nearest(end, size, out) for end in (first, last))
        elif kind in _RADIUS:
            widened = size if getattr(one, "antialias", False) and size > out else out
            reach = 2 * _RADIUS[kind] * widened
            first, last = ((2 * end + 1) * size - out for end in (first, last))
            first, last = (first - reach) // (2 * out) + 1, -((-last - reach) // (2 * out)) - 1
        else:
            first, last = first * size // out, -(-(last + 1) * size // out) - 1
        found[axis] = first + offset, last + offset
    return found


def _nearest(position: NDArray[np.int64], size: int, out: int) -> NDArray[np.int64]:
    """In float32, as TensorFlow: between two pixels it is not always the one behind."""
    exact = (2 * position + 1) * size // (2 * out)
    rounded = np.floor((position + np.float32(0.5)).astype("float32") * np.float32(size / out)).astype(np.int64)
    return np.where(np.abs(position) < 2**16, rounded, exact)


def shared_out(step: Step, needs: Needs) -> Needs:
    """Adaptive pooling: output o sees from o in / out to (o + 1) in / out."""
    found = {}
    for axis in _sides(step, needs):
        size, out, (first, last) = step.source.shape[axis], step.output.shape[axis], needs[axis]
        found[axis] = first * size // out, -(-(last + 1) * size // out) - 1
    return found


def blocks(step: Step, needs: Needs) -> Needs:
    """depth_to_space and space_to_depth: a pixel's channels are a block of pixels."""
    found = {}
    for axis in _sides(step, needs):
        size, out, (first, last) = step.source.shape[axis], step.output.shape[axis], needs[axis]
        if size is not None and out is not None:
            found[axis] = first * size // out, ((last + 1) * size - 1) // out
    return found
