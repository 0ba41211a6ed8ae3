"""Curves as lists of (step, value): means, progress, and fewer points."""

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


def mean_curve(curves: Iterable[Curve]) -> Curve:
    by_step: dict[int, list[float]] = defaultdict(list)
    for curve in curves:
        for step, value in curve:
            by_step[step].append(value)
    return [(step, mean(values)) for step, values in sorted(by_step.items())]


def progress(curve: Curve) -> Curve:
    """Share of the whole gain that a step has reached, so that networks with other scales compare."""
    first, last = curve[0][1], curve[-1][1]
    return [(step, (value - first) / (last - first)) for step, value in curve]


def thin(curve: Curve, points: int) -> Curve:
    return [curve[i] for i in decimate(len(curve), points)]


def decimate(steps: int, points: int) -> list[int]:
    """Choose at most `points` of the steps 0 … steps - 1: the first and the last, denser at the start, rising."""
    if steps <= points:
        return list(range(steps))
    chosen = np.expm1(np.linspace(0, np.log(steps), points)).round().astype(int)
    return sorted({*chosen.clip(0, steps - 1).tolist(), steps - 1})
