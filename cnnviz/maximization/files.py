"""Rendered filters -> files of `artifacts/maximize/<model>/` (docs/artifacts.md), a chunk at a time."""

import csv
import shutil
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.files import WHOLE, npz, threads, write_bytes, write_json, writing
from cnnviz.maximization.ascent.rendered import Rendered
from cnnviz.maximization.ladder import names
from cnnviz.maximization.rendering import SCORES, Judged
from cnnviz.pictures import montage, png_bytes, shown

COLUMNS = ("gain_10_100", "gain_10_last", *SCORES)
SMALL, ROW = 64, 32  # pixels of a picture, and how many in a row, on the sheet of a layer of more than WHOLE filters


def gain(rendered: Rendered, first: int, last: int) -> np.ndarray:
    """Score of the untransformed image after step `last` less that after `first`, `(n,)`; NaN if not run so far."""
    steps = rendered.snapshot_steps.tolist()
    if first not in steps or last not in steps or last <= first:
        return np.full(len(rendered.images), np.nan, "float32")
    with np.errstate(invalid="ignore"):
        return rendered.snapshot_scores[:, steps.index(last)] - rendered.snapshot_scores[:, steps.index(first)]


class _Growing:
    """One array of a layer, its rows appended to a file: the images of 2,048 filters never are in memory together."""

    def __init__(self, path: Path, rows: int, like: np.ndarray) -> None:
        self.path, self.file = path, path.open("wb")
        header = {"descr": np.lib.format.dtype_to_descr(like.dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(self.file, header | {"shape": (rows, *like.shape[1:])})

    def append(self, rows: np.ndarray) -> None:
        with writing(self.path):
            self.file.write(np.ascontiguousarray(rows).tobytes())

    def close(self) -> Path:
        with writing(self.path):
            self.file.close()
        return self.path


class LayerWriter:
    """Takes the chunks of one layer; `finish` writes `<layer>.npz` and `<layer>.png`. rgb: as `shown` takes it."""

    def __init__(self, folder: Path, layer: str, filters: list[int], rgb: Sequence[int] | None = None) -> None:
        self.folder, self.layer, self.filters, self.rgb = folder, layer, filters, rgb
        self._parts = folder / f".{layer}.parts"
        self._parts.mkdir(parents=True)
        self._large: dict[str, _Growing] = {}
        self._small: list[dict[str, np.ndarray]] = []
        self._images: list[np.ndarray] = []
        self._steps = np.zeros(0, "int32")
        self._done = 0

    def add(self, judged: Judged) -> None:
        """Write the pictures of the next filters, in the order of `filters`; by step of the first WHOLE only."""
        rendered, count = judged.rendered, len(self.filters)
        self._steps = rendered.snapshot_steps
        self._append("images", rendered.images, count)
        drawn = shown(rendered.images, self.rgb)
        self._images.append(drawn if count <= WHOLE else montage.fit(drawn, SMALL))
        if left := max(0, WHOLE - self._done):
            for name, rows in {"snapshots": rendered.snapshots, **judged.extras}.items():
                self._append(name, shown(rows[:left], self.rgb), min(WHOLE, count))
            pictures = zip(self.filters[self._done :], drawn, shown(rendered.snapshots[:left], self.rgb), strict=False)
            threads(lambda each: self._draw(*each), pictures)
        self._done += len(drawn)
        self._small.append(
            {
                "scores": rendered.scores,
                "snapshot_scores": rendered.snapshot_scores,
                "gain_10_100": gain(rendered, 10, 100),
                "gain_10_last": gain(rendered, 10, int(self._steps[-1])),
                "status": judged.status.astype("U4"),
                "reason": judged.reason.astype("U200"),
                **judged.measures,
                **({} if judged.patches is None else {"from_patches_of": judged.patches}),
            }
        )

    def _draw(self, index: int, image: np.ndarray, snapshots: np.ndarray) -> None:
        write_bytes(self.folder / self.layer / f"{index}.png", png_bytes(image))
        strip = montage.montage(snapshots, columns=len(self._steps))
        write_bytes(self.folder / self.layer / f"{index}_steps.png", png_bytes(strip))

    def _append(self, name: str, rows: np.ndarray, count: int) -> None:
        """Rows of an array that will have so many."""
        if name not in self._large:
            self._large[name] = _Growing(self._parts / name, count, rows)
        self._large[name].append(rows)

    def finish(self) -> dict[str, np.ndarray]:
        """Write the layer's files; return its arrays but for the images and snapshots."""
        patches = [part.pop("from_patches_of") for part in self._small if "from_patches_of" in part]
        small = {name: np.concatenate([part[name] for part in self._small]) for name in self._small[0]}
        small |= {"from_patches_of": np.concatenate(patches)} if patches else {}
        small = {"filters": np.asarray(self.filters, "int32"), "snapshot_steps": self._steps, **small}
        partial = self._parts / "npz"
        npz.write(partial, small)
        with writing(partial), zipfile.ZipFile(partial, "a") as archive:
            for name, growing in self._large.items():
                npz.add(archive, name, growing.close())
        partial.replace(self.folder / f"{self.layer}.npz")
        shutil.rmtree(self._parts)
        images = np.concatenate(self._images)
        if len(images) > WHOLE:
            images = images[np.argsort(self.filters)]
        sheet = montage.montage(images, columns=min(8 if len(images) <= WHOLE else ROW, len(images)))
        write_bytes(self.folder / f"{self.layer}.png", png_bytes(sheet))
        return small


def write_objective(
    folder: Path, name: str, description: str, rendered: Rendered, rgb: Sequence[int] | None = None
) -> dict[str, Any]:
    """Write `objectives/<name>.npz` and its pictures; return its entry of metrics.json."""
    kept = {field: array for field, array in rendered.items() if field not in ("peaks", "features", "robust")}
    kept["snapshots"] = shown(rendered.snapshots, rgb)
    write_bytes(folder / "objectives" / f"{name}.npz", npz.pack({"description": np.array(description), **kept}))
    pictures = montage.montage(shown(rendered.images, rgb), columns=4)
    write_bytes(folder / "objectives" / f"{name}.png", png_bytes(pictures))
    return {"description": description, "score": _number(rendered.snapshot_scores[0, -1])}


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _median(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return _number(float(np.median(known))) if len(known) else None


def write_numbers(
    folder: Path, layers: dict[str, dict[str, np.ndarray]], others: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Write metrics.json, history.csv, filters.csv and settings.json; layers: what LayerWriter.finish returns."""
    entries: dict[str, dict[str, Any]] = {}
    for layer, arrays in layers.items():
        entries[layer] = {}
        for i, k in enumerate(arrays["filters"].tolist()):
            known = {name: _number(arrays[name][i]) for name in COLUMNS if name != "selectivity_rank"}
            rank = int(arrays["selectivity_rank"][i])
            entries[layer][str(k)] = {
                "score": _number(arrays["snapshot_scores"][i, -1]),
                "status": str(arrays["status"][i]),
                "reason": str(arrays["reason"][i]),
                **{name: (rank or None) if name == "selectivity_rank" else known[name] for name in COLUMNS},
            }

    def every(name: str) -> np.ndarray:
        values = [entry[name] for filters in entries.values() for entry in filters.values()]
        return np.array([np.nan if value is None else value for value in values], float)

    status = [entry["status"] for filters in entries.values() for entry in filters.values()]
    with np.errstate(invalid="ignore"):  # of filters whose weights are infinite
        rise = [arrays["snapshot_scores"][:, -1] - arrays["scores"][:, 0] for arrays in layers.values()]
    headline = {"median_score_gain": _median(np.concatenate(rise))} | {f"median_{n}": _median(every(n)) for n in SCORES}
    numbers: dict[str, Any] = {
        "rendered_filters": len(status),
        **{f"{state}_filters": count for state, count in names(status).items()},
        **headline,
        "layers": entries,
        "objectives": others,
    }
    write_json(folder / "metrics.json", numbers)
    _write_table(folder / "history.csv", ["layer", "filter", "step", "score"], _curves(layers))
    columns = ("status", "reason", "score", *COLUMNS)
    lines = ([layer, k, *map(one.get, columns)] for layer, filters in entries.items() for k, one in filters.items())
    _write_table(folder / "filters.csv", ["layer", "filter", *columns], lines)
    write_json(folder / "settings.json", settings)


def _curves(layers: dict[str, dict[str, np.ndarray]]) -> Iterable[list[Any]]:
    """A row per filter and step: over a million of a whole network."""
    for layer, arrays in layers.items():
        for k, curve in zip(arrays["filters"].tolist(), arrays["scores"], strict=True):
            for step, score in enumerate(curve):
                yield [layer, k, step, f"{score:.6g}" if np.isfinite(score) else ""]


def _write_table(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows as CSV, written as they come."""
    partial = path.with_name(f".{path.name}.part")
    with writing(path):
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(head)
            writer.writerows(rows)
        partial.replace(path)
