"""Filters of one layer, rendered, rescued and scored: chunks through the cache, the ladder, the scores of scores.py."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cnnviz import objectives
from cnnviz.activations import Nature
from cnnviz.files import WHOLE
from cnnviz.maximization import ladder
from cnnviz.maximization.ascent import scores
from cnnviz.maximization.ascent.renderer import Rendered, join
from cnnviz.maximization.ascent.settings import Settings, Size
from cnnviz.maximization.cache import RenderCache
from cnnviz.maximization.chunks import Chunk
from cnnviz.maximization.surroundings import Surroundings

OTHER_SEEDS = (11, 12)  # attempts that seed_stability compares with the image itself
SCORES = ("robust_score", "against_nature", "nature_percentile", "selectivity_rank", "seed_stability",
          "spectrum_distance")  # fmt: skip
PATCH_STEPS = 4  # of a picture that starts at a natural patch: more of them explain nothing more (docs/scores.md)
OVERHEAD = 30_000.0  # multiplications per pixel that take as long as an image·step without its convolutions
Tick = Callable[[int], object]


@dataclass(frozen=True)
class Judged:
    """n filters with their verdicts; extras, if asked for: `negatives` uint8 `(n, h, w, c)`, `variants` and
    `from_patches` `(n, v, h, w, c)`.

    measures: float32 or int32 `(n,)` by the names of SCORES; patches: of which images `from_patches` were made,
    `set/index`, `(n, v)`.
    """

    rendered: Rendered
    status: np.ndarray
    reason: np.ndarray
    measures: dict[str, np.ndarray]
    extras: dict[str, np.ndarray] = field(default_factory=dict)
    patches: np.ndarray | None = None


@dataclass(frozen=True)
class Wishes:
    """What to render of a filter besides its image. stability_steps: of the images of other seeds, 0 for none;
    from_patches: so many that start where natural images drive it most.
    """

    neuron: bool = False
    stability_steps: int = 10
    negatives: bool = False
    variants: int = 0
    from_patches: int = 0
    diversity: float = 0.5


class Rendering:
    """One network's images: `render` makes a chunk (chunks.render or a Workshop's), `cache` keeps it."""

    def __init__(
        self, model: str, render: Callable[[Chunk, Tick], Rendered], cache: RenderCache | None, tick: Tick
    ) -> None:
        self.model, self._make, self.cache, self.tick = model, render, cache, tick

    def images(self, chunk: Chunk) -> Rendered:
        """Render a chunk, or what of it is not in the cache."""
        count, each = len(chunk.objectives), chunk.settings.variants
        found = [self.cache.load(chunk, i) if self.cache else None for i in range(count)]
        missing = [i for i in range(count) if found[i] is None]
        self.tick((count - len(missing)) * each * chunk.settings.steps)
        if missing:
            starts = None if chunk.starts is None else chunk.starts[missing]
            rest = replace(chunk, objectives=tuple(chunk.objectives[i] for i in missing), starts=starts)
            made = self._make(rest, self.tick)
            if self.cache:
                self.cache.store(rest, made)
            for place, i in enumerate(missing):
                found[i] = made.part(place * each, (place + 1) * each)
        return join([one for one in found if one is not None])

    def judge(
        self, layer: str, filters: Sequence[int], settings: Settings, wishes: Wishes, around: Surroundings
    ) -> Judged:
        """Render one chunk of filters of a layer with everything that is asked for."""
        aim = objectives.neuron if wishes.neuron else objectives.channel
        wanted = tuple(aim(layer, k) for k in filters)
        natural = around.pictures if settings.parameterization == "maco" else None
        known, index = around.nature, np.asarray(filters)
        common = Chunk(self.model, wanted, settings, natural=natural)
        chosen = None if around.chosen is None else np.repeat(around.chosen, len(wanted), 0)

        def attempt(which: list[int], number: int, starts: np.ndarray | None) -> Rendered:
            some = tuple(wanted[i] for i in which)
            starts = chosen[which] if starts is None and chosen is not None else starts
            return self.images(replace(common, objectives=some, attempt=number, starts=starts))

        rows = [None if known is None else known.best(k) for k in filters]

        def natural_start(i: int) -> np.ndarray | None:
            row = rows[i]
            return None if row is None or around.start is None else around.start(row)

        def describe(i: int) -> str:
            row = rows[i]
            name = known.images[row] if known is not None and row is not None else ("", 0)
            return f"its best natural image ({name[0]}{'/' if name[0] else ''}{name[1]})"

        peaks = known.peaks[:, index] if known is not None else np.zeros((0, len(index)), "float32")
        best = peaks.max(axis=0) if len(peaks) else None
        drives = known.drives[:, index] if known is not None and len(known.drives) else None
        outcome = ladder.climb(attempt, len(wanted), best, natural_start, describe, drives)
        seeds = self._other_seeds(common, outcome.rendered, wishes.stability_steps, chosen)
        extras = self._extras(common, wishes, chosen, best)
        measures = measure(outcome.rendered, index, known, around.pictures, seeds)
        patches = None
        if wishes.from_patches and known is not None and len(known.peaks) and around.patch is not None:
            extras["from_patches"], patches = self._from_patches(
                common, filters, known, around.patch, wishes.from_patches
            )
        return Judged(outcome.rendered, outcome.status, outcome.reason, measures, extras, patches)

    def _from_patches(
        self,
        common: Chunk,
        filters: Sequence[int],
        known: Nature,
        patch: Callable[[int, int], np.ndarray],
        count: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images `(n, v, h, w, c)` of a few steps from where natural images drive each filter most; which, `(n, v)`."""
        settings = replace(common.settings, steps=min(PATCH_STEPS, common.settings.steps), snapshots=())
        rows = [known.strongest(k, count) for k in filters]
        made = []
        for ranked in zip(*rows, strict=True):
            starts = np.stack([patch(row, k) for row, k in zip(ranked, filters, strict=True)])
            made.append(self.images(replace(common, settings=settings, starts=starts, scored=False)).images)
        names = [[f"{known.images[row][0]}/{known.images[row][1]}" for row in ranked] for ranked in rows]
        return np.stack(made, 1), np.array(names)

    def _other_seeds(self, common: Chunk, rendered: Rendered, steps: int, starts: np.ndarray | None) -> np.ndarray:
        """Features `(n, seeds, C)` of the images after `steps` steps: the filters' own, then those of other seeds."""
        steps = min(steps, common.settings.steps)
        if not steps:
            return rendered.features[:, -1:]
        own = rendered.features[:, rendered.snapshot_steps.tolist().index(steps)]
        short = replace(common, settings=replace(common.settings, steps=steps, snapshots=()), starts=starts)
        others = [self.images(replace(short, attempt=number, scored=False)).features[:, -1] for number in OTHER_SEEDS]
        return np.stack([own, *others], 1)

    def _extras(
        self, common: Chunk, wishes: Wishes, starts: np.ndarray | None, best: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        extras = {}
        if wishes.negatives:
            turned = tuple(objectives.opposite(one) for one in common.objectives)
            extras["negatives"] = self.images(replace(common, objectives=turned, starts=starts, scored=False)).images
        if wishes.variants > 1:
            settings = replace(common.settings, variants=wishes.variants)
            # in units of what the filter does on natural images: activations of two layers differ a thousandfold
            scale = np.ones(len(common.objectives)) if best is None else np.where(best > 0, best, 1.0)
            mixed = tuple(
                one + wishes.diversity * float(f"{unit:.3g}") * objectives.diversity(one.layers[0])
                for one, unit in zip(common.objectives, scale, strict=True)
            )
            images = self.images(
                replace(common, objectives=mixed, settings=settings, starts=starts, scored=False)
            ).images
            extras["variants"] = images.reshape(len(mixed), wishes.variants, *images.shape[1:])
        return extras


def parts(filters: Sequence[int], each: int, wishes: Wishes) -> Iterator[tuple[Sequence[int], Wishes]]:
    """The filters of a layer, so many at a time, with what is made of these: everything of the first WHOLE only."""
    plain = replace(wishes, negatives=False, variants=0, from_patches=0)
    for some, wish in ((filters[:WHOLE], wishes), (filters[WHOLE:], plain)):
        for start in range(0, len(some), each):
            yield some[start : start + each], wish


def operations(filters: Sequence[int], settings: Settings, wishes: Wishes) -> int:
    """Image·steps that `judge` makes for the `parts` of a layer, without those that the ladder makes again."""
    total = 0
    for some, wish in parts(filters, WHOLE, wishes):
        seeds = len(OTHER_SEEDS) * min(wish.stability_steps, settings.steps)
        patches = wish.from_patches * min(PATCH_STEPS, settings.steps)
        whole = 1 + wish.negatives + (wish.variants if wish.variants > 1 else 0)
        total += len(some) * (settings.steps * whole + seeds + patches)
    return total


def costs(described: Mapping[str, Any], sizes: Mapping[str, Size], whole: Size) -> dict[str, float]:
    """About how long an image·step takes at a layer, against others: multiplications of all conv layers up to it.

    described: model.json; sizes: of the canvas (height, width), by layer; "" is the whole network at the size `whole`.
    """
    height, width = described["input_shape"][:2]
    per_pixel, found = OVERHEAD, {}
    for conv in described["conv_layers"]:
        per_pixel += math.prod((*conv["kernel_shape"], *conv["output_shape"][:2])) / (height * width)
        if conv["name"] in sizes:
            found[conv["name"]] = per_pixel * math.prod(sizes[conv["name"]])
    return found | {"": per_pixel * math.prod(whole)}


def measure(
    rendered: Rendered, filters: np.ndarray, known: Nature | None, pictures: np.ndarray | None, seeds: np.ndarray
) -> dict[str, np.ndarray]:
    """Score images: arrays `(n,)` by the names of SCORES, NaN (rank 0) where there is nothing to compare with.

    Channels that are no numbers on natural images take no part in comparisons of channels.
    """
    count = len(filters)
    peaks = known.peaks[:, filters] if known is not None else np.zeros((0, count), "float32")
    natural = known.features if known is not None else np.zeros((0, rendered.features.shape[-1]), "float32")
    ratio, percentile = scores.against_nature(rendered.robust, peaks)
    broken = ~(np.isfinite(natural).all(0) & np.isfinite(rendered.features[rendered.finite]).all((0, 1)))
    own, natural, seeds = (np.where(broken, 0, one) for one in (rendered.features[:, -1], natural, seeds))
    rank = scores.selectivity_rank(own, filters, natural)
    nothing = np.zeros((0, *rendered.images.shape[1:]), "float32")
    return {
        "robust_score": rendered.robust.astype("float32"),
        "against_nature": ratio,
        "nature_percentile": percentile,
        "selectivity_rank": np.where(rendered.finite, rank, 0).astype("int32"),
        "seed_stability": scores.seed_stability(seeds, natural if len(natural) else None),
        "spectrum_distance": scores.spectrum_distance(
            rendered.images / np.float32(255), nothing if pictures is None else pictures
        ),
    }
