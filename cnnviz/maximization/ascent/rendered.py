"""Images with their scores."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Rendered:
    """n images: see docs/artifacts.md, `artifacts/maximize/`. Arrays as long as the images, but for snapshot_steps.

    features: float32 `(n, s, C)`, mean over the positions of each channel of the layer, for each snapshot. Where a
    score is NaN or infinite, since a weight is, the image is grey. Where the images were not measured, peaks are NaN,
    snapshot_scores `(n, 0)` and features `(n, 0, 0)`.
    """

    images: np.ndarray
    scores: np.ndarray
    snapshot_steps: np.ndarray
    snapshots: np.ndarray
    snapshot_scores: np.ndarray
    peaks: np.ndarray
    robust: np.ndarray
    features: np.ndarray

    @property
    def finite(self) -> np.ndarray:
        """Whether all scores on the way are numbers, bool `(n,)`."""
        return np.isfinite(self.scores).all(1) & np.isfinite(self.snapshot_scores).all(1)

    def part(self, start: int, stop: int) -> "Rendered":
        """Images start..stop-1."""
        return Rendered(*(a if n == "snapshot_steps" else a[start:stop] for n, a in self.items()))

    def items(self) -> list[tuple[str, np.ndarray]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


def join(parts: Sequence[Rendered]) -> Rendered:
    """Put images that were rendered with the same settings behind one another."""
    return Rendered(
        *(a if n == "snapshot_steps" else np.concatenate([getattr(p, n) for p in parts]) for n, a in parts[0].items())
    )
