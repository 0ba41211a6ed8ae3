"""The same filters on both sides: pictures, verdicts and scores, as the files of each have them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz import comparison, report, verify
from cnnviz.errors import InputError, choices, quoted
from cnnviz.files import ARTIFACTS, WHOLE
from cnnviz.verify import Files
from cnnviz.versus.naming import Chosen

SCORES = (*report.SCORES, "score")
_EXPECTED = {
    **{"filters": "iu1", "images": "u4", "snapshot_steps": "iu1", "snapshot_scores": "f2"},
    **{"status": "U1", "reason": "U1"},
}
_OPTIONAL = dict.fromkeys(report.SCORES, "fiu1")


@dataclass(frozen=True)
class Side:
    """A layer of one side. pictures: uint8 `(n, h, w, 3)`; scores: name -> float64 `(n,)`, NaN where unknown.

    status: str `(n,)`, empty at a step before the last, of which only the score is known.
    """

    filters: NDArray
    pictures: NDArray
    status: NDArray
    reason: NDArray
    scores: dict[str, NDArray]

    def rows(self, rows: NDArray) -> "Side":
        scores = {name: values[rows] for name, values in self.scores.items()}
        return Side(self.filters[rows], self.pictures[rows], self.status[rows], self.reason[rows], scores)


@dataclass
class Layer:
    """Filters that both sides rendered, in ascending order, a row each in `a` and `b`. names: of the layer in each.

    moved: `(n,)` distance of the kernels as a share of the norm in a, NaN where they are of other shapes or unknown.
    channels: how many filters the layer has on each side, None where that is unknown. settings: what it was rendered
    with.
    """

    names: tuple[str, str]
    a: Side
    b: Side
    only: tuple[list[int], list[int]]
    channels: tuple[int | None, int | None]
    settings: tuple[Mapping[str, Any], Mapping[str, Any]]
    moved: NDArray

    @property
    def title(self) -> str:
        return self.names[0] if self.names[0] == self.names[1] else f"{self.names[0]} and {self.names[1]}"

    @property
    def filters(self) -> list[int]:
        return list(map(int, self.a.filters))


@dataclass
class Pair:
    """A model on both sides. facts: its model.json on each, empty where that is not at hand."""

    names: tuple[str, str]
    facts: tuple[Mapping[str, Any], Mapping[str, Any]]
    layers: list[Layer] = field(default_factory=list)
    only: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    numbers: list[tuple[str, float | None, float | None]] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.names[0] if self.names[0] == self.names[1] else f"{self.names[0]} and {self.names[1]}"

    @property
    def filters(self) -> int:
        return sum(len(layer.filters) for layer in self.layers)

    def same(self, key: str) -> bool | None:
        """Whether model.json says the same of both, None where one is not at hand."""
        one, other = self.facts
        return None if key not in one or key not in other else one[key] == other[key]


def names_of(a: Chosen, b: Chosen) -> list[tuple[str, str]]:
    """Which models are held against each other. Raises InputError where one that was chosen is not there."""
    known = [side.state.models() for side in (a, b)]
    chosen = [side.model or side.state.only for side in (a, b)]
    if not any(chosen):
        both = [(name, name) for name in known[0] if name in known[1]]
        if not both:
            said = "; ".join(f"{side.given}: {', '.join(n) or 'none'}" for side, n in zip((a, b), known, strict=True))
            raise InputError(f"no model with maximized filters is in both; {said}; choose: A:model B:model")
        return both
    names = (chosen[0] or chosen[1] or "", chosen[1] or chosen[0] or "")
    for side, name, models in zip((a, b), names, known, strict=True):
        if name not in models:
            said = choices(name, models) if models else "it has none"
            raise InputError(f"{side.given}: no maximized filters of the model {quoted(name)}; {said}")
    return [names]


def pair(a: Chosen, b: Chosen, names: tuple[str, str]) -> Pair:
    """Raises InputError, with the remedy, where the files of a side are not at hand, and for damaged ones."""
    files = [_rendered(side, name) for side, name in zip((a, b), names, strict=True)]
    facts = [_mapping(s.state.files("models", n).get("model.json")) for s, n in zip((a, b), names, strict=True)]
    found = Pair(names, (facts[0], facts[1]))
    layers = [_npz(side) for side in files]
    both = _layers(a, b, names, *layers)
    if not a.layer and not b.layer:
        for i, mine in enumerate(layers):
            found.only[i].extend(name for name in mine if name not in {place[i] for place in both})
    settings = [_mapping(side.get("settings.json")) for side in files]
    kernels = [side.state.files("weights", name) for side, name in zip((a, b), names, strict=True)]
    for place in both:
        sides = [read(path[n], s.step) for path, n, s in zip(layers, place, (a, b), strict=True)]
        filters, *rows = np.intersect1d(sides[0].filters, sides[1].filters, assume_unique=True, return_indices=True)
        only = [sorted(set(side.filters.tolist()) - set(filters.tolist())) for side in sides]
        about = [_conv(one, name) for one, name in zip(facts, place, strict=True)]
        if not len(filters):
            for i, name in enumerate(place):
                found.only[i].append(f"{name} ({', '.join(map(str, only[i]))})")
            continue
        found.layers.append(
            Layer(
                place,
                sides[0].rows(rows[0]),
                sides[1].rows(rows[1]),
                (only[0], only[1]),
                (_whole(about[0].get("filters")), _whole(about[1].get("filters"))),
                (_part(settings[0], place[0]), _part(settings[1], place[1])),
                _moved([k.get(f"{n}.npz") for k, n in zip(kernels, place, strict=True)], about, filters),
            )
        )
    order = {one["name"]: i for i, one in enumerate(_convs(facts[0]))}
    found.layers.sort(key=lambda layer: order.get(layer.names[0], len(order)))
    found.numbers = list(_numbers(a, b, names))
    return found


def _npz(files: Files) -> dict[str, Path]:
    """The layers among the files of `artifacts/maximize/<model>`."""
    return {
        name.removesuffix(".npz"): path for name, path in files.items() if "/" not in name and name.endswith(".npz")
    }


def _rendered(side: Chosen, model: str) -> Files:
    files = side.state.files("maximize", model)
    if not files:
        md5 = side.state.digests.get((ARTIFACTS / "maximize" / model).as_posix(), "")
        where = f"not in DVC's cache ({md5})" if side.state.folder is None else "not there"
        remedy = side.state.remedy.replace("{}", f"maximize@{model}")
        raise InputError(f"{side.given}: its maximized filters of {model} are {where}; {remedy}")
    return files


def _layers(
    a: Chosen, b: Chosen, names: tuple[str, str], one: Mapping[str, Path], other: Mapping[str, Path]
) -> list[tuple[str, str]]:
    if not a.layer and not b.layer:
        both = [(name, name) for name in one if name in other]
        if not both:
            said = "; ".join(f"{n}: {', '.join(list(k)[:8])}" for n, k in zip(names, (one, other), strict=True))
            raise InputError(f"no rendered layer has one name in both ({said}); choose: A:model/layer B:model/layer")
        return both
    place = (a.layer or b.layer or "", b.layer or a.layer or "")
    for side, model, name, known in zip((a, b), names, place, (one, other), strict=True):
        if name not in known:
            raise InputError(f"{side.given}: no rendered layer {quoted(name)} of {model}; {choices(name, known)}")
    return [place]


def read(path: Path, step: int | None) -> Side:
    """A layer's filters as they were after a step, None: the last. Raises InputError for a step that was not kept."""
    found = verify.arrays.read(path, _EXPECTED, _OPTIONAL)
    count, steps = len(found["filters"]), found.pop("snapshot_steps").tolist()
    damaged = InputError(f"{path}: damaged (as many filters as images, verdicts and scores at each step expected)")
    if {len(array) for array in found.values()} != {count} or not 0 < len(steps) == found["snapshot_scores"].shape[1]:
        raise damaged
    if len(np.unique(found["filters"])) != count:
        raise InputError(f"{path}: damaged (a filter is there twice)")
    last = step is None or step == steps[-1]
    if not last and step not in steps:
        raise InputError(f"{path.name}: step {step} was not kept; kept: {', '.join(map(str, steps))}")
    at = -1 if last else steps.index(step)
    drawn = found["images"]
    if not last or drawn.shape[-1] != 3:  # the snapshots are as many times as large as there are steps
        drawn = verify.arrays.read(path, {"snapshots": "u5"})["snapshots"]
        if drawn.shape[:2] not in ((count, len(steps)), (min(WHOLE, count), len(steps))):
            raise damaged
        drawn, count = drawn[:, at], len(drawn)  # of a large layer they are kept of the first filters
        found = {name: array[:count] for name, array in found.items()}
    if len(drawn) != count or drawn.dtype != np.uint8 or drawn.shape[-1] != 3 or 0 in drawn.shape[1:]:
        raise damaged
    unknown = np.full(count, np.nan)
    scores = {name: found[name].astype(float) if last and name in found else unknown for name in report.SCORES}
    rank = scores["selectivity_rank"]
    scores["selectivity_rank"] = np.where(rank > 0, rank, np.nan)
    scores["score"] = found["snapshot_scores"][:, at].astype(float)
    scores = {name: np.where(np.isfinite(values), values, np.nan) for name, values in scores.items()}
    none = np.full(count, "")
    status, reason = (found["status"], found["reason"]) if last else (none, none)
    return Side(found["filters"], drawn, status, reason, scores)


def _moved(paths: list[Path | None], about: list[Mapping[str, Any]], filters: NDArray) -> NDArray:
    unknown = np.full(len(filters), np.nan)
    if paths[0] is None or paths[1] is None:
        return unknown
    one, other = (verify.arrays.read(path, {"kernel": "f4"})["kernel"] for path in paths if path)
    depthwise = [bool(facts.get("depthwise")) for facts in about]
    if one.shape != other.shape or depthwise[0] != depthwise[1]:
        return unknown
    each = one.shape[2] * one.shape[3] if depthwise[0] else one.shape[3]
    rows = [kernel.reshape(-1, each).T for kernel in (one, other)]
    if filters.max() >= len(rows[0]) or filters.min() < 0:
        return unknown
    return np.asarray(comparison.drift(rows[0][filters], rows[1][filters])["distance"])


def _numbers(a: Chosen, b: Chosen, names: tuple[str, str]) -> Iterator[tuple[str, float | None, float | None]]:
    """What else both know a number of: the metrics of the stages `analyze` and `judge`."""
    if a.step is not None or b.step is not None:
        return
    for kind in ("analysis", "judge"):
        one, other = (_mapping(s.state.files(kind, n).get("metrics.json")) for s, n in zip((a, b), names, strict=True))
        for name in dict.fromkeys([*one, *other]):
            values = [_number(side.get(name)) for side in (one, other)]
            if one and other and values != [None, None]:
                yield name, values[0], values[1]


def _number(value: Any) -> float | None:
    well = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if well and np.isfinite(value) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _mapping(path: Path | None) -> Mapping[str, Any]:
    return verify.read_mapping(path) if path else {}


def _part(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = found.get(name)
    return part if isinstance(part, dict) else {}


def _convs(facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = facts.get("conv_layers")
    listed = found if isinstance(found, list) else []
    return [one for one in listed if isinstance(one, dict) and isinstance(one.get("name"), str)]


def _conv(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next((one for one in _convs(facts) if one["name"] == name), {})
