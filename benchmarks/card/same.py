"""Is an image the same whatever it is rendered with? A process that renders some filters in every company, and holds
them against a file, or writes it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.card import rows
from benchmarks.card.settings import STORED, batches_of, precisions, settings
from cnnviz import device
from cnnviz.files import use_defaults
from cnnviz.maximization import Chunk, Rendering, Workshop
from cnnviz.maximization import settings as recipe
from cnnviz.maximization.cache import RenderCache
from cnnviz.networks import load
from cnnviz.objectives import channel

SUBJECTS = 3  # filters that are looked at
Parts = dict[str, np.ndarray]


def companies(filters: Sequence[int], channels: int) -> dict[str, list[list[int]]]:
    """Lists of filters that are rendered together, by what is different about them; the subjects are the first ones."""
    subjects, others = list(filters[:SUBJECTS]), [k + 1 for k in filters if k + 1 < channels and k + 1 not in filters]
    return {
        "company": [list(filters)],
        "twice": [list(filters)],
        "alone": [[k] for k in subjects],
        "order": [list(reversed(filters))],
        "place": [others[: len(filters) - len(subjects)] + subjects],
    }


def chosen(channels: int, count: int) -> list[int]:
    return list(range(3, channels, max(2, channels // count)))[:count]


def against(one: Parts, other: Parts) -> dict[str, Any]:
    """Whether two renderings of a filter are the same bytes, and how far apart they are."""
    same = {name: one[name].tobytes() == other[name].tobytes() for name in one}
    pixels = int(np.abs(one["images"].astype(int) - other["images"]).max())
    return {
        "same": all(same.values()),
        "pixels": pixels,
        "unlike": sorted(name for name, alike in same.items() if not alike),
    }


def render(
    layers: Sequence[str], steps: int, count: int, file: str, write: bool, batch: int = 0
) -> Iterator[dict[str, Any]]:
    """Rows of the first layer in each precision, of the others in that which is chosen here.

    file: what `write` puts subjects into, and another process compares with, in that precision. batch: compute so many
    at once, as on a card, in float32 alone; 0: as cnnviz does here.
    """
    use_defaults()
    network, described = load(STORED)
    known = {} if write else dict(np.load(file))
    kept: Parts = {}
    auto = recipe.resolve_precision("auto")
    yield {"device": str(device.here()), "auto": auto}
    for layer in layers:
        channels = network.get_layer(layer).filters
        filters = chosen(channels, count)
        robust: dict[str, float] = {}
        every = ["float32"] if batch else precisions() if write and layer == layers[0] else [auto]
        for precision in every:
            use = settings(described, layer, precision, steps)
            first: dict[int, Parts] = {}
            lists = companies(filters, channels) if write else {"process": [filters]}
            policy = batches_of(batch, precision) if batch else None
            shop = Workshop(network, described["preprocessing"], described["digest"], 3, described, policy)
            for case, groups in lists.items():
                try:
                    made = {}
                    for group in groups:
                        chunk = Chunk("", tuple(channel(layer, k) for k in group), use)
                        found = shop.render(chunk)
                        made |= {k: dict(found.part(i, i + 1).items()) for i, k in enumerate(group)}
                except Exception as error:  # of one precision: the others are still of interest
                    yield {"layer": layer, "precision": precision, "case": case, "failed": rows.reason(error)}
                    break
                if case == "company":
                    first = made
                    robust[precision] = float(np.median([parts["robust"][0] for parts in made.values()]))
                    kept |= {f"{layer} {precision} {k} {n}": a for k in filters[:SUBJECTS] for n, a in made[k].items()}
                    share = robust[precision] / robust["float32"] if robust.get("float32") else None
                    yield {"layer": layer, "precision": precision, "robust": robust[precision], "of_float32": share}
                    continue
                there = first or _of(known, f"{layer} {precision} ", filters)
                each = [against(there[k], made[k]) for k in filters[:SUBJECTS]]
                yield {"layer": layer, "precision": precision, "case": case, **_worst(each)}
    if write:
        np.savez(file, **kept)


def _of(known: Parts, start: str, filters: Sequence[int]) -> dict[int, Parts]:
    found: dict[int, Parts] = {k: {} for k in filters[:SUBJECTS]}
    for name, array in known.items():
        if name.startswith(start):
            k, part = name.removeprefix(start).split(" ")
            found[int(k)][part] = array
    return found


def _worst(each: list[dict[str, Any]]) -> dict[str, Any]:
    unlike = sorted({name for one in each for name in one["unlike"]})
    return {"same": not unlike, "pixels": max(one["pixels"] for one in each), "unlike": unlike}


def killed(
    layers: Sequence[str], steps: int, count: int, file: str, precision: str, cache: str
) -> Iterator[dict[str, Any]]:
    """Render through a render cache, which may hold what a killed process made, and hold against the file."""
    use_defaults()
    network, described = load(STORED)
    shop = Workshop(network, described["preprocessing"], described["digest"], 3, described)
    before = len(list(Path(cache).rglob("*.npz")))
    work = Rendering("", shop.render, RenderCache(Path(cache), described["fingerprint"]), lambda done: None)
    known = dict(np.load(file)) if Path(file).is_file() else {}
    for layer in layers:
        filters = chosen(network.get_layer(layer).filters, count)
        use = settings(described, layer, precision, steps)
        made: dict[int, Parts] = {}
        for start in range(0, count, 2):  # two at a time, in an order of their own
            group = filters[::-1][start : start + 2]
            found = work.images(Chunk("", tuple(channel(layer, k) for k in group), use))
            made |= {k: dict(found.part(i, i + 1).items()) for i, k in enumerate(group)}
        there = _of(known, f"{layer} {precision} ", filters)
        each = [against(there[k], made[k]) for k in filters[:SUBJECTS]]
        yield {"layer": layer, "precision": precision, "case": "killed", "found": before, **_worst(each)}


if __name__ == "__main__":
    import sys

    rows.part(killed if '"precision"' in sys.argv[1] else render)
