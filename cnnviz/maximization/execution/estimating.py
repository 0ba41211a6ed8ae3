"""What a request would cost, from a few steps of each layer; what is in the render cache costs nothing."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path

from cnnviz.files import WHOLE
from cnnviz.maximization import chunks
from cnnviz.maximization.ascent.settings import Settings
from cnnviz.maximization.asking import OTHER_SEEDS
from cnnviz.maximization.chunks import Chunk
from cnnviz.maximization.execution.replaying import replay
from cnnviz.maximization.execution.request import Request
from cnnviz.maximization.execution.work import Part, Work

STEPS = 4  # that are timed of a layer, besides the first, whose graph is traced
FILES = 0.06  # seconds for the scores and the files of a filter, measured (docs/clusters.md)
BEGIN = 12.0  # seconds for TensorFlow and the network, likewise
PNG = 0.75  # bytes of a picture's file for each of its numbers, likewise


@dataclass(frozen=True)
class Pace:
    """Seconds of a layer: until its graph is there; for a step, a kept image, a robust score of one image."""

    tracing: float
    step: float
    kept: float
    score: float

    def of(self, chunk: Chunk, images: int) -> float:
        """Of so many images of a chunk."""
        use = chunk.settings
        kept = chunk.measured * len(use.snapshot_steps) * self.kept
        return images * (use.steps * self.step + kept + chunk.scored * self.score)


@dataclass
class Estimate:
    """parts: what is to be made, `effort` in seconds of a process; steps: image·steps of it; found: those in the render
    cache.

    processes: that the stage takes here, of `threads` each; tracing: seconds of one, by layer; cache, outputs: bytes
    that are added.
    """

    filters: int
    processes: int = 1
    threads: int = 1
    steps: int = 0
    found: int = 0
    parts: list[Part] = field(default_factory=list)
    tracing: dict[str, float] = field(default_factory=dict)
    files: float = 0.0
    cache: int = 0
    outputs: int = 0

    @property
    def seconds(self) -> float:
        """By the stage, here."""
        return BEGIN + self._made(self.processes) + self.files

    def by(self, workers: int, cpus: float) -> float:
        """Seconds by so many workers of so many cores, which are taken to be no faster than a process here.

        Where nothing is to be made, the stage asks for none.
        """
        if not self.parts:
            return self.seconds
        return 2 * BEGIN + max(1.0, self.threads / cpus) * self._made(workers) + self.files

    def _made(self, workers: int) -> float:
        return replay(self.parts, lambda part: self.tracing[part.layer], workers)


def estimate(
    request: Request, artifacts: Path, folder: Path, tick: Callable[[str], object], processes: int, threads: int
) -> Estimate:
    """What the stage takes by so many processes, each with as many threads as this one: `shared` gives both.

    folder: the render cache; tick: gets the name of each layer that is timed. Raises InputError as `Work` does.
    """
    work = Work(request, artifacts)
    found, paces = Estimate(sum(map(len, work.wanted.values())), processes, threads), dict[Hashable, Pace]()
    for part in work.parts():
        cache, steps, seconds, graphs = work.named(part.state).cache(folder), 0, 0.0, dict[Hashable, float]()
        whole = not part.filters or part.filters[0] in work.wanted[part.layer][:WHOLE]
        for chunk in work.asked(part):
            each, use = chunk.settings.variants, chunk.settings
            missing = sum(not cache.there(chunk, i) for i in range(len(chunk.objectives))) * each
            found.found += (len(chunk.objectives) * each - missing) * use.steps
            found.outputs += _shown(chunk, work.channels, whole)
            if missing:
                graph = (use.traced, chunk.objectives[0].structure)
                if graph not in paces:
                    tick(part.layer or part.objective)
                    paces[graph] = _timed(replace(chunk, starts=None))
                graphs[graph] = paces[graph].tracing
                steps, seconds = steps + missing * use.steps, seconds + paces[graph].of(chunk, missing)
                found.cache += _kept(use, missing, work.channels)
        found.files += FILES * max(1, len(part.filters))
        if steps:
            if len(graphs) > 1:  # one at a time is kept: traced for each part
                seconds += sum(graphs.values())
            found.tracing[part.layer] = sum(graphs.values()) if len(graphs) == 1 else 0.0
            found.steps += steps
            found.parts.append(replace(part, steps=steps, effort=seconds))
    return found


def _timed(chunk: Chunk) -> Pace:
    """Of the structure of a chunk, with as many images."""
    count = len(chunk.objectives) * chunk.settings.variants

    def seconds(steps: int, scored: bool) -> float:
        started = time.perf_counter()
        some = replace(chunk, settings=replace(chunk.settings, steps=steps, snapshots=()), scored=scored, measured=True)
        chunks.render(some)
        return time.perf_counter() - started

    first, scored, short = seconds(1, True), seconds(1, True), seconds(1, False)
    step = max(0.0, seconds(1 + STEPS, False) - short) / STEPS
    kept = max(0.0, short - step)
    return Pace(max(0.0, first - scored), step / count, kept / count, max(0.0, scored - short) / count)


def _kept(use: Settings, images: int, channels: int) -> int:
    """Bytes in the render cache, without small arrays."""
    return images * prod(use.size) * channels * (1 + len(use.snapshot_steps))


def _shown(chunk: Chunk, channels: int, whole: bool) -> int:
    """Bytes in artifacts/maximize: arrays, and pictures of an image with steps, of filters that are kept `whole`."""
    use, images = chunk.settings, len(chunk.objectives) * chunk.settings.variants
    if chunk.attempt in OTHER_SEEDS:
        return 0
    if not (whole and use.snapshots):
        return prod(use.size) * channels * images
    return round(_kept(use, images, channels) * (1 + PNG))
