"""How pages write scores, and the sentences under them, made from the numbers that they stand under."""

import math
from collections.abc import Iterable, Mapping
from statistics import median

CHANCE = 0.05  # with which a thing is missing that is no rarer than `unseen` says


def score(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def gain(value: float | None) -> str:
    return score(value) if value is None or value <= 0 else f"+{score(value)}"


def measure(value: float | None, name: str) -> str:
    """A score of a filter, or a median of them, in the unit that its name asks for."""
    if value is None:
        return "–"
    if name == "nature_percentile":
        return f"{value:.0f}%"
    if name in ("seed_stability", "spectrum_distance"):
        return f"{value:.2f}"
    if name == "selectivity_rank":
        return f"{value:g}"
    if name == "against_nature":
        return f"{value:.2f}×" if abs(value) < 10 else f"{value:,.0f}×"
    return gain(value) if "gain" in name else score(value)


def standing(scores: Iterable[Mapping[str, float | None]]) -> dict[str, str]:
    """What the scores of a layer's rendered filters say of this layer: a sentence by the name of a score.

    scores: of each filter, by the names of report.data.SCORES; None where it could not be measured.
    """
    rows = list(scores)
    known: dict[str, list[float]] = {}
    for name, value in (pair for row in rows for pair in row.items()):
        if value is not None:
            known.setdefault(name, []).append(value)
    found = {}
    if robust := known.get("robust_score"):
        low, high = (score(end(robust)) for end in (min, max))
        below = sum(value < 0 for value in robust)
        found["robust_score"] = f"In this layer: {low} to {high}{f', {_of(below, robust)} below 0' if below else ''}."
    if ratios := known.get("against_nature"):
        above = sum(value > 1 for value in ratios)
        typical = measure(median(ratios), "against_nature")
        found["against_nature"] = f"In this layer {_of(above, ratios)} get there; the median is {typical}."
    elif known.get("nature_percentile"):
        found["against_nature"] = "No natural image drives a rendered filter of this layer above 0."
    if percentiles := known.get("nature_percentile"):
        over = sum(value == 100 for value in percentiles)
        found["nature_percentile"] = f"In this layer {_of(over, percentiles)} are above all of them."
    if ranks := known.get("selectivity_rank"):
        first = sum(value == 1 for value in ranks)
        found["selectivity_rank"] = f"In this layer {_of(first, ranks)} come first."
    for name in ("seed_stability", "spectrum_distance"):
        if values := known.get(name):
            found[name] = f"In this layer the median is {measure(median(values), name)}."
    return found


def _of(count: int, every: list[float]) -> str:
    return f"{count} of {len(every)}"


def unseen(images: int) -> float:
    """The share of photos that show a thing which so many photos, drawn alike, all lack with a chance of 5%."""
    return float(1 - CHANCE ** (1 / images))


def photos(images: int, different: int | None = None) -> str:
    """How many natural images there are, and what that leaves unknown. different: photos, copies counted once."""
    if not images:
        return ""
    count = different or images
    copies = f" of {count} different photo{'s' if count > 1 else ''}" if count < images else ""
    rare = f"{100 * unseen(count):.2g}%"
    return (
        f"{images:,} natural image{'s' if images > 1 else ''}{copies}. What {rare} of photos like these show "
        f"is missing from {count:,} with a chance of 5%, what is rarer more often: a filter may look for something "
        "that is not here, and then its strongest patch is only the nearest thing."
    )
