"""One plan of a model's pictures: in which parts they are made, by any process in any order, and how each is.

The stage makes the parts one after the other; a shard or a worker of a cluster makes some of them, as the same files of
the render cache.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from cnnviz.activations import nature
from cnnviz.maximization import canvas, chunks, surroundings
from cnnviz.maximization.ascent import settings
from cnnviz.maximization.ascent.rendered import Rendered
from cnnviz.maximization.asking import Asked, Wishes, costs, operations, split
from cnnviz.maximization.cache import RenderCache
from cnnviz.maximization.chunks import Chunk
from cnnviz.maximization.execution.request import Request
from cnnviz.maximization.rendering import Judged, Rendering, Tick
from cnnviz.networks import series
from cnnviz.objectives import channel


@dataclass(frozen=True)
class Part:
    """What is made together: some filters of a layer, or one objective. state: of a series, the checkpoint's number.

    steps: image·steps; effort: in the measure of `Work.effort`; wishes: of filters.
    """

    layer: str
    filters: tuple[int, ...]
    steps: int
    effort: float
    wishes: Wishes = field(default_factory=Wishes)
    objective: str = ""
    state: int | None = None

    def __str__(self) -> str:
        what = f"objective {self.objective}" if self.objective else f"{self.layer} {', '.join(map(str, self.filters))}"
        return what if self.state is None else f"{what} at checkpoint {self.state}"

    def split(self, count: int) -> list["Part"]:
        """The same in parts of `count` filters, the last one of what is left."""
        each = [self.filters[i : i + count] for i in range(0, len(self.filters), count)] or [()]
        share = [len(some) / max(1, len(self.filters)) for some in each] if self.filters else [1.0]
        return [
            replace(self, filters=some, steps=round(self.steps * one), effort=self.effort * one)
            for some, one in zip(each, share, strict=True)
        ]


class Work:
    """Canvas, settings and wishes of each layer and objective of a request, its parts, and each of them made.

    Loads the network, once per process. Raises InputError as `Request.read` does, and where the network does not take
    `maximize.size`.
    """

    def __init__(self, request: Request, artifacts: Path) -> None:
        given = request.read(artifacts)
        self.request, self.artifacts = request, artifacts
        self.stored, self.described, self.wanted = given.stored, given.described, given.wanted
        self.objectives, self.images = given.objectives, given.images
        section, seed = request.section, request.seed
        self.size, self.channels = tuple(self.described["input_shape"][:2]), self.described["input_shape"][2]
        self.fields = {one["name"]: canvas.pair(one["receptive_field"]) for one in self.described["conv_layers"]}
        fitting = canvas.Fitting(chunks.workshop(str(self.stored)).network, (*self.size, self.channels))
        asked, where = None if section.size == "auto" else canvas.pair(section.size), "params.yaml: maximize.size"
        sizes = {name: canvas.wanted(self.fields[name], self.size, section.max_size) for name in self.wanted}
        unseen = canvas.wanted(None, self.size, section.max_size)
        self.chosen = {name: fitting.layers([name], asked, one, where) for name, one in sizes.items()}
        self.use = {n: settings.settings_for(section, seed, self.fields[n], c.size) for n, c in self.chosen.items()}
        self.chosen_for = {n: fitting.objective(o, asked, unseen, where) for n, o in self.objectives.items()}
        self.whole = {n: settings.settings_for(section, seed, None, c.size) for n, c in self.chosen_for.items()}
        self.wishes = {name: self._wishes(name) for name in self.wanted}
        self.costs = costs(self.described, {name: one.size for name, one in self.use.items()}, self.size)
        self._around: tuple[str, surroundings.Surroundings] | None = None
        self.together: dict[str, int] = {}  # by layer, how many filters fit into memory, where that is known
        self._noted: dict[str, dict[str, Any]] = {}  # of layers and objectives, what a card decides

    def _wishes(self, layer: str) -> Wishes:
        section = self.request.section
        if self.request.plain:
            return Wishes(section.neuron, 0)
        patches = 0 if settings.first(self.fields[layer]) else section.from_patches
        return Wishes(section.neuron, section.stability_steps, section.negatives, section.variants, patches)

    def at(self, folder: Path, described: dict[str, Any]) -> "Work":
        """The same for another state of the network: folder of a stored model, and its model.json."""
        other = copy.copy(self)
        other.stored, other.described = folder, described
        return other

    def named(self, state: int | None) -> "Work":
        """The same for a checkpoint's names in the render cache; not to be made, for its weights are elsewhere."""
        return self if state is None else self.at(self.stored, series.Stored(self.stored).described_at(state))

    @property
    def steps(self) -> int:
        """Image·steps, of a series those of one state, without what the ladder makes again."""
        return sum(part.steps for part in self.groups())

    @property
    def effort(self) -> float:
        """The same, each by about how long it takes against others."""
        return sum(part.effort for part in self.groups())

    def groups(self) -> Iterator[Part]:
        """All parts, of a series those of one state, before they are split."""
        for layer in self.wanted:
            yield from self._groups(layer)
        yield from self.of_objectives()

    def _groups(self, layer: str, state: int | None = None) -> Iterator[Part]:
        """The filters of a layer by what is made of them, however many."""
        for filters, wishes in split(self.wanted[layer], self.wishes[layer]):
            steps = operations(len(filters), self.use[layer], wishes)
            yield Part(layer, filters, steps, steps * self.costs[layer], wishes, state=state)

    def of_layer(self, layer: str, state: int | None = None) -> Iterator[Part]:
        """The filters of a layer, so many together as fit into memory."""
        for group in self._groups(layer, state):
            yield from self.fitting(group)

    def fitting(self, part: Part) -> list[Part]:
        """The same, so many filters together as fit into memory."""
        layer, section = part.layer, self.request.section
        if part.objective:
            return [part]
        if layer not in self.together:
            natural = self.around(layer).pictures if section.parameterization == "maco" else None
            self.together[layer] = chunks.size(str(self.stored), layer, self.use[layer], section.memory, natural)
            self._noted[layer] = chunks.note(str(self.stored), channel(layer, 0), self.use[layer], natural)
        return part.split(self.together[layer])

    def of_objectives(self) -> Iterator[Part]:
        for name, one in self.whole.items():
            yield Part("", (), one.steps, one.steps * self.costs[""], objective=name)

    def parts(self) -> list[Part]:
        """All parts, of a series (`plain`) those of each checkpoint."""
        states = range(len(self.described["checkpoints"])) if self.request.plain else (None,)
        layers = [part for state in states for layer in self.wanted for part in self.of_layer(layer, state)]
        return [*layers, *self.of_objectives()]

    def around(self, layer: str) -> surroundings.Surroundings:
        """Natural images around a layer; around `plain` pictures only those that they are made from."""
        if self._around is None or self._around[0] != layer:
            self._around = layer, self._surroundings(layer)
        return self._around[1]

    def _surroundings(self, layer: str) -> surroundings.Surroundings:
        shape, section = (*self.use[layer].size, self.channels), self.request.section
        if self.request.plain:
            return self._plainly(shape)
        known = nature.read(self.artifacts / "feature_maps" / self.request.key, layer, self.images)
        return surroundings.around(known, self.images, shape, section.start, self.size, self.fields[layer])

    def _plainly(self, shape: tuple[int, int, int]) -> surroundings.Surroundings:
        section = self.request.section
        natural = nature.pictures(self.images, shape[:2], shape[2]) if section.parameterization == "maco" else None
        return surroundings.Surroundings(
            pictures=natural, chosen=surroundings.start_image(self.images, shape, section.start)
        )

    def asked(self, part: Part) -> list[Chunk] | Asked:
        """The chunks of a part that are rendered whatever comes of them."""
        if part.objective:
            around = self._plainly((*self.whole[part.objective].size, self.channels))
            one, use = self.objectives[part.objective], self.whole[part.objective]
            self._noted[f"{part.objective}()"] = chunks.note(str(self.stored), one, use, around.pictures)
            return [Chunk(str(self.stored), (one,), use, starts=around.chosen, natural=around.pictures)]
        layer = part.layer
        return Asked(str(self.stored), layer, part.filters, self.use[layer], part.wishes, self.around(layer))

    def judge(self, part: Part, rendering: Rendering) -> Judged:
        """Filters with their verdicts."""
        layer = part.layer
        return rendering.judge(layer, part.filters, self.use[layer], part.wishes, self.around(layer))

    def images_of(self, part: Part, rendering: Rendering) -> Rendered:
        """An objective, or filters by the first attempt alone."""
        return rendering.images(next(iter(self.asked(part))))

    def prepare(self, chunk: Chunk) -> None:
        """On a card, have the layer after a chunk's compiled meanwhile."""
        layers = chunk.objectives[0].layers
        after = dict(pairwise(self.wanted)).get(layers[0]) if layers else None
        if after and chunk.model == str(self.stored):
            chunks.prepare(chunk.model, after, self.use[after])

    @property
    def written(self) -> dict[str, Any]:
        """For settings.json; what a card decides: of the layers and objectives whose parts were asked for."""
        noted = self._noted
        used = {n: one.written() | self.chosen[n].note | noted.get(n, {}) for n, one in self.use.items()}
        whole = {n: one.written() | self.chosen_for[n].note | noted.get(f"{n}()", {}) for n, one in self.whole.items()}
        return used | ({"objectives": whole} if whole else {})

    def make(self, part: Part, rendering: Rendering) -> Judged | Rendered:
        return (self.images_of if part.objective or self.request.plain else self.judge)(part, rendering)

    def cache(self, folder: Path, kind: list[str] | None = None) -> RenderCache:
        """What is kept of this network's pictures in a folder. kind: see RenderCache."""
        answer = [self.described.get("head", {}).get("output"), self.described["class_names"]]  # what `logit` means
        return RenderCache(folder, self.described["fingerprint"], answer, kind)

    def rendering(
        self, folder: Path, make: Callable[[Chunk, Tick], Rendered], skip: Tick, kind: list[str] | None = None
    ) -> Rendering:
        """This network's images; what is in the folder is not made. skip: gets the image·steps of what was there."""
        return Rendering(str(self.stored), make, self.cache(folder, kind), skip)


class States(ExitStack):
    """Inside, the work at any checkpoint of its series, one at a time; what is no series has one state, None."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work, self._here = work, work
        self._state: int | None = None
        self._kept = series.Stored(work.stored) if work.request.plain else None

    def at(self, state: int | None) -> Work:
        if state != self._state:
            self.close()
            if self._state is not None:
                series.let_go(self.work.described["parameters"])
            self._state, self._here = state, self.work
            if state is not None and self._kept is not None:
                folder = self.enter_context(self._kept.at(state))
                self._here = self.work.at(folder, self._kept.described_at(state))
        return self._here


def lacking(work: Work, parts: Iterable[Part], folder: Path, kind: list[str] | None = None) -> Iterator[Part]:
    """Those that are not in a render cache, each with those of its filters of which something is missing.

    kind: see RenderCache.
    """
    for part in parts:
        cache, missing = work.named(part.state).cache(folder, kind), set[int]()
        for chunk in work.asked(part):
            missing |= {i for i in range(len(chunk.objectives)) if i not in missing and not cache.there(chunk, i)}
            if len(missing) == len(chunk.objectives):
                yield part
                break
        else:
            if missing:
                filters, share = tuple(part.filters[i] for i in sorted(missing)), len(missing) / len(part.filters)
                yield replace(part, filters=filters, steps=round(part.steps * share), effort=part.effort * share)
