"""Options of `maximize`, checked as params.yaml's are (maximization/section.py), without pydantic: a plain install."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnviz.errors import InputError, choices
from cnnviz.maximization import Settings
from cnnviz.notebook.given import number, said, whole

WORDS = {
    "optimizer": ("auto", "momentum", "adam"),
    "objective": ("pre_activation", "post_activation"),
    "parameterization": ("fourier", "pixel", "maco"),
    "colour": ("decorrelated", "rgb"),
    "precision": ("auto", "float32", "bfloat16", "float16", "tf32"),
}
NUMBERS = {"learning_rate": (0, 10), "decay": (0, 4), "jitter": (0, 0.5), "scale": (0, 1), "rotate": (0, 180)}
WHOLE = {"steps": 1, "variants": 1, "seed": 0}


def checked(options: Mapping[str, Any]) -> None:
    """Raises InputError for an option that doesn't exist, or whose value is of another kind or out of range."""
    for name, value in options.items():
        if name in WORDS:
            if value not in WORDS[name]:
                raise InputError(f"{name}: {said(value)} given; {choices(str(value), WORDS[name])}")
        elif name == "contrast":
            known = isinstance(value, int | float | np.number) and not isinstance(value, bool) and 0 <= value <= 100
            if not known and not (isinstance(value, str) and value == "auto"):
                raise InputError(f"contrast: {said(value)} given; expected auto, or a number in 0..100, 0 for any")
        elif name in NUMBERS:
            number(value, name, *NUMBERS[name])
        elif name in WHOLE:
            whole(value, name, WHOLE[name])
        elif name == "snapshots":
            if isinstance(value, str) or not np.iterable(value):
                raise InputError(f"snapshots: {said(value)} given; expected steps, as (1, 10)")
            for step in value:
                whole(step, "snapshots")
        else:
            raise InputError(f"maximize: unknown option {name!r}; {choices(name, Settings.__dataclass_fields__)}")
