"""What to do about a filter that stays silent: a new seed, then the best natural image as start, then its name is dead.

Every filter ends as `ok`, `weak` or `dead`, with the reason: `ok` is only what a picture drives by more than its fine
noise, and more than the median natural image does (docs/scores.md, verdicts).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cnnviz.maximization.ascent.rendered import Rendered, join

RISE = 1e-3  # relative rise of the score below which nothing happened
SEED, NEW_SEED, FROM_NATURE = 0, 1, 2  # attempts

Render = Callable[[list[int], int, np.ndarray | None], Rendered]  # (which, attempt, start images) -> their images


@dataclass(frozen=True)
class Outcome:
    """The best attempt for each filter; status, str `(n,)`: ok, weak or dead; reason, str `(n,)`, may be empty."""

    rendered: Rendered
    status: np.ndarray
    reason: np.ndarray
    attempt: np.ndarray


def rose(rendered: Rendered) -> np.ndarray:
    """Whether the score of the final image is above that of the start, bool `(n,)`."""
    start, end = rendered.scores[:, 0], rendered.snapshot_scores[:, -1]
    with np.errstate(invalid="ignore"):
        return (end - start > RISE * np.maximum(np.abs(start), np.abs(end))) & rendered.finite


def alive(rendered: Rendered) -> np.ndarray:
    """Whether a unit is active (pre-activation above 0) somewhere on its own image and its score rose, bool `(n,)`."""
    return (rendered.peaks > 0) & rose(rendered)


def doubt(robust: float, drives: np.ndarray | None = None) -> str:
    """Why a picture that drives its filter does not show what it looks for, in words; empty where it may.

    robust: its robust score; drives: `(m,)`, the same filter's mean pre-activation, negative ones as 0, on each of m
    natural images.
    """
    softened = "moved and blurred a little, its picture"
    if robust <= 0:
        return f"{softened} no longer lifts it above 0 on average (robust score {robust:.3g})"
    known = np.zeros(0) if drives is None else drives[np.isfinite(drives)]
    if len(known) and robust < (typical := float(np.median(known))):
        whose = f"the median one of {len(known)} natural images" if len(known) > 1 else "the one natural image"
        return f"{softened} drives it less (robust score {robust:.3g}) than {whose} does ({typical:.3g})"
    return ""


def climb(
    render: Render,
    count: int,
    natural_peaks: np.ndarray | None,
    natural_start: Callable[[int], np.ndarray | None],
    describe_start: Callable[[int], str] = lambda i: "its best natural image",
    natural_drives: np.ndarray | None = None,
) -> Outcome:
    """Render `count` filters, those that stay silent again, but for those whose weights are no numbers.

    natural_peaks: the highest pre-activation of each filter on any natural image `(count,)`, None without such images.
    natural_start(i): the best natural image of filter i as start image, or None. natural_drives: `(m, count)`, each
    filter's mean pre-activation, negative ones as 0, on m natural images.
    """
    best = [render(list(range(count)), SEED, None)]
    parts = [best[0].part(i, i + 1) for i in range(count)]
    attempt = np.zeros(count, "int32")
    tries = np.ones(count, "int32")
    for number in (NEW_SEED, FROM_NATURE):
        silent = [i for i in range(count) if parts[i].finite[0] and not alive(parts[i])[0]]
        starts = None
        if number == FROM_NATURE:
            found = {i: natural_start(i) for i in silent}
            silent = [i for i in silent if found[i] is not None]
            starts = np.stack([found[i] for i in silent]) if silent else None  # type: ignore[misc]
        if not silent:
            continue
        again = render(silent, number, starts)
        for place, i in enumerate(silent):
            tries[i] += 1
            one = again.part(place, place + 1)
            if _rank(one) > _rank(parts[i]):
                parts[i], attempt[i] = one, number
    whole = join(parts)
    nothing = [None] * count
    peaks, drives = (nothing if n is None else list(n.T) for n in (natural_peaks, natural_drives))
    verdicts = [_verdict(parts[i], attempt[i], tries[i], peaks[i], drives[i], describe_start(i)) for i in range(count)]
    status, reason = zip(*verdicts, strict=True)
    return Outcome(whole, np.array(status), np.array(reason), attempt)


def _rank(one: Rendered) -> tuple[bool, bool, float]:
    return bool(alive(one)[0]), bool(one.peaks[0] > 0), float(one.snapshot_scores[0, -1])


def _verdict(
    one: Rendered, attempt: int, tries: int, nature: float | None, drives: np.ndarray | None, start: str
) -> tuple[str, str]:
    if not one.finite[0]:
        when = "" if not np.isfinite(one.scores[0, 0]) else ", but for its first steps"
        what = "NaN" if np.isnan([*one.scores[0], *one.snapshot_scores[0]]).any() else "infinite"
        return (
            "dead",
            f"its score is {what}{when}: weights of it, or of what it sees, are NaN or infinite; not rendered",
        )
    if alive(one)[0]:
        how = {SEED: "", NEW_SEED: "silent from the first seed, found with a second", FROM_NATURE:
               f"silent from two seeds, found starting from {start}"}[int(attempt)]  # fmt: skip
        why = doubt(float(one.robust[0]), drives)
        return ("weak" if why else "ok"), "; ".join(filter(None, (how, why)))
    if one.peaks[0] > 0:
        first, last = one.scores[0, 0], one.snapshot_scores[0, -1]
        return (
            "weak",
            f"active, but its score did not rise in {tries} attempts (from {first:.3g} to {last:.3g})",
        )
    if nature is None:
        return "dead", f"never active in {tries} attempts; no natural images were given to look at"
    if nature > 0:
        return "weak", f"active on natural images (up to {nature:.3g}), but in none of {tries} attempts"
    return "dead", f"never active: on none of the natural images and in none of {tries} attempts"


def names(status: Sequence[str]) -> dict[str, int]:
    """Count each status."""
    return {name: sum(s == name for s in status) for name in ("ok", "weak", "dead")}
