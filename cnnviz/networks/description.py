"""model.json of a stored model, for those that run no network."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnnviz.errors import InputError
from cnnviz.files import read_json


def read_description(folder: Path) -> dict[str, Any]:
    """Read `model.json` of a model's folder. Raises InputError where it is missing."""
    try:
        return read_json(folder / "model.json")
    except FileNotFoundError:
        raise InputError(f"{folder / 'model.json'}: not found; run `dvc repro models@{folder.name}` first") from None


def fingerprint(described: Mapping[str, Any]) -> str:
    """SHA-256 of what a stored model computes: weights, configuration, own code, what images become first.

    The digest of the weights alone doesn't tell average from max pooling. `noise`: see series.NOISE.
    """
    optional = ("code", "noise")
    parts = [
        described[key]
        for key in ("digest", "config", "preprocessing", *optional)
        if key not in optional or key in described
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
