"""What params.yaml would cost to render, before it does: `python -m cnnviz.plan --workers 8 16`.

Makes a few steps of each layer, minutes for a large network; what is in the render cache costs nothing. After the
stages before `maximize`: `dvc repro feature_maps`.
"""

import argparse
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from cnnviz import config, maximization, networks
from cnnviz.errors import InputError, choices
from cnnviz.files import ARTIFACTS, CACHE, command, drop_chatter, end_with, say, use_defaults

WORKERS, MOST = (1, 8, 16), 10_000


def rows(params: config.Params, models: Sequence[str], workers: Sequence[int]) -> list[dict[str, Any]]:
    """What each model costs, and its series, if it is one: name, filters, image·steps, found ones, seconds, bytes.

    Raises InputError for a model that is not there, and where an earlier stage has not run.
    """
    for key in models:
        if key not in params.models:
            raise InputError(f"params.yaml: no model {key!r}; {choices(key, params.models)}")
    asked = {}
    for key in dict.fromkeys(models):
        described = networks.read_description(ARTIFACTS / "models" / key)
        for plain in (False, True) if "checkpoints" in described else (False,):
            sets = tuple(params.images.sets)
            one = maximization.Request(key, params.models[key], params.maximize, params.random_seed, sets, plain)
            one.read(ARTIFACTS)  # what is missing is said before anything is timed
            asked[f"{'epochs' if plain else 'maximize'} {key}"] = one
    return [_alone(name, one, workers) for name, one in asked.items()]


def _row(name: str, request: maximization.Request, workers: Sequence[int]) -> dict[str, Any]:
    asked, *shared = maximization.shared(request, request.read(ARTIFACTS))  # before TensorFlow comes with the rest
    cost = maximization.estimate(asked, ARTIFACTS, CACHE / "render", lambda layer: say(f"{name}: {layer}"), *shared)
    return {
        "name": name,
        "filters": cost.filters,
        "steps": cost.steps,
        "found": cost.found,
        "here": cost.seconds,
        **{str(n): cost.by(n, request.section.worker_cpus) for n in workers},
        "cache": cost.cache,
        "outputs": cost.outputs,
    }


def _alone(name: str, request: maximization.Request, workers: Sequence[int]) -> dict[str, Any]:
    """A row, from a process of its own as the stage is one: TensorFlow takes its threads once."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=_begin, initargs=(os.getpid(),)) as others:
        try:
            return others.submit(_row, name, request, workers).result()
        except BrokenProcessPool:
            raise InputError(
                f"{name}: the process that timed its steps was ended, as the system does where memory is short; free "
                f"some, or lower maximize.memory ({request.section.memory:g} MB)"
            ) from None
        finally:
            for process in multiprocessing.active_children():
                process.terminate()


def _begin(parent: int) -> None:
    end_with(parent)
    drop_chatter()
    use_defaults()


def table(found: list[dict[str, Any]], workers: Sequence[int]) -> str:
    """For a terminal."""
    times = ["here", *(f"{n} worker{'s' * (n > 1)}" for n in workers)]
    heads = ["", "filters", "image·steps", "made before", *times, "cache", "outputs"]
    whole = {key: sum(row[key] for row in found) for key in found[0] if key != "name"} | {"name": "all"}
    lines = [heads]
    for row in found if len(found) == 1 else [*found, whole]:
        minutes = (f"{row[key] / 60:.1f} min" for key in ("here", *map(str, workers)))
        disk = (f"{row[key] / 1e6:,.0f} MB" for key in ("cache", "outputs"))
        lines.append([row["name"], *(f"{row[key]:,}" for key in ("filters", "steps", "found")), *minutes, *disk])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m cnnviz.plan", description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help="keys in params.yaml; all where none is given")
    parser.add_argument("--workers", nargs="+", type=int, default=WORKERS, metavar="N", help="of a cluster; 1 8 16")
    given = parser.parse_args(words)
    with command("python -m cnnviz.plan"):
        for count in given.workers:
            if not 1 <= count <= MOST:
                raise InputError(f"--workers: given {count}; expected 1 to {MOST}")
        params = config.load()
        print(table(rows(params, given.models or list(params.models), given.workers), given.workers))


if __name__ == "__main__":
    main(sys.argv[1:])
