"""Which layers and filters of a model params.yaml asks for, checked against model.json (no TensorFlow)."""

from typing import Any

import numpy as np

from cnnviz.errors import InputError, choices

AUTO_FILTERS, AUTO_LAYERS = 4, 8


def evenly(count: int, available: int) -> list[int]:
    """Return `count` different indices spread evenly over 0..available-1 (all of them if there are no more)."""
    return sorted({int(i) for i in np.linspace(0, available - 1, min(count, available)).round()})


def filters(chosen: Any, model: dict[str, Any], where: str) -> dict[str, list[int]]:
    """Resolve `auto`, a number, or {layer: number or list} into {layer: filters}, layers in the network's order.

    auto: up to 8 layers evenly over the depth, 4 filters each, both evenly spaced. Raises InputError for an unknown
    layer (with the nearest names) or a filter out of range (with the range); `where` is the key's path in params.yaml.
    """
    counts = {conv["name"]: int(conv["filters"]) for conv in model["conv_layers"]}
    if chosen == "auto":
        names = list(counts)
        return {names[i]: evenly(AUTO_FILTERS, counts[names[i]]) for i in evenly(AUTO_LAYERS, len(names))}
    if isinstance(chosen, int):
        return {name: evenly(chosen, count) for name, count in counts.items()}
    resolved = {}
    for name, wanted in chosen.items():
        if name not in counts:
            raise InputError(f"{where}: {model['name']} has no conv layer {name!r}; {choices(name, counts)}")
        largest = wanted if isinstance(wanted, int) else max(wanted) + 1
        if largest > counts[name]:
            given = f"{wanted} filters" if isinstance(wanted, int) else f"filter {max(wanted)}"
            raise InputError(
                f"{where}.{name}: {given} asked, out of range; the layer has filters 0..{counts[name] - 1}"
            )
        resolved[name] = evenly(wanted, counts[name]) if isinstance(wanted, int) else list(wanted)
    return {name: resolved[name] for name in counts if name in resolved}
