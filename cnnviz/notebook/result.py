"""What `maximize` returns: images with their verdicts and scores."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cnnviz.notebook.display import MOST, Several, counted, rest, short
from cnnviz.notebook.tiles import Row, Tile, as_picture

# The scores that a caption names, in words that fit
CAPTIONS = {
    "robust_score": "robust score",
    "against_nature": "against nature",
    "selectivity_rank": "selectivity rank",
    "seed_stability": "seed stability",
}
BLIND = "ok: not held against natural images (natural=), only risen and above 0 when moved and blurred a little"


@dataclass(frozen=True, repr=False, eq=False)
class Result(Several):
    """n images: uint8 `(n, h, w, channels)`; curves float32 `(n, steps)`; objectives, status, reason: n str each.

    scores: arrays `(n,)` by name, see docs/scores.md; NaN (rank 0) for what needs natural images where none are given.
    Of objectives other than the filters of one layer, only `robust_score`, and `layer` and `filters` are empty.
    """

    objectives: list[str]
    images: NDArray[np.uint8]
    curves: NDArray[np.float32]
    status: NDArray[np.str_]
    reason: NDArray[np.str_]
    scores: dict[str, NDArray]
    layer: str = ""
    filters: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.objectives)

    def _take(self, rows: NDArray[np.intp]) -> Self:
        return replace(
            self,
            objectives=[self.objectives[i] for i in rows],
            images=self.images[rows],
            curves=self.curves[rows],
            status=self.status[rows],
            reason=self.reason[rows],
            scores={name: values[rows] for name, values in self.scores.items()},
            filters=tuple(self.filters[i] for i in rows) if self.filters else (),
        )

    def _line(self) -> str:
        what = f"{counted(len(self), 'filter')} of {self.layer}" if self.layer else counted(len(self), "objective")
        found = {state: int((self.status == state).sum()) for state in ("ok", "weak", "dead")}
        states = ", ".join(f"{n} {state}" for state, n in found.items() if n)
        return f"{what}, {self.images.shape[1]} x {self.images.shape[2]}" + (f": {states}" if states else "")

    def _note(self) -> str:
        more = rest(MOST, len(self), "image", f"[{MOST}:] has the others")
        seen = self.scores.get("nature_percentile")
        unseen = BLIND if seen is not None and (self.status == "ok").any() and np.isnan(seen).all() else ""
        return ". ".join(filter(None, (more, unseen)))

    def _rows(self, most: int = MOST) -> list[Row]:
        return [Row("", [self._tile(i) for i in range(min(most, len(self)))])]

    def _tile(self, i: int) -> Tile:
        title = f"{self.layer} {self.filters[i]}" if self.layer else self.objectives[i]
        known = {name: values[i] for name, values in self.scores.items() if _known(name, values[i])}
        lines = [f"{words} {short(known[name])}" for name, words in CAPTIONS.items() if name in known]
        if self.reason[i]:
            lines.append(str(self.reason[i]))
        name = title if self.layer else f"{i}_{title}"
        return Tile(as_picture(self.images[i]), name, title, lines, str(self.status[i]))

    def _stem(self) -> str:
        return self.layer or "objectives"

    def _arrays(self) -> dict[str, NDArray]:
        named = {"objectives": np.array(self.objectives), "filters": np.array(self.filters, np.int32)}
        return {**named, **{k: getattr(self, k) for k in ("images", "curves", "status", "reason")}, **self.scores}


def _known(name: str, value: Any) -> bool:
    """A score that could be measured: without natural images it is NaN, the rank 0."""
    return bool(np.isfinite(value)) and not (name == "selectivity_rank" and value == 0)
