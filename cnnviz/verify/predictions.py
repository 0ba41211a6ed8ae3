"""Which images two clones' classifiers put into different classes."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnviz.errors import InputError
from cnnviz.verify import arrays

FILE = "predictions.npz"  # of artifacts/analysis/<model>


@dataclass(frozen=True)
class Prediction:
    """Of one image of a set: the class here and there, by name where it has one."""

    set: str
    image: int
    here: str
    there: str

    @property
    def changed(self) -> bool:
        return self.here != self.there


def compare(here: Path, there: Path, sets: list[str]) -> Iterator[Prediction]:
    """Compare the predicted classes of all images of the sets; nothing where the networks give values."""
    if _gives_values(here) and _gives_values(there):
        return
    # without names, NumPy makes of the empty list an array of floats
    expected = {"class_names": "Uf1", **{f"{name}/probabilities": "f2" for name in sets}}
    one, other = arrays.read(here, expected), arrays.read(there, expected)
    names = one["class_names"].tolist()
    for name in sets:
        both = [part[f"{name}/probabilities"] for part in (one, other)]
        if both[0].shape != both[1].shape:
            raise InputError(f"{there}: {name}: probabilities {both[1].shape}, here {both[0].shape}")
        for i, classes in enumerate(np.stack([part.argmax(axis=1) for part in both], 1).tolist()):
            yield Prediction(name, i, *(names[k] if k < len(names) else str(k) for k in classes))


def _gives_values(path: Path) -> bool:
    """Whether a file holds values instead of probabilities of classes."""
    try:
        with zipfile.ZipFile(path) as file:
            return any(name.endswith("/values.npy") for name in file.namelist())
    except (OSError, zipfile.BadZipFile):  # to be said by whoever reads it
        return False
