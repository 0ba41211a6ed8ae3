"""What a run holds, as values. Knows no MLflow."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.tracking.content.curves import Curve
from cnnviz.tracking.content.inputs import Input


@dataclass
class Content:
    """Final numbers, curves, files as (path, folder in the run) and pictures as (key, step or None, uint8 (h, w, 3)).

    `table` is the image matrix: (slot, picture). The top of the run's page has a link to `page`, a file in the run,
    and one to `site`, a page of the report's site, then the pictures `shown`, by file name, the first of which is low,
    then `note`, which is Markdown.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    files: list[tuple[Path, str]] = field(default_factory=list)
    pictures: list[tuple[str, int | None, np.ndarray]] = field(default_factory=list)
    table: list[tuple[str, np.ndarray]] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    shown: dict[str, np.ndarray] = field(default_factory=dict)
    note: str = ""
    page: str | None = None
    site: str | None = None


def legal(key: str) -> str:
    """Replace what MLflow refuses in the names of metrics, params and pictures by _."""
    return re.sub(r"[^\w\-. /]", "_", key, flags=re.ASCII)


def rounded(number: float) -> float:
    """Six digits for what is no whole number: MLflow's tables show as many as there are."""
    return float(number) if number == round(number) else float(f"{number:.6g}")
