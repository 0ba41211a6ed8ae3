"""Arrays of files that others made: named, of the expected kind and shape, never pickled."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError, shortened


def read(path: Path, expected: Mapping[str, str], optional: Mapping[str, str] | None = None) -> dict[str, NDArray]:
    """Read the arrays that are expected: name -> letters of the dtype's kinds and number of axes, as "f4".

    optional: the same of those that may be missing.

    Raises InputError for a file that is damaged, or in which one of them is missing or of another kind.
    """
    found = {}
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            there = {name: form for name, form in (optional or {}).items() if name in file.files}
            for name, form in {**expected, **there}.items():
                found[name] = array = file[name]
                if array.dtype.kind not in form[:-1] or array.ndim != int(form[-1]):
                    raise InputError(f"{path}: {name} is {array.dtype} {array.shape}; docs/artifacts.md says what fits")
    except InputError:
        raise
    except Exception as error:  # NumPy reads headers as Python, whose tokenizer and compiler raise almost anything
        reason = shortened(" ".join(str(error).split()), 200)
        if "pickle" in reason:  # NumPy's own words tell how to run what the file carries
            reason = "it holds pickled objects, which are not opened"
        raise InputError(f"{path}: damaged ({reason})") from error
    return found


def common(path: Path, one: NDArray, other: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Indices that both lists `(n,)`, `(m,)` have, in ascending order, and where they stand in each.

    Raises InputError, naming the file `path`, where one has an index twice.
    """
    for values in (one, other):
        if len(np.unique(values)) != len(values):
            raise InputError(f"{path}: damaged (an index is there twice)")
    return np.intersect1d(one, other, assume_unique=True, return_indices=True)
