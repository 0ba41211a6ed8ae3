"""In what two states of a model differ besides their pictures, and which scores that leaves without a common scale."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnnviz import verify
from cnnviz.errors import shortened
from cnnviz.versus.naming import Chosen
from cnnviz.versus.pairing import SCORES, Layer, Pair

ABSENT = "–"
LONGEST = 300  # characters of a value
OF_NATURE = ("against_nature", "nature_percentile", "selectivity_rank", "spectrum_distance", "seed_stability")
Row = tuple[str, str, str]  # name, in a, in b


@dataclass
class Differing:
    """params, rendered, made_on: rows that differ; code, inputs: paths, None where one side does not tell them.

    network, images: whether both are the same, None where that is unknown.
    """

    params: list[Row] = field(default_factory=list)
    rendered: list[Row] = field(default_factory=list)
    made_on: list[Row] = field(default_factory=list)
    code: list[str] | None = None
    inputs: list[str] | None = None
    network: bool | None = None
    images: bool | None = None
    seeds: bool | None = None  # whether second seeds were rendered with as many steps

    @property
    def only_seed(self) -> bool:
        """Whether nothing but the seed of the noise is known to differ."""
        names = {name for name, _, _ in (*self.params, *self.rendered)}
        return bool(names) and names <= {"random_seed", "seed"} and self.network is True and not self.code


def differing(a: Chosen, b: Chosen, pair: Pair) -> Differing:
    one, other = (side.state.params(name) for side, name in zip((a, b), pair.names, strict=True))
    found = Differing(params=_rows(one, other))
    known = [side.state.deps(name) for side, name in zip((a, b), pair.names, strict=True)]
    if all(known):
        paths = [p for p in dict.fromkeys([*known[0], *known[1]]) if known[0].get(p) != known[1].get(p)]
        found.code = sorted(p for p in paths if p.startswith(("cnnviz/", "stages/")))
        found.inputs = sorted(p for p in paths if p.startswith("inputs/"))
    named = {name for name, _, _ in found.params}
    rows = [row for row in _rendered(pair) if f"maximize.{row[0].partition(',')[0]}" not in named]
    found.rendered = rows
    found.network = pair.same("digest")
    if found.network and any(pair.same(key) is False for key in ("config", "preprocessing", "input_shape")):
        found.network = False
    found.images = _same_images(a, b, pair)
    found.seeds = a.state == b.state or ("maximize.stability_steps" not in named if one and other else None)
    on = [side.state.environment(name) for side, name in zip((a, b), pair.names, strict=True)]
    for name, x, y in zip(("processor", "packages"), *on, strict=True):
        if a.state != b.state and (x != y or not x):
            found.made_on.append((name, x or "unknown", y or "unknown"))
    return found


def why_not(of: Differing, layer: Layer) -> dict[str, str]:
    """Why a score of a layer has no common scale on both sides; nothing of those that have one."""
    found: dict[str, str] = {}
    if not of.network:
        units = "it is in the units of its own network, and these are two" if of.network is False else ""
        for name in ("robust_score", "score"):
            found[name] = units or "whether it is the same network is unknown"
    elif _differs(layer, "objective"):
        found["score"] = "other objectives were maximised"
    if not of.images:
        said = "on other natural images" if of.images is False else "whether the natural images are the same is unknown"
        found |= dict.fromkeys(OF_NATURE, said)
        return found
    if layer.a.pictures.shape[1:] != layer.b.pictures.shape[1:]:
        found["spectrum_distance"] = "canvases of two sizes"
    if not of.seeds:
        steps = "second seeds of other numbers of steps"
        found["seed_stability"] = steps if of.seeds is False else "whether second seeds had as many steps is unknown"
    return {name: found[name] for name in SCORES if name in found}


def _differs(layer: Layer, key: str) -> bool:
    one, other = layer.settings
    return one.get(key) != other.get(key)


def _rows(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Row]:
    names = dict.fromkeys([*one, *other])
    rows = [(name, _text(one, name), _text(other, name)) for name in names]
    return [row for row in rows if not _alike(row[1], row[2])] if one and other else []


def _text(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return ABSENT
    value = values[name]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shortened(text, LONGEST)


def _alike(one: str, other: str) -> bool:
    """Texts that MLflow cut count as far as they go."""
    return one == other or any(x.endswith("…") and y.startswith(x[:-1]) for x, y in ((one, other), (other, one)))


def _rendered(pair: Pair) -> list[Row]:
    """Settings that layers were rendered with, of other values on both sides, with how many layers."""
    counts: dict[Row, int] = {}
    for layer in pair.layers:
        if all(layer.settings):
            for row in _rows(*layer.settings):
                counts[row] = counts.get(row, 0) + 1
    of = len(pair.layers)
    return [(n if c == of else f"{n}, {c} of {of} layers", x, y) for (n, x, y), c in sorted(counts.items())]


def _same_images(a: Chosen, b: Chosen, pair: Pair) -> bool | None:
    """Whether the natural images of both are the same: by their digests, or that of all that was measured on them."""
    if a.state == b.state and pair.names[0] == pair.names[1]:
        return True
    sets = [_digests(side.state.files("images").get("images.json")) for side in (a, b)]
    if all(sets):
        return sets[0] == sets[1]
    maps = [side.state.entry("feature_maps", name) for side, name in zip((a, b), pair.names, strict=True)]
    known = [entry.outs_md5 if entry else "" for entry in maps]
    return True if all(known) and known[0] == known[1] else None


def _digests(path: Path | None) -> dict[str, Any]:
    found = verify.read_mapping(path) if path else {}
    return {name: one.get("sha256") for name, one in found.items() if isinstance(one, dict)}
