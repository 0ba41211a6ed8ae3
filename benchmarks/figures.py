"""Figures and tables out of measurements; no TensorFlow."""

import statistics
from collections.abc import Sequence
from pathlib import Path

START, END = "<!-- bench: start -->", "<!-- bench: end -->"


def necessary_flops(convolutions: Sequence[Sequence[int]]) -> int:
    """Count what one step of one image can't do without, for (kh, kw, in, out, h, w) of each convolution in order.

    Forward and the gradient with respect to the input, down to the image; of the last convolution one channel only.
    A multiplication and an addition are two operations.
    """
    *inner, (kh, kw, channels, _, h, w) = convolutions
    return sum(4 * a * b * c * d * e * f for a, b, c, d, e, f in [*inner, (kh, kw, channels, 1, h, w)])


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def time_to(target: float, seconds: Sequence[float], scores: Sequence[float]) -> float | None:
    """Return when the scores first reach the target, between two snapshots on a straight line; None if never.

    If the first snapshot is there already, its own time counts: nothing is known of what came before.
    """
    for i, score in enumerate(scores):
        if score >= target:
            if i == 0:
                return seconds[0]
            share = (target - scores[i - 1]) / (score - scores[i - 1])
            return seconds[i - 1] + share * (seconds[i] - seconds[i - 1])
    return None


def at_time(limit: float, seconds: Sequence[float], tolerance: float = 0.05) -> int | None:
    """Return the last snapshot made within the limit (and a tolerance), None if there is none."""
    within = [i for i, second in enumerate(seconds) if second <= limit * (1 + tolerance)]
    return within[-1] if within else None


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, the first column left-aligned, the others right-aligned."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def insert(text: str, content: str) -> str:
    """Replace what stands between the two markers; ValueError if they are not there."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"expected the markers {START} and {END}")
    return f"{before}{START}\n{content.strip()}\n{END}{after}"


def write_between_markers(path: Path, content: str) -> None:
    path.write_text(insert(path.read_text(encoding="utf-8"), content), encoding="utf-8")
