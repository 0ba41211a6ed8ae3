"""Names in params.yaml of which files and folders are made: no two outputs may have one path, also where a file system
takes upper and lower case for the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

# Of the report's own files
REPORT = ("index", "assets", "compare", "docs", "epochs", "images", "metrics", "plots", "walk")
ANALYSIS = ("examples", "outputs", "predictions")  # folders beside those of the sets in analysis/<model>
OF_PAIRS = ("_rendered", "_filters", "_drift")  # ends of the names of files about two models


def meeting(models: Mapping[str, Iterable[str]], sets: Iterable[str]) -> Iterator[str]:
    """A line for each name that meets another. models: names of each model's objectives by its key; sets: keys."""
    sets = list(sets)
    for key in models:
        if key.lower() in REPORT:
            yield f"models.{key}: the report has files of this name; expected another one"
        for end in OF_PAIRS:
            if key.endswith(end) and key.removesuffix(end) in models:
                yield f"models.{key}: files about {key.removesuffix(end)} and another model end in {end}; rename it"
    for key in sets:
        if key.lower() in ANALYSIS:
            yield f"images.sets.{key}: the analysis has files of this name; expected another one"
    spelled: dict[str, Iterable[str]] = {f"models.{key}.objectives": names for key, names in models.items()}
    for place, names in {"models": models, "images.sets": sets, **spelled}.items():
        yield from _twice(((name, name) for name in names), place, "upper and lower case is not told apart everywhere")
    pairs = [(f"{a} and {b}", f"{a}--{b}") for a, b in combinations(models, 2)]
    yield from _twice(pairs, "models", "files about two models would have one name")
    pairs = [(f"{a} and {b}", f"{a}_{b}") for a, b in combinations(sets, 2)]
    yield from _twice(pairs, "images.sets", "files about two sets would have one name")


def _twice(named: Iterable[tuple[str, str]], place: str, why: str) -> Iterator[str]:
    """named: of what, and the name that it gets."""
    owners: dict[str, list[str]] = {}
    for owner, name in named:
        owners.setdefault(name.lower(), []).append(owner)
    for one, other in dict.fromkeys((of[0], of[1]) for of in owners.values() if len(of) > 1):
        yield f"{place}: {one}, {other}: {why}; rename one"
