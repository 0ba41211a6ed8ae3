"""Operations that move, join, split or drop axes of a tensor, of any rank."""

from math import prod
from typing import Any

import keras
import numpy as np

from cnnviz.networks.nesting import snake
from cnnviz.networks.reach.step import NOTHING, Interval, Needs, Step


def chosen(given: Any, rank: int) -> set[int]:
    """Axes as Keras's options name them: one, several, None for all; from the end where negative."""
    if given is None:
        return set(range(rank))
    return {int(axis) % rank for axis in (given if isinstance(given, list | tuple) else [given])}


def without(needs: Needs, axis: Any, rank: int) -> Needs:
    """All of these axes is needed."""
    dropped = chosen(axis, rank)
    return {i: interval for i, interval in needs.items() if i not in dropped}


def broadcast(step: Step, needs: Needs) -> Needs:
    """Position by position, sides of length 1 stretched."""
    source, output = step.shapes
    shift = len(output) - len(source)
    return {i - shift: n for i, n in needs.items() if i >= shift and source[i - shift] == output[i]}


def last_mixed(step: Step, needs: Needs) -> Needs:
    """Position by position along all axes but the last, of which all is needed."""
    return without(broadcast(step, needs), -1, len(step.source.shape))


def along(step: Step, needs: Needs) -> Needs:
    """All along `axis`, position by position along the others."""
    return without(needs, step.operation.axis, len(step.output.shape))


def reduced(step: Step, needs: Needs) -> Needs:
    rank, kept = len(step.source.shape), step.operation.keepdims
    gone = chosen(step.operation.axis, rank)
    stays = [axis for axis in range(rank) if kept or axis not in gone]
    return {stays[i]: n for i, n in needs.items() if stays[i] not in gone}


def reshaped(step: Step, needs: Needs) -> Needs:
    """Sides that are joined or split: each shortest run of them with the same product on both sides by itself."""
    source, output = step.shapes
    if source == output:
        return needs
    if None in (*source[1:], *output[1:]):
        return {}
    found: Needs = {}
    i = o = 1
    while i < len(source) and o < len(output):
        ours, theirs = [i], [o]
        while prod(source[a] for a in ours) != prod(output[a] for a in theirs):
            shorter = ours if prod(source[a] for a in ours) < prod(output[a] for a in theirs) else theirs
            shorter.append(shorter[-1] + 1)
        i, o = ours[-1] + 1, theirs[-1] + 1
        ours, theirs = [a for a in ours if source[a] != 1], [a for a in theirs if output[a] != 1]
        if ours and theirs[0] in needs:
            inner, outer = prod(output[a] for a in theirs[1:]), prod(source[a] for a in ours[1:])
            first, last = needs[theirs[0]]
            found[ours[0]] = first * inner // outer, (last * inner + inner - 1) // outer
    return found


def permuted(step: Step, needs: Needs) -> Needs:
    one, rank = step.operation, len(step.source.shape)
    kind = snake(type(one).__name__)
    if kind == "permute":
        order: Any = (0, *one.dims)
    elif kind == "transpose":
        order = tuple(range(rank))[::-1] if one.axes is None else one.axes
    elif kind == "swapaxes":
        order = np.swapaxes(np.empty(range(rank)), one.axis1, one.axis2).shape
    else:
        order = np.moveaxis(np.empty(range(rank)), one.source, one.destination).shape
    return {int(order[axis]) % rank: interval for axis, interval in needs.items()}


def sliced(step: Step, needs: Needs) -> Needs:
    """`x[:, 1:, ::-1, None]`."""
    source, _ = step.shapes
    arguments = step.arguments
    key = arguments.kwargs.get("key", arguments.args[1] if len(arguments.args) > 1 else None)
    keys = list(key) if isinstance(key, tuple | list) else [key]
    if not all(one is None or one is Ellipsis or isinstance(one, slice | int | np.integer) for one in keys):
        return {}
    used = sum(one is not None and one is not Ellipsis for one in keys)
    at = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
    keys = [*keys[:at], *[slice(None)] * (len(source) - used), *keys[at + 1 :]]
    found: Needs = {}
    axis = made = 0
    for one in keys:
        if isinstance(one, slice):
            if made in needs and (source[axis] is not None or (one.step or 1) > 0):
                start, _, stride = one.indices(source[axis] if source[axis] is not None else NOTHING)
                first, last = (start + end * stride for end in needs[made])
                found[axis] = (first, last) if stride > 0 else (last, first)
            axis, made = axis + 1, made + 1
        elif one is None:
            made += 1
        else:
            if source[axis] is not None:
                row = np.full(1, one % source[axis], np.int64)
                found[axis] = row, row
            axis += 1
    return found


def flipped(step: Step, needs: Needs) -> Needs:
    source, _ = step.shapes
    found = dict(needs)
    for axis in chosen(step.operation.axis, len(source)) & needs.keys():
        first, last = found.pop(axis)
        if source[axis] is not None:
            found[axis] = source[axis] - 1 - last, source[axis] - 1 - first
    return found


def split(step: Step, needs: Needs) -> Needs:
    source, output = step.shapes
    axis = step.operation.axis % len(source)
    where = step.operation.indices_or_sections
    start = step.part * output[axis] if isinstance(where, int) else [0, *where][step.part]
    return _shifted(needs, {axis: int(start)})


def window(step: Step, needs: Needs) -> Needs:
    """`ops.slice(x, start, shape)`."""
    starts = step.arguments.kwargs.get("start_indices", (step.arguments.args[1:] or [None])[0])
    if not isinstance(starts, list | tuple) or not all(isinstance(start, int | np.integer) for start in starts):
        return {}
    return _shifted(needs, dict(enumerate(starts)))


def padded(step: Step, needs: Needs) -> Needs:
    one, found = step.operation, {}
    for axis, (first, last) in needs.items():
        before, after = one.pad_width[axis if len(one.pad_width) == len(step.source.shape) else 0]
        size, mirrored = step.source.shape[axis], (before or after) and one.mode != "constant"
        if mirrored and (size is None or one.mode not in ("reflect", "symmetric")):
            continue
        interval = first - int(before), last - int(before)
        found[axis] = _mirrored(interval, size, before, after, one.mode == "symmetric") if mirrored else interval
    return found


def _mirrored(interval: Interval, size: int, before: int, after: int, edge: bool) -> Interval:
    """What lies in padding at the ends looks back into the map; edge: the last position comes twice."""
    first, last = interval
    end, twice = size - 1, int(edge)
    left = (first < 0) & (last >= -before)
    right = (last > end) & (first <= end + after)
    parts = [  # whether there is any, its first and last position
        (
            ~(left & (last < 0) | right & (first > end)),
            np.where(left, np.maximum(first, 0), first),
            np.where(right, np.minimum(last, end), last),
        ),
        (left, -np.minimum(last, -1) - twice, -np.maximum(first, -before) - twice),
        (right, 2 * end + twice - np.minimum(last, end + after), 2 * end + twice - np.maximum(first, end + 1)),
    ]
    low = np.minimum.reduce([np.where(there, start, NOTHING) for there, start, _ in parts])
    return low, np.maximum.reduce([np.where(there, stop, -NOTHING) for there, _, stop in parts])


def einsum(step: Step, needs: Needs) -> Needs:
    """Position by position along axes that input and output share: "bhwc,cd->bhwd"."""
    inputs, _, output = step.operation.equation.replace(" ", "").partition("->")
    source = inputs.split(",")[0]
    if "." in source + output or len(source) != len(step.source.shape) or len(output) != len(step.output.shape):
        return {}
    return {source.index(output[axis]): n for axis, n in needs.items() if source.count(output[axis]) == 1}


def _shifted(needs: Needs, by: dict[int, int]) -> Needs:
    return {axis: (first + by.get(axis, 0), last + by.get(axis, 0)) for axis, (first, last) in needs.items()}


def joined(step: Step, needs: Needs) -> Needs:
    """Concatenation: a part ends where the next begins, but for what padding put before the first, behind the last."""
    parts = step.arguments.args[0] if step.arguments.args else step.arguments.kwargs["xs"]
    axis = step.operation.axis % len(step.output.shape)
    if axis not in needs:
        return needs
    which = [i for i, part in enumerate(parts) if isinstance(part, keras.KerasTensor)][step.number]
    lengths = [part.shape[axis] for part in parts]
    if None in lengths:
        return without(needs, axis, len(step.output.shape))
    start = sum(lengths[:which])
    first, last = (end - start for end in needs[axis])
    outside = np.zeros(np.shape(first), bool)
    if which > 0:
        outside, first = outside | (last < 0), np.maximum(first, 0)
    if which < len(parts) - 1:
        outside, last = outside | (first > lengths[which] - 1), np.minimum(last, lengths[which] - 1)
    # a neuron that sees nothing of a part sees nothing of it along the other axes either
    return {
        i: (np.where(outside, NOTHING, one[0]), np.where(outside, -NOTHING, one[1]))
        for i, one in (needs | {axis: (first, last)}).items()
    }


def stacked(step: Step, needs: Needs) -> Needs:
    axis = step.operation.axis % len(step.output.shape)
    return {i - (i > axis): interval for i, interval in needs.items() if i != axis}


def repeated(step: Step, needs: Needs) -> Needs:
    axis, repeats = step.operation.axis, step.operation.repeats
    if axis is None or not isinstance(repeats, int):
        return {}
    axis = axis % len(step.source.shape)
    return {
        i: (first // repeats, last // repeats) if i == axis else (first, last) for i, (first, last) in needs.items()
    }
