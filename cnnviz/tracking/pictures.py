"""The pictures that a run shows, put together from `artifacts/maximize/<model>/<layer>.npz`."""

from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.files import npz
from cnnviz.pictures import montage

CELL = 128  # pixels that smaller images are enlarged to
TILE = 64  # pixels of an image in the strip: MLflow folds a description that is higher than 100
LAYERS = 13  # images in the strip at most


def final(arrays: Any) -> np.ndarray:
    """The finished images as pictures `(n, h, w, 3)`, also of a network that sees other than three channels."""
    return arrays["images"] if arrays["images"].shape[-1] == 3 else arrays["snapshots"][:, -1]


def cell(image: np.ndarray, text: str) -> np.ndarray:
    """A picture for the image matrix, `(h, w, 3)`: named, and above empty space of its own height.

    MLflow centres a picture on the lower edge of its row, so that only the upper half shows.
    """
    tile = _named(montage.enlarge(image[None], -(-CELL // image.shape[1])), text)
    return np.concatenate([tile, np.full_like(tile, 247)])


def grid(images: np.ndarray, text: str) -> np.ndarray:
    """`(n, h, w, 3)` -> one picture with two columns and a text above."""
    tiles = montage.enlarge(images, -(-CELL // images.shape[1]))
    return _named(montage.montage(tiles, columns=2)[None], text)


def _named(tiles: np.ndarray, text: str) -> np.ndarray:
    return montage.caption(tiles, [text], font_size=11)[0]


def strip(folder: Path, layers: list[str]) -> np.ndarray:
    """The first filter of each layer, side by side, uint8 `(TILE, w, 3)`."""
    tiles = []
    for layer in layers:
        with npz.opened(folder / f"{layer}.npz") as arrays:
            tile = montage.fit(final(arrays)[:1], TILE)[0]
        tiles.append(np.pad(tile, ((0, TILE - len(tile)), (0, 6), (0, 0)), constant_values=montage.WHITE))
    return np.concatenate(tiles, axis=1)


def spread(layers: list[str], most: int = LAYERS) -> list[str]:
    """At most so many of the layers, the first and the last among them, evenly spaced."""
    return (
        [layers[i] for i in sorted({int(i) for i in np.linspace(0, len(layers) - 1, most).round()})] if layers else []
    )
