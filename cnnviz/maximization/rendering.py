"""Filters of one layer, rendered, rescued and scored: chunks through the cache, the ladder, the scores of scores.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cnnviz.activations import Nature
from cnnviz.maximization import ladder
from cnnviz.maximization.ascent import scores
from cnnviz.maximization.ascent.rendered import Rendered, join
from cnnviz.maximization.ascent.settings import Settings
from cnnviz.maximization.asking import Asked, Wishes
from cnnviz.maximization.cache import RenderCache
from cnnviz.maximization.chunks import Chunk
from cnnviz.maximization.surroundings import Surroundings

SCORES = ("robust_score", "against_nature", "nature_percentile", "selectivity_rank", "seed_stability",
          "spectrum_distance")  # fmt: skip
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
        asked = Asked(self.model, layer, tuple(filters), settings, wishes, around)
        first, known, index = asked.first, around.nature, np.asarray(filters)

        def attempt(which: list[int], number: int, starts: np.ndarray | None) -> Rendered:
            some = tuple(first.objectives[i] for i in which)
            starts = first.starts[which] if starts is None and first.starts is not None else starts
            return self.images(replace(first, objectives=some, attempt=number, starts=starts))

        rows = [None if known is None else known.best(k) for k in filters]

        def natural_start(i: int) -> np.ndarray | None:
            row = rows[i]
            return None if row is None or around.start is None else around.start(row)

        def describe(i: int) -> str:
            row = rows[i]
            name = known.images[row] if known is not None and row is not None else ("", 0)
            return f"its best natural image ({name[0]}{'/' if name[0] else ''}{name[1]})"

        drives = known.drives[:, index] if known is not None and len(known.drives) else None
        outcome = ladder.climb(attempt, len(filters), asked.best, natural_start, describe, drives)
        seeds = self._other_seeds(asked, outcome.rendered)
        extras = self._extras(asked)
        measures = measure(outcome.rendered, index, known, around.pictures, seeds)
        patches = None
        if asked.rows and known is not None:
            extras["from_patches"] = np.stack([self.images(chunk).images for chunk in asked.patches], 1)
            names = [[f"{known.images[row][0]}/{known.images[row][1]}" for row in ranked] for ranked in asked.rows]
            patches = np.array(names)
        return Judged(outcome.rendered, outcome.status, outcome.reason, measures, extras, patches)

    def _other_seeds(self, asked: Asked, rendered: Rendered) -> np.ndarray:
        """Features `(n, seeds, C)` of the images after some steps: the filters' own, then those of other seeds."""
        if not asked.seeds:
            return rendered.features[:, -1:]
        steps = asked.seeds[0].settings.steps
        own = rendered.features[:, rendered.snapshot_steps.tolist().index(steps)]
        return np.stack([own, *(self.images(chunk).features[:, -1] for chunk in asked.seeds)], 1)

    def _extras(self, asked: Asked) -> dict[str, np.ndarray]:
        extras = {}
        if asked.negatives:
            extras["negatives"] = self.images(asked.negatives).images
        if asked.variants:
            images = self.images(asked.variants).images
            extras["variants"] = images.reshape(len(asked.filters), asked.wishes.variants, *images.shape[1:])
        return extras


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
