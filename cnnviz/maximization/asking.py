"""What is rendered of filters besides their pictures, as chunks, and how long that takes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from cnnviz import objectives
from cnnviz.files import WHOLE
from cnnviz.maximization.ascent.settings import Settings, Size
from cnnviz.maximization.chunks import Chunk
from cnnviz.maximization.surroundings import Surroundings

OTHER_SEEDS = (11, 12)  # attempts that seed_stability compares with the image itself
PATCH_STEPS = 4  # of a picture that starts at a natural patch: more of them explain nothing more (docs/scores.md)
OVERHEAD = 30_000.0  # multiplications per pixel that take as long as an image·step without its convolutions


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


@dataclass(frozen=True)
class Asked:
    """The chunks of some filters of a layer that are rendered whatever comes of them; `first`: their pictures."""

    model: str
    layer: str
    filters: tuple[int, ...]
    settings: Settings
    wishes: Wishes
    around: Surroundings

    def __iter__(self) -> Iterator[Chunk]:
        yield self.first
        yield from self.seeds
        yield from filter(None, (self.negatives, self.variants))
        yield from self.patches

    @cached_property
    def first(self) -> Chunk:
        aim, starts = objectives.neuron if self.wishes.neuron else objectives.channel, self.around.chosen
        return Chunk(
            self.model,
            tuple(aim(self.layer, k) for k in self.filters),
            self.settings,
            starts=None if starts is None else np.repeat(starts, len(self.filters), 0),
            natural=self.around.pictures if self.settings.parameterization == "maco" else None,
        )

    @property
    def seeds(self) -> list[Chunk]:
        """From other noise, in fewer steps."""
        steps = min(self.wishes.stability_steps, self.settings.steps)
        short = replace(self.first, settings=replace(self.settings, steps=steps, snapshots=()), scored=False)
        return [replace(short, attempt=number) for number in OTHER_SEEDS] if steps else []

    @property
    def negatives(self) -> Chunk | None:
        turned = tuple(objectives.opposite(one) for one in self.first.objectives)
        return replace(self.first, objectives=turned, scored=False, measured=False) if self.wishes.negatives else None

    @property
    def variants(self) -> Chunk | None:
        if self.wishes.variants <= 1:
            return None
        settings, aims, best = replace(self.settings, variants=self.wishes.variants), self.first.objectives, self.best
        # in units of what the filter does on natural images: activations of two layers differ a thousandfold
        scale = np.ones(len(aims)) if best is None else np.where(best > 0, best, 1.0)
        mixed = tuple(
            one + self.wishes.diversity * float(f"{unit:.3g}") * objectives.diversity(one.layers[0])
            for one, unit in zip(aims, scale, strict=True)
        )
        return replace(self.first, objectives=mixed, settings=settings, scored=False, measured=False)

    @property
    def best(self) -> np.ndarray | None:
        """The highest pre-activation of each filter on any natural image, `(n,)`; None without such images."""
        known = self.around.nature
        return None if known is None or not len(known.peaks) else known.peaks[:, list(self.filters)].max(axis=0)

    @cached_property
    def rows(self) -> list[list[int]]:
        """Of each filter the natural images, rows of `nature`, whose patches pictures start from."""
        known = self.around.nature
        if not self.wishes.from_patches or known is None or not len(known.peaks) or self.around.patch is None:
            return []
        return [known.strongest(k, self.wishes.from_patches) for k in self.filters]

    @property
    def patches(self) -> Iterator[Chunk]:
        """From where natural images drive each filter most, in a few steps."""
        settings = replace(self.settings, steps=min(PATCH_STEPS, self.settings.steps), snapshots=())
        if (patch := self.around.patch) is None:
            return
        for ranked in zip(*self.rows, strict=True):
            starts = np.stack([patch(row, k) for row, k in zip(ranked, self.filters, strict=True)])
            yield replace(self.first, settings=settings, starts=starts, scored=False, measured=False)


def split(filters: Sequence[int], wishes: Wishes) -> list[tuple[tuple[int, ...], Wishes]]:
    """The filters of a layer, with what is made of these: everything of the first WHOLE only."""
    plain = replace(wishes, negatives=False, variants=0, from_patches=0)
    groups = ((tuple(filters[:WHOLE]), wishes), (tuple(filters[WHOLE:]), plain))
    return [group for group in groups if group[0]]


def operations(filters: int, settings: Settings, wishes: Wishes) -> int:
    """Image·steps that `judge` makes for so many filters, without those that the ladder makes again."""
    seeds = len(OTHER_SEEDS) * min(wishes.stability_steps, settings.steps)
    patches = wishes.from_patches * min(PATCH_STEPS, settings.steps)
    whole = 1 + wishes.negatives + (wishes.variants if wishes.variants > 1 else 0)
    return filters * (settings.steps * whole + seeds + patches)


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
