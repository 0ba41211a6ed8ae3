"""The pictures that a run shows, put together from `artifacts/maximize/<model>/<layer>.npz`."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cnnviz.files import npz
from cnnviz.pictures import montage, plots

CELL = 128  # pixels that smaller images are enlarged to
TILE, GAP = 54, 4  # pixels of an image in the strip: MLflow folds a description that is higher than 100
LAYERS = 9  # images in the strip at most: in a window of 1280 pixels they are as large as they are
INCHES = 4.9  # width of a plot in a description, 540 pixels: a wider one would move MLflow's second column out of sight
LABELS = 26  # layers named below bars at most


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


def rows(arrays: Any, filters: list[int]) -> list[int]:
    """Where in a layer's arrays these filters are."""
    stored = arrays["filters"].tolist()
    return [stored.index(k) for k in filters]


def strip(folder: Path, filters: dict[str, int]) -> np.ndarray:
    """A filter of each layer, side by side, uint8 `(TILE, w, 3)`."""
    tiles = []
    for layer, k in filters.items():
        with npz.opened(folder / f"{layer}.npz") as arrays:
            tile = montage.fit(final(arrays)[rows(arrays, [k])], TILE)[0]
        tiles.append(np.pad(tile, ((0, TILE - len(tile)), (0, GAP), (0, 0)), constant_values=montage.WHITE))
    return np.concatenate(tiles, axis=1)


def bars(series: Mapping[str, Sequence[float | None]], groups: Sequence[str], title: str) -> np.ndarray:
    """A panel of bars for each of the series, one above the other, uint8 `(h, w, 3)`; None leaves a gap.

    groups: the layer of each bar, in order. Layers side by side differ in tone, the axis below has their names.
    """
    figure, axes = plots.panels(len(series), 1, INCHES, 1.25, sharex=True)
    layers = list(dict.fromkeys(groups))
    tones = [("#0072B2", "#56B4E9")[layers.index(group) % 2] for group in groups]
    for axis, (name, values) in zip(axes[:, 0], series.items(), strict=True):
        known = [value if value is not None and np.isfinite(value) else np.nan for value in values]
        axis.bar(range(len(known)), known, color=tones, width=0.85)
        axis.set_title(name)
        axis.grid(visible=False, axis="x")
    middles = [float(np.mean([i for i, group in enumerate(groups) if group == layer])) for layer in layers]
    kept = sorted({int(i) for i in np.linspace(0, len(layers) - 1, min(LABELS, len(layers))).round()})
    axes[-1, 0].set_xticks([middles[i] for i in kept], [_short(layers[i]) for i in kept], rotation=90, fontsize=8)
    axes[-1, 0].set_xlabel(title)
    with Image.open(io.BytesIO(plots.png(figure))) as picture:
        return np.asarray(picture.convert("RGB"))


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:10]}…{name[-11:]}"


def spread(layers: list[str], most: int = LAYERS) -> list[str]:
    """At most so many of the layers, the first and the last among them, evenly spaced."""
    return (
        [layers[i] for i in sorted({int(i) for i in np.linspace(0, len(layers) - 1, most).round()})] if layers else []
    )
