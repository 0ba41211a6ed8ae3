"""Tables of the site as values: what is known of every filter, and any table as CSV and Parquet of the same values."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.files import read_csv
from cnnviz.report import data
from cnnviz.report.site.layers import Layer, Model
from cnnviz.report.site.pairs import Pair
from cnnviz.report.site.pictures import Files

Value = bool | int | float | str | None
Table = dict[str, list[Value]]  # columns of equal length; None: unknown
WEIGHTS = ("l1", "l2", "mean", "std", "near_zero_share", "nearest", "nearest_cosine")
ALIKE = ("activation_cluster", "kernel_cluster", "nearest", "nearest_correlation")
MEASURED = ("firing_rate", "maximum", "lifetime_sparsity", "class_selectivity", "class_selectivity_chance")
TEXTS = {"set", "name", "class", "layer", "model"}  # last words of the names of columns that never are numbers
DRIFT = ("distance", "cosine", "correlation")


def values(column: Iterable[Any]) -> list[Value]:
    """What can be known of a column: whole numbers, numbers of six digits, texts; NaN and infinity are unknown."""
    return [_value(one) for one in (column.tolist() if isinstance(column, np.ndarray) else column)]


def _value(one: Any) -> Value:
    if isinstance(one, float):
        return float(f"{one:.6g}") if np.isfinite(one) else None
    return one if one is None or isinstance(one, int | str) else _value(one.item())


def of_layer(layer: Layer, compared: Iterable[Pair]) -> Table:
    """A row per filter, rendered or not: kernel, activity by image set, likeness, drift, scores, words."""
    every = range(layer.filters)
    found: Table = {"filter": list(every), "status": [layer.status.get(k) for k in every]}
    for name in (*data.SCORES, "score", *data.GAINS):
        if layer.scores:
            found[name] = values(layer.scores.get(k, {}).get(name) for k in every)
    found |= {_kernel(name): values(layer.weights[name]) for name in WEIGHTS if name in layer.weights}
    for name in layer.model.sets:
        stored = layer.statistics(name)
        found |= {f"{key}/{name}": values(stored[key]) for key in MEASURED if key in stored}
    alike = layer.model.redundancy
    found |= {name: values(alike[f"{layer.name}/{name}"]) for name in ALIKE if f"{layer.name}/{name}" in alike}
    if layer.model.training:
        found |= layer.model.training.of_filters(layer.name, layer.filters)
    for name in ("nearest", "kernel_nearest"):  # -1: the only filter, or one of zeros
        if name in found:
            found[name] = [None if k == -1 else k for k in found[name]]
    for pair in compared:
        if pair.drift and layer.model in (pair.one, pair.other):
            found |= _drift(layer, pair)
    if any(name == layer.name for name, _ in layer.model.clarity):
        judged = [layer.model.clarity.get((layer.name, k), {}) for k in every]
        found["clarity"] = [float(one["clarity"]) if one.get("clarity") else None for one in judged]
        found["facets"] = [int(one["facets"]) if one.get("facets") else None for one in judged]
    told, noted = layer.model.words.get(layer.name, {}), layer.model.notes.get(layer.name, {})
    said = {k: "; ".join(row["words"] for row in rows if row["sure"]) for k, rows in told.items()}
    for title, texts in (("words", said), ("note", noted)):
        if any(texts.values()):
            found[title] = [texts.get(k) or None for k in every]
    return found


def _kernel(name: str) -> str:
    """What filters.csv of the analysis calls likewise, of activations, is named after the kernel here."""
    return f"kernel_{name}" if name in ("mean", "std", "nearest", "nearest_cosine") else name


def _drift(layer: Layer, pair: Pair) -> Table:
    other = pair.other if layer.model is pair.one else pair.one
    rows = {row["filter"]: row for row in pair.drift_of(layer.name)}
    return {f"drift_{key}/{other.key}": [rows.get(k, {}).get(key) for k in range(layer.filters)] for key in DRIFT}


def of_model(tables: Mapping[str, Table]) -> Table:
    """The tables of a model's layers, by their names, one after the other."""
    names = list(dict.fromkeys(name for table in tables.values() for name in table))
    found: Table = {"layer": [name for name, table in tables.items() for _ in table["filter"]]}
    for name in names:
        found[name] = [v for table in tables.values() for v in table.get(name, [None] * len(table["filter"]))]
    return found


def of_rows(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Rows -> columns; of a CSV file, whose cells are texts, whole columns of numbers become numbers."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: _typed(name, [row.get(name) for row in rows]) for name in names}


def _typed(name: str, column: list[Any]) -> list[Value]:
    known = [one for one in column if one not in ("", None)]
    if not all(isinstance(one, str) for one in known):
        return values(column)
    if re.split(r"[ _]", name)[-1] in TEXTS:  # a class or a file may be called 007
        return [one or None for one in column]
    if known and set(known) <= {"True", "False"}:
        return [None if one in ("", None) else one == "True" for one in column]
    for read in (int, float):
        try:
            return [None if one in ("", None) else _value(read(one)) for one in column]
        except ValueError:
            continue
    return [one or None for one in column]


def read(path: Any) -> Table:
    """A CSV file of the artifacts as a table; empty where there is none."""
    return of_rows(read_csv(path))


def write(files: Files, path: str, table: Table) -> bool:
    """Write a table as `<path>.csv` and `<path>.parquet`; False where it is empty and none is written."""
    if not table or not len(next(iter(table.values()))):
        return False
    files.write(f"{path}.csv", as_csv(table))
    files.write(f"{path}.parquet", as_parquet(table))
    return True


def as_csv(table: Table) -> bytes:
    """Names, then a row each; what is unknown is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    return text.getvalue().encode()


def as_parquet(table: Table) -> bytes:
    """The same: int64, double, string or bool, what is unknown is null."""
    import pyarrow
    from pyarrow import parquet

    kinds = {bool: pyarrow.bool_(), int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string()}
    columns = {
        name: pyarrow.Array.from_buffers(kinds[kind(column)], len(column), list(map(pyarrow.py_buffer, _bytes(column))))
        for name, column in table.items()
    }
    buffer = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(columns), buffer, compression="zstd", store_schema=False)
    return bytes(buffer.getvalue())


def _bytes(column: Sequence[Value]) -> list[NDArray | bytes]:
    """Arrow's buffers of a column: which values are known, and the values (pyarrow.array would import pandas)."""
    known = np.packbits([one is not None for one in column], bitorder="little")
    if (of := kind(column)) is str:
        texts = [("" if one is None else str(one)).encode() for one in column]
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
        return [known, ends, b"".join(texts)]
    values: NDArray = np.array([one or 0 for one in column], {bool: np.bool_, int: np.int64, float: np.float64}[of])
    return [known, np.packbits(values, bitorder="little") if of is bool else values]


def kind(column: Iterable[Value]) -> type:
    """What a column holds: bool, int, float or str; one that knows nothing holds numbers."""
    found = {type(one) for one in column if one is not None}
    return str if str in found else found.pop() if len(found) == 1 else float


def of_predictions(model: Model) -> Table:
    return read(model.artifacts / "analysis" / model.key / "predictions.csv")
