"""Curves as lists of (step, value): means, progress, and fewer points."""

from array import array
from collections import defaultdict
from collections.abc import Iterable
from math import isfinite
from statistics import fmean
from typing import Any, TypeGuard

import numpy as np

Curve = list[tuple[int, float]]  # (step, value)


def is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and isfinite(value)


def mean(values: Iterable[float | None]) -> float:
    """Mean of the numbers that are there, NaN if there is none."""
    kept = [float(v) for v in values if is_number(v)]
    return fmean(kept) if kept else float("nan")


class Mean:
    """The mean of curves that are added one by one."""

    def __init__(self) -> None:
        self._known: dict[int, array[float]] = defaultdict(lambda: array("d"))

    def add(self, curve: Curve) -> None:
        for step, value in curve:
            self._known[step].append(value)

    def curve(self) -> Curve:
        return [(step, mean(values)) for step, values in sorted(self._known.items())]


def progress(curve: Curve) -> Curve:
    """Share of its whole gain, from the first score to the best one, that a curve had reached by each step: 0 to 1.

    Networks with other scales compare by it. Empty where nothing was gained.
    """
    known = [(step, value) for step, value in curve if isfinite(value)]
    reached = np.maximum.accumulate([value for _, value in known])
    if not known or not (gain := reached[-1] - reached[0]) > 0:
        return []
    return [(step, float(best - reached[0]) / float(gain)) for (step, _), best in zip(known, reached, strict=True)]


def thin(curve: Curve, points: int) -> Curve:
    return [curve[i] for i in decimate(len(curve), points)]


def decimate(steps: int, points: int) -> list[int]:
    """Choose at most `points` of the steps 0 … steps - 1: the first and the last, denser at the start, rising."""
    if steps <= points:
        return list(range(steps))
    chosen = np.expm1(np.linspace(0, np.log(steps), points)).round().astype(int)
    return sorted({*chosen.clip(0, steps - 1).tolist(), steps - 1})
