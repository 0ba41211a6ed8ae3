"""Files of `artifacts/epochs/<model>/` (docs/artifacts.md). No TensorFlow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.files import npz, write_bytes, write_csv, write_json

if TYPE_CHECKING:
    from cnnviz.epochs.states import Found

PICTURES, SUMMARY = "pictures", "epochs.json"
DIGITS = 7


def write_none(folder: Path) -> None:
    """Of a model that is no series."""
    write_json(folder / SUMMARY, {"checkpoints": []})


def write_pictures(folder: Path, i: int, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
    """Of checkpoint i: the pictures of each layer's filters, `(n, h, w, channels)`."""
    write_bytes(folder / PICTURES / f"{i}.npz", npz.pack(pictures))


def read_pictures(folder: Path, i: int, layer: str) -> NDArray[np.uint8]:
    with npz.opened(folder / PICTURES / f"{i}.npz") as stored:
        return stored[layer]


def write(
    folder: Path,
    entries: Sequence[Mapping[str, Any]],
    grown: Mapping[str, Mapping[str, NDArray]],
    found: "Found",
    formed: float,
) -> list[str]:
    """Write all but the pictures. entries: of the checkpoints, from model.json. Returns notes on what is odd."""
    for layer in dict.fromkeys((*found.layers, *grown)):
        arrays = {**grown.get(layer, {}), **found.layers.get(layer, {})}
        arrays = {name: a.astype(np.float32) if a.dtype == np.float64 else a for name, a in arrays.items()}
        write_bytes(folder / f"{layer}.npz", npz.pack(arrays, compress=True))
    checkpoints = []
    for i, (entry, numbers) in enumerate(zip(entries, found.numbers, strict=True)):
        checkpoints.append({**entry, **numbers, "median_similarity": _middle(grown, "similarity", i)})
    notes = _notes(entries, grown)
    write_csv(folder / "checkpoints.csv", [_row(i, one) for i, one in enumerate(checkpoints)])
    write_csv(folder / "filters.csv", _filters(grown, found))
    if found.flips:
        write_csv(folder / "predictions.csv", found.flips)
    layers = {name: _layer(arrays, grown.get(name, {})) for name, arrays in found.layers.items()}
    write_json(folder / SUMMARY, {"checkpoints": checkpoints, "formed": formed, "layers": layers, "notes": notes})
    write_json(folder / "metrics.json", _headline(checkpoints, grown, found))
    return notes


def _notes(entries: Sequence[Any], grown: Mapping[str, Mapping[str, NDArray]]) -> list[str]:
    notes = []
    if len(entries) == 1:
        notes.append("the series has one checkpoint: there is nothing that it could be held against")
    unknown = {layer: int((one["formed_at"] < 0).sum()) for layer, one in grown.items()}
    if said := ", ".join(f"{count} of {layer}" for layer, count in unknown.items() if count):
        notes.append(
            "rendered filters whose form is unknown, since they are silent, or no numbers, in the last state, or their "
            f"layer has fewer than three units: {said}"
        )
    return notes


def _row(i: int, one: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in one.items() if name not in ("logs", "digest")}
    return {"checkpoint": i, **plain, **{f"logs/{name}": value for name, value in one["logs"].items()}}


def _filters(grown: Mapping[str, Mapping[str, NDArray]], found: "Found") -> list[dict[str, Any]]:
    """A row per filter: when it took its form, since when it is silent, how far its kernel was at first."""
    rows = []
    for layer, arrays in found.layers.items():
        own = grown.get(layer, {})
        formed = dict(zip(own["filters"].tolist(), own["formed_at"].tolist(), strict=True)) if own else {}
        for k in range(len(arrays["silent_since"])):
            silent, at = int(arrays["silent_since"][k]), formed.get(k, -1)
            row: dict[str, Any] = {"layer": layer, "filter": k, "formed_at": None if at < 0 else at}
            row |= {"silent_since": None if silent < 0 else silent}
            rows.append(row | {f"{name}_first": arrays[name][k, 0] for name in ("distance", "cosine")})
    return rows


def _layer(arrays: Mapping[str, NDArray], own: Mapping[str, NDArray]) -> dict[str, Any]:
    """A layer's entry of epochs.json: a number per checkpoint."""
    found = {"cka_to_last": _list(arrays["cka"][:, -1]), "similarity": []}
    for name, values in arrays.items():
        if values.ndim == 1 and name != "silent_since":
            found[name] = _list(values)
    for name in ("distance", "cosine"):
        found[f"median_{name}"] = [_median(arrays[name][:, i]) for i in range(arrays[name].shape[1])]
    if own:
        found["similarity"] = [_median(own["similarity"][:, i]) for i in range(own["similarity"].shape[1])]
    return found


def _headline(
    checkpoints: Sequence[Mapping[str, Any]], grown: Mapping[str, Mapping[str, NDArray]], found: "Found"
) -> dict[str, Any]:
    at = np.concatenate([one["formed_at"] for one in grown.values()]) if grown else np.zeros(0, int)
    known = at[at >= 0]
    return {
        "checkpoints": len(checkpoints),
        "median_formed_at": float(np.median(known)) if len(known) else None,
        "formed_from_the_start": int((at == 0).sum()),
        "silent_at_the_end": int(sum((one["silent_since"] >= 0).sum() for one in found.layers.values())),
    }


def _middle(grown: Mapping[str, Mapping[str, NDArray]], name: str, i: int) -> float | None:
    return _median(np.concatenate([one[name][:, i] for one in grown.values()])) if grown else None


def _median(values: NDArray) -> float | None:
    known = values[np.isfinite(values)]
    return _number(np.median(known)) if len(known) else None


def _list(values: NDArray) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: Any) -> float | None:
    return float(f"{float(value):.{DIGITS}g}") if np.isfinite(value) else None
