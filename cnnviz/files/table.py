"""Rows as CSV files."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.files.disk import write_bytes


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a table, none where there is no file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """A table of the union of the rows' columns; numbers with 6 significant digits, unknown ones empty."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    table.writeheader()
    table.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    write_bytes(path, text.getvalue().encode())


def _cell(value: Any) -> Any:
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}" if np.isfinite(value) else ""
    return "" if value is None else value
