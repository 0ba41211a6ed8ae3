"""Milliseconds of cnnviz's step, per image, where so many images are computed at once; the default recipe."""

import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.card import rows
from benchmarks.card.settings import STORED, batches_of, precisions, settings
from cnnviz import device
from cnnviz.files import use_defaults
from cnnviz.maximization import Chunk, Workshop
from cnnviz.maximization import settings as recipe
from cnnviz.networks import load
from cnnviz.objectives import channel


def timed(loaded: Any, layer: str, count: int, precision: str, steps: tuple[int, int]) -> dict[str, Any]:
    """In one call of the renderer; what it does once, and at the end, is taken off."""
    network, described = loaded
    policy = batches_of(count, precision) if device.here().gpu else None
    shop = Workshop(network, described["preprocessing"], described["digest"], 3, described, policy)
    aims = tuple(channel(layer, k) for k in range(count))

    def run(number: int) -> None:
        use = settings(described, layer, precision, number, rows.SIZE)
        shop.render(Chunk("", aims, use, scored=False, measured=False))

    begun = time.perf_counter()
    run(steps[0])
    first = time.perf_counter() - begun
    each = rows.milliseconds(run, steps, count)
    return {"ms": statistics.median(each), "each": each, "first_call_s": first}


def speed(layers: Sequence[str], counts: Sequence[int], steps: tuple[int, int], auto: bool) -> Iterator[dict[str, Any]]:
    """auto: only what `precision: auto` means here."""
    use_defaults()
    loaded = load(STORED)
    chosen = recipe.resolve_precision("auto")
    yield {"device": str(device.here()), "auto": chosen}
    others = [] if auto else [one for one in precisions() if one != chosen]
    for precision, layer, count in itertools.product([chosen, *others], layers, counts):
        try:
            found = timed(loaded, layer, count, precision, steps)
        except Exception as error:  # of one layer: the others are still of interest
            found = {"failed": rows.reason(error)}
        yield {"tool": f"cnnviz {precision}", "layer": layer, "images": count, **found}


if __name__ == "__main__":
    rows.part(speed)
