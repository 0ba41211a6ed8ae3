"""What the page says of a model on both sides: tests, verdicts, what differs, a row for each filter."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnviz.versus import chance
from cnnviz.versus.chance import Test
from cnnviz.versus.differing import Differing, differing, why_not
from cnnviz.versus.naming import Chosen
from cnnviz.versus.pairing import SCORES, Layer, Pair, Side


@dataclass(frozen=True)
class Cell:
    """A score of a filter: what it is on both sides, None where unknown; change: how much better b is, None where that
    can't be said; why: the reason.
    """

    a: float | None
    b: float | None
    change: float | None
    why: str = ""

    @property
    def difference(self) -> float | None:
        return None if self.a is None or self.b is None else self.b - self.a

    @property
    def better(self) -> str:
        return "" if not self.change else "B" if self.change > 0 else "A"


@dataclass(frozen=True)
class Row:
    """A filter. same: whether its pictures are the same, byte for byte; moved: distance of its kernels."""

    layer: Layer
    at: int
    filter: int
    status: tuple[str, str]
    reasons: tuple[str, str]
    same: bool
    moved: float | None
    scores: dict[str, Cell]


@dataclass(frozen=True)
class Told:
    """A model on both sides. scores: those that either side knows; tests: one for each."""

    pair: Pair
    differing: Differing
    scores: list[str]
    tests: list[Test]
    rows: list[Row]
    verdicts: list[tuple[str, str, int]]  # in a, in b, of how many filters
    stability: tuple[float | None, float | None]

    @property
    def same(self) -> int:
        return sum(row.same for row in self.rows)

    @property
    def answer(self) -> dict[str, list[str]]:
        """Which scores say what, in words; those that can't be compared or are unknown last, without the reason."""
        found: dict[str, list[str]] = {}
        for test in sorted(self.tests, key=lambda test: test.corrected is None):
            found.setdefault(test.verdict.partition(":")[0], []).append(test.name)
        return found

    @property
    def moved(self) -> bool:
        return any(row.moved for row in self.rows)

    @property
    def sizes(self) -> list[str]:
        """Canvases of two sizes, in words."""
        found: dict[str, list[str]] = {}
        for layer in self.pair.layers:
            one, other = (" × ".join(map(str, side.pictures.shape[1:3])) for side in (layer.a, layer.b))
            if one != other:
                found.setdefault(f"{one} px in A, {other} px in B", []).append(layer.title)
        return [f"{size} ({', '.join(names)})" for size, names in found.items()]

    @property
    def hidden(self) -> list[str]:
        """Filters and layers of one side only, in words."""
        found = []
        for i, side in enumerate("AB"):
            layers = [layer for layer in self.pair.layers if layer.only[i]]
            if count := sum(len(layer.only[i]) for layer in layers):
                listed = "; ".join(f"{layer.title} {', '.join(map(str, layer.only[i]))}" for layer in layers)
                found.append(f"{count} filter{'s' if count > 1 else ''} only in {side}: {listed}")
            if whole := self.pair.only[i]:
                found.append(f"{len(whole)} layer{'s' if len(whole) > 1 else ''} only in {side}: {', '.join(whole)}")
        return found


def told(a: Chosen, b: Chosen, pair: Pair) -> Told:
    of = differing(a, b, pair)
    reasons = [why_not(of, layer) for layer in pair.layers]
    enough = any if a.step is None and b.step is None else all  # of a step before the last only the score is known
    known = [n for n in SCORES if enough(_has(n, pair, side) for side in (_a, _b))]
    values = {name: [_change(name, layer) for layer in pair.layers] for name in known}
    tests = [_test(name, pair.layers, values[name], [why.get(name, "") for why in reasons]) for name in known]
    rows = []
    for number, (layer, why) in enumerate(zip(pair.layers, reasons, strict=True)):
        changes = {name: values[name][number] for name in known}
        rows += [_row(layer, i, k, changes, why) for i, k in enumerate(layer.filters)]
    verdicts = Counter(row.status for row in rows if all(row.status))
    stability = [[x for layer in pair.layers for x in side(layer).scores["seed_stability"]] for side in (_a, _b)]
    return Told(
        pair, of, known, chance.corrected(tests), rows,
        sorted((*pair_of, n) for pair_of, n in verdicts.items()),
        (_median(stability[0]), _median(stability[1])),
    )  # fmt: skip


def _a(layer: Layer) -> Side:
    return layer.a


def _b(layer: Layer) -> Side:
    return layer.b


def _has(name: str, pair: Pair, side: Callable[[Layer], Side]) -> bool:
    return any(np.isfinite(side(layer).scores[name]).any() for layer in pair.layers)


def _change(name: str, layer: Layer) -> NDArray:
    return chance.changes(name, layer.a.scores[name], layer.b.scores[name], layer.channels)


def _test(name: str, layers: list[Layer], changes: list[NDArray], why: list[str]) -> Test:
    """Over the layers in which the score has a common scale; the reason where it has one in none."""
    told = [i for i, reason in enumerate(why) if not reason] or list(range(len(layers)))
    a, b = (np.concatenate([side(layers[i]).scores[name] for i in told]) for side in (_a, _b))
    return chance.held(name, a, b, np.concatenate([changes[i] for i in told]), "" if "" in why else why[0])


def _row(layer: Layer, i: int, k: int, changes: dict[str, NDArray], why: dict[str, str]) -> Row:
    a, b = layer.a, layer.b
    cells = {}
    for name, change in changes.items():
        told = _known(change[i]) if name not in why else None
        cells[name] = Cell(_known(a.scores[name][i]), _known(b.scores[name][i]), told, why.get(name, ""))
    same = a.pictures.shape == b.pictures.shape and bool((a.pictures[i] == b.pictures[i]).all())
    status, reasons = (str(a.status[i]), str(b.status[i])), (str(a.reason[i]), str(b.reason[i]))
    return Row(layer, i, k, status, reasons, same, _known(layer.moved[i]), cells)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _median(values: list[float]) -> float | None:
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else None
