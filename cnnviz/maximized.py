"""Rendered filters -> files of `artifacts/maximize/<model>/` (docs/artifacts.md)."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.maximize import Rendered
from cnnviz.montage import montage, png_bytes
from cnnviz.stage import write_bytes, write_json


def gain(rendered: Rendered, first: int, last: int) -> np.ndarray:
    """Score of the untransformed image after step `last` less that after `first`, `(n,)`; NaN if not run so far."""
    steps = rendered.snapshot_steps.tolist()
    if first not in steps or last not in steps or last <= first:
        return np.full(len(rendered.filters), np.nan, "float32")
    return rendered.snapshot_scores[:, steps.index(last)] - rendered.snapshot_scores[:, steps.index(first)]


def status(rendered: Rendered) -> np.ndarray:
    """`ok`, or `weak` where the filter is active nowhere on its own image or the score did not rise, str `(n,)`."""
    rose = rendered.snapshot_scores[:, -1] > rendered.scores[:, 0]
    return np.where((rendered.peaks > 0) & rose, "ok", "weak")


def write_layer(folder: Path, layer: str, rendered: Rendered) -> None:
    """Write `<layer>.npz`, `<layer>.png`, and per filter the final image and its steps."""
    last = int(rendered.snapshot_steps[-1])
    buffer = io.BytesIO()
    np.savez(
        buffer,
        filters=rendered.filters,
        images=rendered.images,
        scores=rendered.scores,
        snapshot_steps=rendered.snapshot_steps,
        snapshots=rendered.snapshots,
        snapshot_scores=rendered.snapshot_scores,
        gain_10_100=gain(rendered, 10, 100),
        gain_10_last=gain(rendered, 10, last),
        status=status(rendered),
    )
    write_bytes(folder / f"{layer}.npz", buffer.getvalue())
    write_bytes(folder / f"{layer}.png", png_bytes(montage(rendered.images, columns=min(8, len(rendered.images)))))
    for i, index in enumerate(rendered.filters):
        write_bytes(folder / layer / f"{index}.png", png_bytes(rendered.images[i]))
        strip = montage(rendered.snapshots[i], columns=len(rendered.snapshot_steps))
        write_bytes(folder / layer / f"{index}_steps.png", png_bytes(strip))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


def write_numbers(folder: Path, rendered: dict[str, Rendered], settings: dict[str, Any]) -> None:
    """Write metrics.json, history.csv and settings.json of all layers."""
    layers: dict[str, dict[str, Any]] = {}
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["layer", "filter", "step", "score"])
    for layer, result in rendered.items():
        last = int(result.snapshot_steps[-1])
        gains, to_last, states = gain(result, 10, 100), gain(result, 10, last), status(result)
        layers[layer] = {
            str(k): {
                "score": _number(result.snapshot_scores[i, -1]),
                "gain_10_100": _number(gains[i]),
                "gain_10_last": _number(to_last[i]),
                "status": str(states[i]),
            }
            for i, k in enumerate(result.filters.tolist())
        }
        for i, k in enumerate(result.filters.tolist()):
            rows.writerows([layer, k, step, f"{score:.6g}"] for step, score in enumerate(result.scores[i]))
    every = [entry for filters in layers.values() for entry in filters.values()]
    ratios = [r.snapshot_scores[i, -1] - r.scores[i, 0] for r in rendered.values() for i in range(len(r.filters))]
    write_json(
        folder / "metrics.json",
        {
            "filters": len(every),
            "ok": sum(entry["status"] == "ok" for entry in every),
            "weak": sum(entry["status"] == "weak" for entry in every),
            "median_score_gain": _number(float(np.median(ratios))),
            "layers": layers,
        },
    )
    write_bytes(folder / "history.csv", table.getvalue().encode())
    write_json(folder / "settings.json", settings)
