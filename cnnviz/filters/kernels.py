"""Kernels of convolutional layers: read from a model's folder, measured, and drawn. Knows no TensorFlow."""

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cnnviz.pictures import montage

Kernel = NDArray[np.float32]

TILE = 30  # pixels that a kernel's picture is enlarged to, about
FIRST_TILE = 48
BLOCK = 1024  # filters compared at a time
NEAR_ZERO = 0.01


def read_kernel(weights: h5py.File, layer: dict[str, Any]) -> tuple[Kernel, Kernel, int]:
    """Read one layer of `weights.weights.h5`.

    layer: an entry of `conv_layers`. Returns the kernel float32 `(kh, kw, in, out)`, depthwise `(kh, kw, in,
    multiplier)`; the bias float32 `(out,)`, 0 where there is none; the number of stored weights. A separable layer's
    two kernels, `(kh, kw, in, m)` and `(1, 1, in * m, out)`, are joined to the one kernel that does the same.
    """
    keys = layer["kernel_key"]
    stored = [np.asarray(weights[key], np.float32) for key in ([keys] if isinstance(keys, str) else keys)]
    kernel = joined(*stored) if len(stored) == 2 else stored[0]
    if layer.get("transposed"):  # Keras keeps it as (kh, kw, out, in)
        kernel = np.ascontiguousarray(kernel.transpose(0, 1, 3, 2))
    filters = layer["filters"]
    bias = np.asarray(weights[layer["bias_key"]], np.float32) if layer["bias_key"] else np.zeros(filters, np.float32)
    count = sum(array.size for array in stored) + (bias.size if layer["bias_key"] else 0)
    return kernel, bias, count


def joined(depthwise: Kernel, pointwise: Kernel) -> Kernel:
    """The one kernel `(kh, kw, in, out)` of a separable layer's `(kh, kw, in, m)` and `(1, 1, in * m, out)`."""
    depth, point = depthwise.astype(np.float64), pointwise.astype(np.float64)
    return np.einsum("hwim,imo->hwio", depth, point.reshape(*depth.shape[2:], -1)).astype(np.float32)


def filters_of(kernel: NDArray, depthwise: bool) -> NDArray:
    """Filters first: `(kh, kw, in, out)` -> `(out, in, kh, kw)`; depthwise `(kh, kw, in, m)` -> `(in * m, 1, kh, kw)`.

    Filter k of a depthwise layer is `kernel[:, :, k // m, k % m]`.
    """
    if depthwise:
        return kernel.reshape(*kernel.shape[:2], -1).transpose(2, 0, 1)[:, None]
    return kernel.transpose(3, 2, 0, 1)


def nearest(filters: NDArray) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Most similar other filter of each, and the cosine to it.

    filters: `(n, ...)`. Returns indices `(n,)` and cosines `(n,)` in -1..1; -1 and 0 where there is only one filter or
    where all its weights are 0. Of equally similar filters the first is taken.
    """
    flat = filters.reshape(len(filters), -1).astype(np.float64)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    flat = np.divide(flat, norm, out=np.zeros_like(flat), where=norm > 0)
    index, cosine = np.full(len(flat), -1), np.zeros(len(flat))
    if len(flat) == 1:
        return index, cosine
    for start in range(0, len(flat), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(flat)))
        similar = (flat[rows] @ flat.T).round(9)  # rounded: the last bits depend on the block, a tie must not
        similar[rows - start, rows] = -2
        index[rows] = similar.argmax(axis=1)
        cosine[rows] = similar.max(axis=1).clip(-1, 1)
    return np.where(norm[:, 0] > 0, index, -1), np.where(norm[:, 0] > 0, cosine, 0.0)


def statistics(kernel: Kernel, depthwise: bool) -> dict[str, Any]:
    """Measure every filter of a layer (without bias), see docs/artifacts.md; 7 significant digits, None for no number.

    kernel: `(kh, kw, in, out)`, depthwise `(kh, kw, in, m)`. Returns `l1`, `l2`, `mean`, `std`, `near_zero_share`,
    `nearest_cosine` (lists of float, one per filter; None where weights are no numbers) and `nearest` (list of int).
    """
    filters = filters_of(kernel, depthwise).astype(np.float64)
    filters = np.where(np.isfinite(filters), filters, np.nan)
    flat = filters.reshape(len(filters), -1)
    planes = np.sqrt((filters**2).sum(axis=(2, 3)))
    index, cosine = nearest(filters)
    columns = {
        "l1": np.abs(flat).sum(axis=1),
        "l2": np.sqrt((flat**2).sum(axis=1)),
        "mean": flat.mean(axis=1),
        "std": flat.std(axis=1),
        "near_zero_share": (planes < NEAR_ZERO * np.nanmax(planes, initial=0)).mean(axis=1),
    }
    columns["near_zero_share"][np.isnan(planes).any(axis=1)] = np.nan
    rounded = {name: [_number(value) for value in values] for name, values in columns.items()}
    return {**rounded, "nearest": index.tolist(), "nearest_cosine": [float(f"{value:.7g}") for value in cosine]}


def _number(value: float) -> float | None:
    """Seven digits; None for what is no number."""
    return float(f"{value:.7g}") if np.isfinite(value) else None


def strongest_inputs(filters: NDArray, count: int) -> NDArray[np.intp]:
    """Input channels of each filter by falling L2 norm of their 2-D kernels: `(n, in, kh, kw)` -> `(n, <=count)`."""
    norms = np.sqrt((filters.astype(np.float64) ** 2).sum(axis=(2, 3)))
    return np.argsort(-norms, axis=1, kind="stable")[:, :count]


def _factor(kernel: NDArray, tile: int) -> int:
    return max(1, round(tile / max(kernel.shape[:2])))


def draw_rgb(kernel: Kernel, reverse_channels: bool = False, numbers: Sequence[int] | None = None) -> montage.Picture:
    """Picture of a layer that sees the image: every filter as an RGB tile, scaled by its own minimum and maximum.

    kernel: `(kh, kw, 3, out)`; reverse_channels: whether the network sees BGR, so that red is drawn red all the same;
    numbers: the filters' where they are not all of the layer's.
    """
    tiles = kernel.transpose(3, 0, 1, 2)[..., :: -1 if reverse_channels else 1]
    low, high = tiles.min(axis=(1, 2, 3), keepdims=True), tiles.max(axis=(1, 2, 3), keepdims=True)
    tiles = montage.enlarge(montage.to_uint8(tiles, low, high), _factor(kernel, FIRST_TILE))
    return montage.montage(montage.caption(tiles, [str(k) for k in numbers or range(len(tiles))]), padding=4)


def first_inputs(filters: int, reads: int, channels: int) -> list[int]:
    """The first input channel of each filter of a layer whose filters are shared out among groups of its channels.

    reads: channels of a group; channels: all that the layer reads.
    """
    groups = channels // reads
    return [k // (filters // groups) * reads for k in range(filters)]


def draw_signed(
    kernel: Kernel,
    depthwise: bool,
    rows: int,
    columns: int,
    numbers: Sequence[int] | None = None,
    first: Sequence[int] | None = None,
) -> montage.Picture:
    """Picture of a deeper layer: red positive, blue negative, white 0, one scale per filter.

    A row for each of the first `rows` filters, its number on the left; in it the 2-D kernels of its strongest input
    channels, strongest first, the channel's number above. A depthwise layer has one tile per filter, up to rows x
    columns of them, the filter's number above.
    """
    filters = filters_of(kernel, depthwise)
    numbers = numbers or range(len(filters))
    factor = _factor(kernel, TILE)
    if depthwise:
        shown = filters[: rows * columns]
        texts = [str(k) for k in numbers[: len(shown)]]
    else:
        shown = filters[:rows]
        inputs = strongest_inputs(shown, columns)
        shown = np.take_along_axis(shown, inputs[..., None, None], axis=1)
        starts = (first or [0] * len(filters))[: len(inputs)]
        texts = [str(channel + start) for row, start in zip(inputs, starts, strict=True) for channel in row]
    limits = np.abs(shown).max(axis=(1, 2, 3), keepdims=True)
    tiles = montage.diverging(shown, limits).reshape(-1, *kernel.shape[:2], 3)
    tiles = montage.caption(_framed(montage.enlarge(tiles, factor)), texts)
    if depthwise:
        return montage.montage(tiles, columns, padding=3)
    return montage.label_grid(tiles, [f"filter {k}" for k in numbers[: len(shown)]], padding=3)


def _framed(tiles: montage.Picture) -> montage.Picture:
    """Surround tiles by one grey pixel: a kernel that is nearly white still has visible bounds."""
    return np.pad(tiles, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=200)


def draw(
    kernel: Kernel,
    depthwise: bool,
    sees_image: bool,
    reverse_channels: bool,
    rows: int,
    columns: int,
    numbers: Sequence[int] | None = None,
    first: Sequence[int] | None = None,
) -> montage.Picture:
    """Picture of a layer's kernels: `draw_rgb` where it sees a colour image, else `draw_signed`.

    first: the first input channel that each filter reads, where it is not 0 for all (`first_inputs`).
    """
    kernel = np.nan_to_num(kernel)
    if sees_image and not depthwise and kernel.shape[2] == 3:
        return draw_rgb(kernel, reverse_channels, numbers)
    return draw_signed(kernel, depthwise, rows, columns, numbers, first)
