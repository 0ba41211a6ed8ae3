"""Which layers and filters of a model `analyze` looks at, checked against model.json (no TensorFlow)."""

from typing import Any

from cnnviz.errors import InputError, choices
from cnnviz.files import WHOLE
from cnnviz.networks import selection


def layers(chosen: list[str] | None, model: dict[str, Any], where: str) -> list[str]:
    """Return the conv layers asked for in the network's order, all for None. Raises InputError for an unknown one."""
    names = [conv["name"] for conv in model["conv_layers"]]
    for name in chosen or ():
        if name not in names:
            raise InputError(f"{where}: {model['name']} has no conv layer {name!r}; {choices(name, names)}")
    return [name for name in names if chosen is None or name in chosen]


def pictured(
    layers: list[str], rendered: dict[str, list[int]], model: dict[str, Any], which: str
) -> dict[str, list[int]]:
    """Return the filters of each layer whose patches are stored.

    `rendered`: those whose images are rendered, the first WHOLE, and 4 of each layer where none is; which: `rendered`
    or `all`.
    """
    counts = {conv["name"]: int(conv["filters"]) for conv in model["conv_layers"]}
    if which == "all":
        return {name: list(range(counts[name])) for name in layers}
    some = {name: selection.evenly(selection.AUTO_FILTERS, counts[name]) for name in layers}
    return {name: rendered.get(name, [])[:WHOLE] or some[name] for name in layers}
