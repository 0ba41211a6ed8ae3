"""What both sides have, but made or asked for in another way, as sentences."""

from pathlib import Path
from typing import Any

from cnnviz.errors import InputError
from cnnviz.files import read_json
from cnnviz.tracking import lockfile
from cnnviz.verify.sides import Files


def params(here: list[lockfile.Entry], there: list[lockfile.Entry]) -> list[str]:
    """A sentence for each parameter that the stages of both were run with, at another value."""
    known = {entry.name: entry.params for entry in there}
    pairs = [(entry.params, known[entry.name]) for entry in here if entry.name in known]
    lines = [_values(key, one[key], other[key]) for one, other in pairs for key in one if key in other]
    return list(dict.fromkeys(filter(None, lines)))


def _values(name: str, here: Any, there: Any) -> str:
    return "" if here == there else f"{name}: {here} here, {there} there"


def missing(what: str, here: Files, there: Files) -> list[str]:
    """What only one side has."""
    only = {"here": sorted(here.keys() - there.keys()), "there": sorted(there.keys() - here.keys())}
    return [f"{what}: only {side}: {', '.join(names)}" for side, names in only.items() if names]


def settings(model: str, here: Files, there: Files) -> list[str]:
    """What the layers of both were rendered with, where that is not the same: a sentence for each pair of values."""
    name = "settings.json"
    if name not in here or name not in there:
        return []
    one, other = read_mapping(here[name]), read_mapping(there[name])
    counts: dict[str, int] = {}
    for layer in one.keys() & other.keys() - {"objectives"}:
        for key in one[layer].keys() & dict(other[layer]).keys():
            if said := _values(key, one[layer][key], other[layer][key]):
                counts[said] = counts.get(said, 0) + 1
    return [f"{model}: rendered with {said} (layers: {count})" for said, count in sorted(counts.items())]


def read_mapping(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged ({error})") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: damaged (expected a mapping)")
    return found
