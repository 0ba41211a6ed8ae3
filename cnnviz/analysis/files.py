"""What analysis.py found -> files of `artifacts/analysis/<model>/` (docs/artifacts.md), and back. No TensorFlow."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import depth, examples, places
from cnnviz.analysis.layers import LayerAnalysis
from cnnviz.analysis.measures import histogram_edges
from cnnviz.errors import InputError
from cnnviz.files import npz, read_json, threads, write_bytes
from cnnviz.images import ImageSet, fed
from cnnviz.pictures import Picture, png_bytes, shown

TOGETHER = 128_000_000  # bytes of patches that are in memory at once
SHEET = 16  # filters at most in the picture of a layer's patches


@dataclass
class LayerExamples:
    """Top and bottom examples of a layer: boxes int `(channels, k, 4)`; pictured: filters whose patches are stored."""

    layer: LayerAnalysis
    top: NDArray[np.integer]
    bottom: NDArray[np.integer]
    pictured: list[int]


class Pixels:
    """Images of several sets under one number each, as a network of this input shape sees them: `seen` in its channels,
    uint8 `(h, w, channels)`; by `[number]` as one can look at them, uint8 `(h, w, 3)`. rgb: see pictures.shown.
    """

    def __init__(self, sets: dict[str, ImageSet], shape: Sequence[int], rgb: Sequence[int] | None = None) -> None:
        self.sets, self.shape, self.rgb = sets, shape, rgb and tuple(rgb)
        self.names = list(sets)
        self.starts = np.cumsum([0, *map(len, sets.values())])
        self._held: tuple[int, NDArray[np.uint8]] | None = None

    def place(self, numbers: NDArray[np.integer]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Number of the set, and index in it."""
        which = np.searchsorted(self.starts, numbers, "right") - 1
        return which.astype(np.int32), (numbers - self.starts[which]).astype(np.int32)

    def __getitem__(self, number: int) -> Picture:
        return shown(self.seen(number), self.rgb)

    def seen(self, number: int) -> NDArray[np.uint8]:
        held = self._held  # of its own: another thread may ask for another image
        if held is None or held[0] != number:
            which, index = (int(i[0]) for i in self.place(np.array([number])))
            image = fed(self.sets[self.names[which]], [index], self.shape)[0]
            held = self._held = number, np.rint(image).astype(np.uint8)
        return held[1]


def write_examples(folder: Path, layers: dict[str, LayerExamples], pixels: Pixels) -> dict[str, dict[str, Any]]:
    """Write `examples/`; return per layer what is measured on the patches.

    The patches are cut image by image, so that one image is in memory at a time, of a few layers together.
    """
    found: dict[str, dict[str, Any]] = {}
    for some in _together(layers):
        found |= _write_layers(folder, some, pixels)
    return found


def _together(layers: dict[str, LayerExamples]) -> Iterator[dict[str, LayerExamples]]:
    """Layers in order, as many at a time as have patches of TOGETHER bytes, one at least."""
    held: dict[str, LayerExamples] = {}
    size = 0
    for name, one in layers.items():
        own = 3 * (2 * len(one.pictured) * one.top.shape[1] * examples.TILE**2 + one.layer.channels * examples.SMALL**2)
        if held and size + own > TOGETHER:
            yield held
            held, size = {}, 0
        held[name] = one
        size += own
    yield held


def _write_layers(folder: Path, layers: dict[str, LayerExamples], pixels: Pixels) -> dict[str, dict[str, Any]]:
    tiles: dict[str, dict[str, NDArray]] = {}
    measured: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
    for name, one in layers.items():
        size = examples.TILE
        shape = (len(one.pictured), one.top.shape[1], size, size, 3)
        first = np.zeros((one.layer.channels, examples.SMALL, examples.SMALL, 3), np.uint8)
        tiles[name] = {"top": np.zeros(shape, np.uint8), "bottom": np.zeros(shape, np.uint8), "first": first}
    jobs = [(number, *place) for number, *place in _jobs(layers)]
    for number, name, kind, row, rank, box in sorted(jobs, key=lambda job: job[0]):
        image = pixels[number]
        size = examples.SMALL if kind == "first" else examples.TILE
        patch = examples.tile(examples.cut(image, box), size)
        if kind == "first":
            tiles[name][kind][row] = patch
        else:
            tiles[name][kind][row, rank] = patch
        if kind == "top":
            seen = examples.crop(image, box)
            measured[name, row].append((depth.dominant_frequency(seen), depth.chroma_share(seen)))

    def write(name: str) -> None:
        one = layers[name]
        arrays: dict[str, NDArray] = {"pictured": np.asarray(one.pictured, np.int32)}
        arrays["sets"] = np.array(pixels.names)
        for kind, extremes, boxes in (("top", one.layer.top, one.top), ("bottom", one.layer.bottom, one.bottom)):
            arrays[f"{kind}_set"], arrays[f"{kind}_image"] = pixels.place(extremes.images)
            arrays[f"{kind}_position"], arrays[f"{kind}_activation"] = extremes.positions, extremes.values
            arrays[f"{kind}_box"], arrays[f"{kind}_patches"] = boxes.astype(np.int32), tiles[name][kind]
        write_bytes(folder / "examples" / f"{name}.npz", npz.pack(arrays, compress=True))
        sheet = examples.sheet(one.pictured[:SHEET], tiles[name]["top"][:SHEET], tiles[name]["bottom"][:SHEET])
        write_bytes(folder / "examples" / f"{name}.png", png_bytes(sheet))
        overview = examples.overview(tiles[name]["first"])
        write_bytes(folder / "examples" / "every_filter" / f"{name}.png", png_bytes(overview))

    threads(write, layers)
    return {
        name: _patch_numbers([measured[name, i] for i in range(len(one.pictured))]) | _photo_numbers(one.layer, pixels)
        for name, one in layers.items()
    }


def _jobs(layers: dict[str, LayerExamples]) -> Any:
    """(image, layer, kind, row, rank, box) of every patch to be cut."""
    for name, one in layers.items():
        for kind, extremes, boxes in (("top", one.layer.top, one.top), ("bottom", one.layer.bottom, one.bottom)):
            for row, k in enumerate(one.pictured):
                for rank in range(boxes.shape[1]):
                    yield int(extremes.images[k, rank]), name, kind, row, rank, boxes[k, rank].tolist()
        for k in range(one.layer.channels):
            yield int(one.layer.top.images[k, 0]), name, "first", k, 0, one.top[k, 0].tolist()


def _patch_numbers(filters: list[list[tuple[float, float]]]) -> dict[str, Any]:
    """Median over filters of the median over each filter's patches."""
    rows = [(depth.median(f for f, _ in one), depth.median(c for _, c in one)) for one in filters]
    return {"patch_frequency": depth.median(f for f, _ in rows), "patch_chroma": depth.median(c for _, c in rows)}


def _photo_numbers(layer: LayerAnalysis, pixels: Pixels) -> dict[str, Any]:
    """How many photos the examples are of, and which of them is the first example of most filters, of how many.

    Only of filters that tell images apart: of the others the first image is as good as any.
    """
    telling = layer.top.values[:, 0] > layer.bottom.values[:, 0]
    count = np.bincount(layer.photos[layer.top.images[telling, 0]], minlength=1)
    which, index = (int(one[0]) for one in pixels.place(np.array([count.argmax()])))
    commonest = {"set": pixels.names[which], "image": index, "filters": int(count.max()), "of": int(telling.sum())}
    return {"photos": len(np.unique(layer.photos)), "commonest_photo": commonest}


def write_arrays(folder: Path, layers: dict[str, LayerAnalysis], columns: dict[str, dict[str, NDArray]]) -> None:
    """Write per set `statistics.npz`, `grams.npz` and `features.npz`; and `redundancy.npz`."""
    shared = ("activation_cluster", "kernel_cluster", "nearest", "nearest_correlation")
    found = {f"{name}/{key}": columns[name][key] for name in layers for key in shared}
    write_bytes(folder / "redundancy.npz", npz.pack(found, compress=True))
    for name in next(iter(layers.values())).sets:
        arrays: dict[str, NDArray] = {"histogram_edges": histogram_edges()}
        for layer, one in layers.items():
            arrays |= {f"{layer}/{key}": values for key, values in one.sets[name].per_filter().items()}
            arrays[f"{layer}/histogram"] = one.sets[name].histogram.counts
            if (classes := one.sets[name].classes) is not None:
                arrays[f"{layer}/class_means"] = classes.means()
        grams = {layer: one.sets[name].grams.result() for layer, one in layers.items()}
        features = {layer: one.sets[name].features.result() for layer, one in layers.items()}
        for kind, content in (("statistics", arrays), ("grams", grams), ("features", features)):
            write_bytes(folder / name / f"{kind}.npz", npz.pack(content, compress=True))


def write_places(folder: Path, layers: dict[str, LayerAnalysis], placed: dict[str, places.Placed]) -> None:
    """Write `places.npz`, and per set `places.npz`."""
    write_bytes(folder / "places.npz", npz.pack(places.arrays(placed), compress=True))
    for name in next(iter(layers.values())).sets:
        kept = [one.sets[name].places for one in layers.values()]
        if kept[0].limit:
            levels = (one.levels(of.highest) for one, of in zip(kept, placed.values(), strict=True))
            write_bytes(folder / name / "places.npz", npz.pack(places.rows(levels), compress=True))


def filter_rows(columns: dict[str, dict[str, NDArray]]) -> list[dict[str, Any]]:
    """The rows of filters.csv."""
    return [
        {"layer": layer, "filter": k, **{key: values[k] for key, values in found.items()}}
        for layer, found in columns.items()
        for k in range(len(found["state"]))
    ]


@dataclass
class Analysis:
    """What one model's folder says, for `compare`. statistics: statistics.json; sets: image sets in order."""

    name: str
    folder: Path
    statistics: dict[str, dict[str, Any]]
    metrics: dict[str, Any]

    @property
    def layers(self) -> list[str]:
        return list(self.statistics)

    @property
    def sets(self) -> list[str]:
        return list(next(iter(self.statistics.values()))["sets"])

    def grams(self, name: str) -> NDArray:
        """Of all layers on one set: float64 `(layers, batches, n, n)`."""
        with npz.opened(self.folder / name / "grams.npz") as stored:
            return np.stack([stored[layer] for layer in self.layers])

    def features(self, layer: str, sets: Sequence[str]) -> NDArray[np.float64]:
        """Of one layer, a row per image and grid cell of these sets: `(n, channels)`."""
        parts = []
        for name in sets:
            with npz.opened(self.folder / name / "features.npz") as stored:
                parts.append(stored[layer].reshape(-1, stored[layer].shape[-1]))
        return np.concatenate(parts).astype(np.float64)

    def examples(self, layer: str) -> dict[str, NDArray]:
        return examples_of(self.folder, layer)


def examples_of(folder: Path, layer: str) -> dict[str, NDArray]:
    """The arrays of `examples/<layer>.npz` in one model's folder."""
    return npz.read(folder / "examples" / f"{layer}.npz")


def rendered_filters(path: Path) -> list[int]:
    """The filters of `artifacts/maximize/<model>/<layer>.npz`, in its order; none where there is no file."""
    if not path.is_file():
        return []
    with npz.opened(path) as stored:
        return [int(k) for k in stored["filters"]]


@lru_cache(2)  # layers, of which each may hold a hundred megabytes
def rendered_images(
    path: Path, rgb: tuple[int, ...] | None = None, kind: str = "images"
) -> dict[int, NDArray[np.uint8]]:
    """The images of `artifacts/maximize/<model>/<layer>.npz` by filter, as RGB; none where there is no file.

    rgb: of a network of many bands, those drawn as red, green and blue. kind: which array, none where it is not there;
    others than `images` are of the first filters only, as many as their array has.
    """
    if not path.is_file():
        return {}
    with npz.opened(path) as stored:
        if kind not in stored:
            return {}
        images = shown(stored[kind], rgb) if kind == "images" else stored[kind]
        return dict(zip(stored["filters"].tolist(), images, strict=False))


def read_analysis(folder: Path) -> Analysis:
    """Read one model's analysis. Raises InputError where it is missing."""
    try:
        found = read_json(folder / "statistics.json"), read_json(folder / "metrics.json")
    except FileNotFoundError:
        raise InputError(f"{folder}: no analysis there; run `dvc repro analyze@{folder.name}` first") from None
    return Analysis(folder.name, folder, *found)


def top_patches(one: dict[str, NDArray], k: int, count: int, pixels: Pixels) -> list[Picture]:
    """The patches that drive filter k most, cut out of the images again: `count` of `(t, t, 3)`, best first; cut off
    where the image ends.
    """
    numbers = pixels.starts[one["top_set"][k, :count]] + one["top_image"][k, :count]
    return [
        examples.tile(examples.cut(pixels[int(number)], box.tolist()), examples.TILE)
        for number, box in zip(numbers, one["top_box"][k, :count], strict=True)
    ]
