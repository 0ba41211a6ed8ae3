"""Images with their scores."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from cnnviz.maximization.ascent.settings import Settings

GREY = 128  # of the image of what is no number


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


def put_together(curve: Sequence[np.ndarray], kept: Sequence[Sequence[np.ndarray]], settings: Settings) -> Rendered:
    """What came of n images, without robust scores. curve: scores (n,) before each step; kept: of each snapshot the
    images, in [0, 1] or uint8, and, where they were measured, values, peaks and features.
    """
    images, *found = (np.stack(each, 1) for each in zip(*kept, strict=True))
    n = len(images)
    values, peaks, features = found or [np.full(one, np.nan, "float32") for one in ((n, 0), (n, 1), (n, 0, 0))]
    snapshots = images if images.dtype == np.uint8 else np.round(np.nan_to_num(images) * 255).astype("uint8")
    made = Rendered(
        images=snapshots[:, -1],
        scores=np.stack(curve, 1),
        snapshot_steps=np.asarray(settings.snapshot_steps, "int32"),
        snapshots=snapshots,
        snapshot_scores=values,
        peaks=peaks[:, -1],
        robust=np.full(n, np.nan, "float32"),
        features=features,
    )
    snapshots[~made.finite] = GREY
    return made
