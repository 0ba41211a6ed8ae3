"""What natural images do in a layer: the measure that the images of its filters are held against.

Read from what the feature_maps stage stored (`read`), or measured on arrays (`measure`, needs TensorFlow).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnnviz.errors import InputError, choices
from cnnviz.files import npz
from cnnviz.images import ImageSet, fed

Floats = NDArray[np.float32]
SAMPLE = 256  # images of a set at most whose pixels stand for nature
PIXELS = 2**24  # of them together, likewise: fewer images of a large canvas
FEWEST = 4
KINDS = ("peak", "feature", "drive", "place")  # what per_image.npz holds of every layer, in the order of Nature


@dataclass(frozen=True)
class Nature:
    """m natural images in one layer of C channels.

    peaks: float32 `(m, C)`, highest pre-activation anywhere in the image (0 where the layer itself ends in a ReLU and
    the unit is never above 0); features: float32 `(m, C)`, the unit's output averaged over positions; drives: float32
    `(m, C)`, the pre-activation averaged over positions, what is below 0 counted as 0; places: int16 `(m, C, 2)`, the
    centre (y, x) of what the unit sees at the peak, in pixels of the network's input; images: m pairs (set, index in
    the set), in the same order; the set is "" for measured arrays.
    """

    peaks: Floats
    features: Floats
    drives: Floats
    places: NDArray[np.int16]
    images: tuple[tuple[str, int], ...]

    def best(self, k: int) -> int | None:
        """Row of the natural image with the highest peak of filter k, the first of equals; None without images."""
        return int(np.argmax(self.peaks[:, k])) if len(self.peaks) else None

    def strongest(self, k: int, count: int) -> list[int]:
        """Rows of the natural images with the highest peaks of filter k, at most `count`, the first of equals first."""
        peaks = np.where(np.isnan(self.peaks[:, k]), -np.inf, self.peaks[:, k])
        return [int(row) for row in np.argsort(-peaks, kind="stable")[:count]]


def read(feature_maps_folder: Path, layer: str, sets: Iterable[str]) -> Nature:
    """Read `<folder>/<set>/per_image.npz` of all sets, in order; `feature_maps_folder` is that of one model.

    Raises InputError without sets, for a file that is missing or damaged, and for a layer that is not in it.
    """
    found: dict[str, list[NDArray]] = {kind: [] for kind in KINDS}
    images: list[tuple[str, int]] = []
    for name in sets:
        path = feature_maps_folder / name / "per_image.npz"
        again = f"dvc repro --force feature_maps@{feature_maps_folder.name}"
        try:
            with npz.opened(path) as data:
                if f"{layer}/peak" not in data:
                    layers = (key.removesuffix("/peak") for key in data if key.endswith("/peak"))
                    raise InputError(f"{path}: no layer {layer!r}; {choices(layer, layers)}")
                for kind, parts in found.items():
                    parts.append(data[f"{layer}/{kind}"])
        except FileNotFoundError:
            raise InputError(f"{path}: not found; run `{again}`") from None
        except KeyError as missing:
            raise InputError(f"{path}: damaged (no {missing}); run `{again}`") from None
        images += [(name, i) for i in range(len(found["peak"][-1]))]
    if not found["peak"]:
        raise InputError(f"{feature_maps_folder}: no image set asked for; name at least one")
    peaks, features, drives, places = (np.concatenate(found[kind]) for kind in KINDS)
    return Nature(peaks, features, drives, places, tuple(images))


def measure(network: Any, preprocessing: Any, layer: str, images: ArrayLike) -> Nature:
    """Measure one conv layer of a Keras model on images `(m, h, w, channels)` in 0..255, uint8 or float.

    preprocessing: as models.preprocess takes it, for as many channels as the images have.
    Of the network only what leads to the layer has to accept the images' size. Raises InputError for a layer that is
    not there and for a network or size that graph.trace refuses.
    """
    from cnnviz.activations import maps as activations  # TensorFlow

    pixels = np.asarray(images)
    if pixels.ndim != 4:
        raise InputError(f"natural images {pixels.shape} given; expected (m, height, width, channels)")
    described = {"input_shape": pixels.shape[1:], "preprocessing": preprocessing}
    maps = activations.FeatureMaps(network, described, layer)
    found = maps.statistics(lambda i: pixels[list(i)].astype("float32"), len(pixels), lambda n: None)[layer]
    images_of = tuple(("", i) for i in range(len(pixels)))
    return Nature(found.peak, found.feature, found.drive, found.place, images_of)


def pictures(sets: Mapping[str, ImageSet], size: int | tuple[int, int], channels: int = 3) -> Floats:
    """Scale natural images to the canvas: float32 `(m, height, width, channels)` in [0, 1], sets in order.

    size: of the canvas, one side or height and width; channels: of the network, see images.fed. Only images that are
    nowhere smaller than it, since enlarged ones have no high frequencies; any where there is no such image. Of a set
    with more than SAMPLE of them so many, fewer of a large canvas, evenly spread: memory does not grow with the set.
    """
    height, width = (size, size) if isinstance(size, int) else size
    most = max(FEWEST, min(SAMPLE, PIXELS // (height * width)))
    large = {name: np.flatnonzero((one.sizes >= (height, width)).all(axis=1)).tolist() for name, one in sets.items()}
    if not any(large.values()):
        large = {name: list(range(len(one))) for name, one in sets.items()}
    for name, indices in large.items():
        if len(indices) > most:
            large[name] = [indices[i * (len(indices) - 1) // (most - 1)] for i in range(most)]
    shape = (height, width, channels)
    found = [fed(sets[name], indices, shape) / np.float32(255) for name, indices in large.items() if indices]
    return np.concatenate(found) if found else np.zeros((0, *shape), np.float32)
