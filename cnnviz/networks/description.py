"""model.json of a stored model, for those that run no network."""

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
