"""How far apart two clones' feature maps are, a layer at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnviz.errors import InputError
from cnnviz.verify import arrays
from cnnviz.verify.sides import Files

ARRAYS = {"activations": "f4", "images": "iu1", "channels": "iu1"}


@dataclass(frozen=True)
class Apart:
    """One layer on one image set. largest: difference of two values; relative: that, divided by the layer's largest.

    whole: whether both sides hold maps of the same images and channels.
    """

    name: str
    set: str
    largest: float
    relative: float
    whole: bool


def named(files: Files) -> dict[str, Path]:
    """The files of `artifacts/feature_maps/<model>` that hold maps: `<set>/<layer>.npz`."""
    maps = {name: path for name, path in files.items() if name.count("/") == 1 and name.endswith(".npz")}
    return {name: path for name, path in maps.items() if not name.endswith("/per_image.npz")}


def compare(here: Files, there: Files) -> Iterator[Apart]:
    """Compare the maps that both have, of the images and channels that both have."""
    for name in sorted(here.keys() & there.keys()):
        one, other = arrays.read(here[name], ARRAYS), arrays.read(there[name], ARRAYS)
        _, *images = arrays.common(there[name], one["images"], other["images"])
        _, *channels = arrays.common(there[name], one["channels"], other["channels"])
        both = []
        for file, part, rows, columns in zip((here, there), (one, other), images, channels, strict=True):
            if part["activations"].shape[::3] != (len(part["images"]), len(part["channels"])):
                raise InputError(f"{file[name]}: activations {part['activations'].shape} don't fit the indices")
            both.append(part["activations"][rows][..., columns])
        if both[0].shape != both[1].shape:
            raise InputError(f"{there[name]}: maps {both[1].shape}, here {both[0].shape}: of another input size")
        if both[0].size:
            folder, _, layer = name.removesuffix(".npz").partition("/")
            whole = both[0].size == one["activations"].size == other["activations"].size
            yield Apart(layer, folder, *apart(*both), whole)


def apart(here: np.ndarray, there: np.ndarray) -> tuple[float, float]:
    """Largest absolute difference of two arrays of one shape, and its share of the largest absolute value here.

    What is no number on one side only is infinitely far away.
    """
    with np.errstate(invalid="ignore"):
        difference = np.where(here == there, 0, np.abs(here.astype(float) - there))
    difference[np.isnan(here) & np.isnan(there)] = 0
    largest = float(np.nan_to_num(difference, nan=np.inf).max())
    scale = float(np.nanmax(np.abs(here), initial=0))
    return largest, largest / scale if scale else np.inf if largest else 0.0
