"""What all pages read of the artifacts, and what numbers are called there. No TensorFlow."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError
from cnnviz.files import npz, read_json
from cnnviz.report.pictures import histogram

NEAR_DUPLICATE = 0.95  # cosine from which two filters of a layer count as near duplicates

STATES = ("ok", "weak", "dead")
SCORES = (
    *("robust_score", "against_nature", "selectivity_rank"),  # on a card's face, the others folded
    *("nature_percentile", "seed_stability", "spectrum_distance"),
)
GAINS = ("gain_10_100", "gain_10_last")

Facts = dict[str, Any]
Notes = Mapping[str, Mapping[str, Mapping[int, str]]]


class Params(Protocol):
    """What the report reads of params.yaml (config.Params)."""

    @property
    def models(self) -> Mapping[str, Any]: ...
    @property
    def images(self) -> Any: ...
    @property
    def maximize(self) -> Any: ...
    def model_dump(self, *, mode: str, exclude_none: bool, exclude_defaults: bool) -> dict[str, Any]: ...


def read(path: Path) -> Any:
    """What a JSON file holds, an empty dictionary where there is none."""
    return read_json(path) if path.is_file() else {}


def arrays(path: Path, *keys: str, optional: tuple[str, ...] = ()) -> dict[str, NDArray]:
    """Read these members only, of the optional ones those that are there; an empty dictionary where there is no file.

    Raises InputError where a member is missing.
    """
    if not path.is_file():
        return {}
    with npz.opened(path) as archive:
        if missing := sorted(set(keys) - set(archive)):
            raise InputError(f"{path}: no {', '.join(missing)}; it is of an older cnnviz, `make repro` writes it again")
        return {key: archive[key] for key in (*keys, *(set(optional) & set(archive)))}


def number(value: Any) -> float | None:
    """A finite number, else None."""
    return float(value) if value is not None and np.isfinite(value) else None


def median(values: Iterable[float | None]) -> float | None:
    kept = [value for value in values if value is not None]
    return float(np.median(kept)) if kept else None


def image_titles(artifacts: Path, name: str) -> list[str]:
    """One word for each image of a set: its class where that is known, else its file's name."""
    data = arrays(artifacts / "images" / f"{name}.npz", "labels", "names", "class_names")
    if not data:
        return []
    classes = data["class_names"]
    return [
        str(classes[label]) if 0 <= label < len(classes) else str(title)
        for label, title in zip(data["labels"].tolist(), data["names"], strict=True)
    ]


def weight_statistics(entry: Facts) -> Facts | None:
    """Norms, near-zero kernels and near duplicates of a layer, from its entry in weights/<model>/statistics.json."""
    if not entry:
        return None
    known = {key: np.asarray(entry[key], float) for key in ("l1", "l2", "std", "near_zero_share", "nearest_cosine")}
    l2, cosine = known["l2"], np.nan_to_num(known["nearest_cosine"], nan=-1.0)
    if np.isnan(l2).all():  # no filter has numbers
        return None
    close = [int(k) for k in np.argsort(-cosine, kind="stable") if cosine[k] >= NEAR_DUPLICATE]
    pairs = {tuple(sorted((k, int(entry["nearest"][k])))): float(cosine[k]) for k in close}
    return {
        "l2": [float(np.nanmin(l2)), float(np.nanmedian(l2)), float(np.nanmax(l2))],
        "l1": float(np.nanmedian(known["l1"])),
        "std": float(np.nanmedian(known["std"])),
        "near_zero": float(np.nanmean(known["near_zero_share"])),
        "duplicates": len(close),
        "pairs": [(a, b, cos) for (a, b), cos in pairs.items()],
        "bars": histogram(l2[~np.isnan(l2)].tolist(), 0.0, float(np.nanmax(l2))),
    }


def scores(stored: Mapping[str, NDArray], row: int) -> Facts:
    """Of one row of `maximize/<layer>.npz`; None where it could not be measured."""
    found: Facts = {name: number(stored[name][row]) for name in SCORES}
    found["selectivity_rank"] = int(stored["selectivity_rank"][row]) or None
    found["score"] = number(stored["snapshot_scores"][row, -1])
    return found | {name: number(stored[name][row]) for name in GAINS}
