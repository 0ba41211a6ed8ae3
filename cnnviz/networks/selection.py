"""What params.yaml asks of a model, checked against model.json: layers, filters, memory for them (no TensorFlow)."""

from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from cnnviz.errors import InputError, choices, said
from cnnviz.files import WHOLE, machine

AUTO_FILTERS, AUTO_LAYERS = 4, 8
FLOAT = 4  # bytes of a number
KEPT = 2.5  # numbers in memory at once for each that a network computes while an image is rendered: ascent/renderer.py


def evenly(count: int, available: int) -> list[int]:
    """Return `count` different indices spread evenly over 0..available-1 (all of them if there are no more)."""
    return sorted({int(i) for i in np.linspace(0, available - 1, min(count, available)).round()})


def numbers(given: Sequence[int], count: int, where: str) -> list[int]:
    """Different filter numbers of a layer `where` with `count` filters, in the order given. Raises InputError."""
    there = f"{where} has 0..{count - 1}"
    listed = [] if isinstance(given, str | bytes) or not np.iterable(given) else list(given)
    if not listed:
        empty = np.iterable(given) and not isinstance(given, str | bytes)
        raise InputError(f"filters: {'none' if empty else said(given)} given; expected a list of numbers; {there}")
    for k in listed:
        if isinstance(k, bool) or not isinstance(k, int | np.integer):
            raise InputError(f"filters: {said(k)} in the list; expected whole numbers; {there}")
        if not 0 <= k < count:
            raise InputError(f"filters: {k} is out of range; {there}")
        if listed.count(k) > 1:
            raise InputError(f"filters: {k} is given twice; each once")
    return [int(k) for k in listed]


def filters(chosen: Any, model: dict[str, Any], where: str) -> dict[str, list[int]]:
    """Resolve `auto`, `all`, a number, or {layer: all, number or list} into {layer: filters}, layers in the network's
    order.

    auto: up to 8 layers evenly over the depth, 4 filters each, both evenly spaced. Filters are in the order of a list,
    else by number, but of more than WHOLE come first so many, evenly spaced. Raises InputError for an unknown layer
    (with the nearest names) or a filter out of range (with the range); `where` is the key's path in params.yaml.
    """
    counts = {conv["name"]: int(conv["filters"]) for conv in model["conv_layers"]}
    if chosen == "auto":
        names = list(counts)
        return {names[i]: evenly(AUTO_FILTERS, counts[names[i]]) for i in evenly(AUTO_LAYERS, len(names))}
    if chosen == "all" or isinstance(chosen, int):
        return {name: _some(count if chosen == "all" else chosen, count) for name, count in counts.items()}
    resolved = {}
    for name, asked in chosen.items():
        if name not in counts:
            raise InputError(f"{where}: {model['name']} has no conv layer {name!r}; {choices(name, counts)}")
        wanted = counts[name] if asked == "all" else asked
        largest = wanted if isinstance(wanted, int) else max(wanted) + 1
        if largest > counts[name]:
            given = f"{wanted} filters" if isinstance(wanted, int) else f"filter {max(wanted)}"
            raise InputError(
                f"{where}.{name}: {given} asked, out of range; the layer has filters 0..{counts[name] - 1}"
            )
        resolved[name] = _some(wanted, counts[name]) if isinstance(wanted, int) else list(wanted)
    return {name: resolved[name] for name in counts if name in resolved}


def _some(count: int, available: int) -> list[int]:
    """So many of 0..available-1, evenly spaced; WHOLE of them first, evenly spaced, too."""
    found = evenly(count, available)
    first = [found[i] for i in evenly(WHOLE, len(found))]
    return first + sorted({*found} - {*first})


def of_maps(
    described: Mapping[str, Any], size: Sequence[int] | None = None, until: Collection[str] | None = None
) -> float:
    """Bytes of the maps of all conv layers for one image: of the network's size, or `size` (height, width).

    until: only what leads to these layers, in the network's order. described: model.json.
    """
    convs = described["conv_layers"]
    last = max((i for i, conv in enumerate(convs) if until is None or conv["name"] in until), default=-1)
    area = prod(size or ()) / prod(described["input_shape"][:2]) if size else 1.0
    sides = (conv["output_shape"] for conv in convs[: last + 1])
    return area * FLOAT * sum(prod(side or 1 for side in shape) for shape in sides)


def check_output(layer: str, numbers: int, shape: Sequence[int], images: int) -> None:
    """Raises InputError where a layer's `numbers` for each of so many images of `shape`, (h, w, channels), can't be
    had.
    """
    what = f"its maps of {'an image' if images == 1 else f'{images} images'} of {shape[1]}x{shape[0]} pixels"
    _check(images * FLOAT * numbers, f"layer {layer}", what, "lower `input_size`, or save the model without it")


def _check(needed: float, where: str, what: str, remedy: str) -> None:
    """Raises InputError where so many bytes can't be had; where: the key that asks; what: needs them."""
    if needed > (there := machine.memory()):
        raise InputError(
            f"{where}: {what} take over {needed / 1e9:,.1f} GB of memory, this machine has {there / 1e9:.1f}; {remedy}"
        )


def check_batch(described: Mapping[str, Any], batch: int, where: str) -> None:
    """Raises InputError where the maps of so many images at once can't be had."""
    height, width = described["input_shape"][:2]
    images = "an image" if batch == 1 else f"{batch} images"
    what = f"all maps of {images} of {width}x{height} pixels in {described['name']}"
    _check(batch * of_maps(described), where, what, "lower it, or `input_size`")


def check_canvas(
    described: Mapping[str, Any],
    layers: Collection[str],
    size: Any,
    max_size: int,
    where: str = "params.yaml: maximize",
) -> None:
    """Raises InputError where one image for any of these layers can't be rendered, on a canvas of `size`, as in
    params.yaml, or where that is auto as large as a receptive field and `max_size` make it.
    """
    trained = described["input_shape"][:2]
    for conv in (one for one in described["conv_layers"] if one["name"] in layers):
        seen = conv["receptive_field"] or max_size
        wide = max(seen) if isinstance(seen, list) else seen
        sides = [min(8 * wide, max_size, 2 * side) for side in trained] if size == "auto" else size
        height, width = sides if isinstance(sides, list) else (sides, sides)
        what = f"the maps of one image of {width:.0f}x{height:.0f} pixels up to {conv['name']} in {described['name']}"
        needed = KEPT * of_maps(described, (height, width), {conv["name"]})
        _check(needed, f"{where}.{'max_size' if size == 'auto' else 'size'}", what, "lower it")
