"""Which filter of another model fires most alike, by what `analyze` kept of both on the same images."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cnnviz.files import npz
from cnnviz.report.site.layers import Model
from cnnviz.report.site.pairs import Place

BLOCK = 512  # filters that are correlated with a whole model at once
Matches = dict[Place, list[tuple[Place, float]]]


@dataclass
class Columns:
    """Activations of all filters of a model, a column each: float32 `(spots, filters)`, mean 0 and length 1.

    A filter that never changes has a column of zeros: it correlates with nothing.
    """

    values: NDArray[np.float32]
    places: list[Place]
    sets: list[str]

    @cached_property
    def index(self) -> dict[Place, int]:
        return {place: i for i, place in enumerate(self.places)}

    @classmethod
    def of(cls, model: Model) -> "Columns | None":
        """None where `analyze` has not run."""
        stored = [npz.read(model.artifacts / "analysis" / model.key / name / "features.npz") for name in model.sets]
        if not stored or not all(stored):
            return None
        found, places = [], []
        for layer in model.ordered():
            if all(layer.name in one for one in stored):
                found.append(
                    _standard(
                        np.concatenate([one[layer.name].reshape(-1, one[layer.name].shape[-1]) for one in stored])
                    )
                )
                places += [(model.key, layer.name, k) for k in range(layer.filters)]
        return cls(np.concatenate(found, axis=1), places, model.sets) if found else None


def _standard(values: NDArray[np.float32]) -> NDArray[np.float32]:
    values = values - values.mean(0, dtype=np.float64).astype(np.float32)
    norm = np.linalg.norm(values, axis=0)
    return np.divide(values, norm, out=np.zeros_like(values), where=norm > 1e-6 * norm.max(initial=0))


@dataclass
class Alike:
    """Compares filters of these models; reads each model once."""

    models: dict[str, Model]
    read: dict[str, Columns | None] = field(default_factory=dict)

    def columns(self, key: str) -> Columns | None:
        if key not in self.read:
            self.read[key] = Columns.of(self.models[key])
        return self.read[key]

    def best(self, places: Iterable[Place]) -> Matches:
        """For each filter: per other model the filter of any layer that correlates most with it.

        Models that were shown other images, and filters that correlate with nothing, are left out.
        """
        found: Matches = defaultdict(list)
        for key in self.models:
            own = self.columns(key)
            if own is None:
                continue
            chosen = [place for place in places if place[0] == key and place in own.index]
            for start in range(0, len(chosen), BLOCK):
                self._block(own, chosen[start : start + BLOCK], found)
        return found

    def _block(self, own: Columns, chosen: list[Place], found: Matches) -> None:
        mine = own.values[:, [own.index[place] for place in chosen]]
        for key in self.models:
            other = None if key == chosen[0][0] else self.columns(key)
            if other is None or other.sets != own.sets or len(other.values) != len(mine):
                continue
            correlations = mine.T @ other.values
            for place, row in zip(chosen, correlations, strict=True):
                i = int(row.argmax())
                if row[i] > 0:
                    found[place].append((other.places[i], min(float(row[i]), 1.0)))
