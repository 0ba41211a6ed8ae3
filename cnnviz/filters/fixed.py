"""Kernels made by hand, by formula or borrowed from a network, applied to images; ReLU and pooling of the results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from cnnviz.errors import InputError, choices
from cnnviz.files import npz
from cnnviz.images import ImageSet, converted, resize
from cnnviz.pictures import montage, shown

Floats = NDArray[np.float32]

MAX_SIDE = 512  # pixels; larger images are scaled down first
MAX_VALUES = 64_000_000  # of images and outputs together: 256 MB
_POOLS = {"min": "min", "average": "mean", "max": "max"}
MARGIN = 3  # pixels at the rim that do not count for a picture's scale
SHOWN = 10  # images in the pictures
TILE, POOLED_TILE = 128, 64  # their size there


def gabor(size: int, wavelength: float, orientation: float, sigma: float) -> Floats:
    """Gabor kernel `(size, size)`: `exp(-(x'² + y'²) / 2 sigma²) * cos(2 pi x' / wavelength)`.

    `x' = x cos(o) + y sin(o)`, `y' = -x sin(o) + y cos(o)`, x to the right, y down, 0 in the centre; wavelength and
    sigma in pixels, orientation o in degrees: the direction across the stripes. This is J. G. Daugman's function
    (Journal of the Optical Society of America A 2(7), 1985), real part, round envelope, phase 0.
    """
    offsets = np.arange(size) - (size - 1) / 2
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    angle = np.deg2rad(orientation)
    along = x * np.cos(angle) + y * np.sin(angle)
    envelope = np.exp(-(x**2 + y**2) / (2 * sigma**2))  # rotation does not change the radius
    return (envelope * np.cos(2 * np.pi * along / wavelength)).astype(np.float32)


def correlate(images: ArrayLike, kernel: ArrayLike) -> Floats:
    """Cross-correlation (the kernel is not flipped) with zero padding, stride 1, summed over the colour channels.

    images: float `(n, h, w, c)`; kernel: `(kh, kw)`, used for every channel, or `(kh, kw, c)`. Returns float32
    `(n, h, w)`. An even side has its extra row or column of padding at the end, as in Keras. Raises ValueError where
    the shapes do not match.
    """
    images, kernel = np.asarray(images), np.asarray(kernel, np.float64)
    if images.ndim != 4 or kernel.ndim not in (2, 3) or kernel.shape[2:] not in ((), images.shape[3:]):
        raise ValueError(f"expected images (n, h, w, c), kernel (kh, kw[, c]), got {images.shape} and {kernel.shape}")
    kh, kw = kernel.shape[:2]
    sides = [((kh - 1) // 2, kh // 2), ((kw - 1) // 2, kw // 2), (0, 0)]
    result = np.empty(images.shape[:3], np.float32)
    for i, image in enumerate(images):  # one by one: float64 windows of a whole set would not fit into memory
        # One kernel for all channels: their sum first, which is the same and less work.
        planes = image.astype(np.float64) if kernel.ndim == 3 else image.sum(axis=2, keepdims=True, dtype=np.float64)
        windows = sliding_window_view(np.pad(planes, sides), (kh, kw), axis=(0, 1))
        result[i] = np.einsum("hwcij,ijc->hw", windows, kernel.reshape(kh, kw, -1))
    return result


def pool(maps: NDArray, size: int, kind: str) -> NDArray:
    """Pool windows of size x size without overlap: `(n, h, w, k)` -> `(n, h // size, w // size, k)`.

    kind: `min`, `average` or `max`. Rows and columns that fill no window are left out. Raises ValueError if no window
    fits.
    """
    n, h, w, k = maps.shape
    if not 1 <= size <= min(h, w):
        raise ValueError(f"expected a window of 1 to {min(h, w)} pixels for maps of shape {maps.shape}, got {size}")
    rows, columns = h // size, w // size
    windows = maps[:, : rows * size, : columns * size].reshape(n, rows, size, columns, size, k)
    return getattr(windows, _POOLS[kind])(axis=(2, 4))


def borrow(path: Path, model: Mapping[str, Any], layer: str, filters: Sequence[int]) -> tuple[dict[str, Floats], bool]:
    """Kernels `(kh, kw, channels)` of a layer that sees the image, by the name `<layer>_<filter>`.

    path: `<layer>.npz` of the weights stage; model: its `model.json`. Where the network sees BGR the channels are
    reversed, so that applying the kernel to an RGB image is right; the second result says whether. Raises InputError
    for an unknown layer, one that does not see the image's channels, or a filter that it does not have.
    """
    lendable(model, layer, filters)
    try:
        with npz.opened(path) as data:
            kernel = data["kernel"]
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run `dvc repro weights@{model['name']}` first") from None
    reverse = bool(model["preprocessing"]["reverse_channels"])
    kernel = kernel[:, :, :: -1 if reverse else 1]
    return {f"{layer}_{index}": np.ascontiguousarray(kernel[..., index]) for index in filters}, reverse


def lendable(model: Mapping[str, Any], layer: str, filters: Sequence[int]) -> None:
    """Raises InputError where a model, as model.json describes it, has no such filters that see the image."""
    key = "fixed_filters.borrowed"
    layers = {each["name"]: each for each in model["conv_layers"]}
    if layer not in layers:
        raise InputError(f"{key}.layer: {model['name']} has no convolutional layer {layer!r}; {choices(layer, layers)}")
    channels = model["input_shape"][2]
    seeing = [name for name, one in layers.items() if one["kernel_shape"][2] == channels and not one["depthwise"]]
    if layer not in seeing:
        raise InputError(
            f"{key}.layer: {layer} does not see the image's {channels} channels; valid: {', '.join(seeing) or '-'}"
        )
    count = layers[layer]["filters"]
    for index in filters:
        if not 0 <= index < count:
            raise InputError(f"{key}.filters: {layer} has no filter {index}; valid: 0 to {count - 1}")


def prepare(image_set: ImageSet, count: int, kernels: int) -> tuple[Floats, NDArray[np.int32]]:
    """First `count` images of a set: float32 `(n, h, w, channels)` in [0, 1], and their sizes int32 `(n, 2)`.

    Images over 512 pixels are scaled down. In a set of mixed sizes the images stand in the top left corner on 0.
    Raises InputError where `kernels` outputs of all of them would take too much memory.
    """
    images = [image_set.image(i) for i in range(min(count, len(image_set)))]
    for i, image in enumerate(images):
        share = MAX_SIDE / max(image.shape[:2])
        if share < 1:
            h, w = (max(1, round(side * share)) for side in image.shape[:2])
            images[i] = resize([image], (h, w))[0].astype(np.uint8)
    sizes = np.array([image.shape[:2] for image in images], np.int32)
    height, width = sizes.max(axis=0)
    most = int(MAX_VALUES // (height * width * (kernels + image_set.channels)))
    if len(images) > most:
        raise InputError(
            f"fixed_filters.images: {len(images)} images of {width}x{height} pixels with {kernels} kernels fill over "
            f"{MAX_VALUES * 4 // 10**6} MB; at most {most} fit"
        )
    batch = np.zeros((len(images), height, width, image_set.channels), np.float32)
    for i, image in enumerate(images):
        batch[i, : image.shape[0], : image.shape[1]] = image / np.float32(255)
    return batch, sizes


def apply(
    images: Floats, sizes: NDArray[np.int32], kernels: Mapping[str, Floats], pool_size: int
) -> dict[str, NDArray]:
    """Arrays of outputs.npz (see docs/artifacts.md) from `(n, h, w, channels)` images and named kernels.

    A kernel of another number of channels sees the images as its network would (images.converted). Outputs outside an
    image's own size (a set of mixed sizes) are 0, in ReLU and pooling too.
    """
    if pool_size > sizes.min():
        raise InputError(
            f"fixed_filters.pool_size: {pool_size} is larger than the smallest image, {sizes.min()} pixels"
        )
    outputs = np.stack([correlate(_for(kernel, images, name), kernel) for name, kernel in kernels.items()], axis=-1)
    for output, (height, width) in zip(outputs, sizes, strict=True):
        output[height:], output[:, width:] = 0, 0
    pooled = {f"pool_{kind}": pool(outputs, pool_size, kind) for kind in _POOLS}
    names = np.array(list(kernels), np.str_)
    return {"images": images, "kernels": names, "outputs": outputs, "relu": np.maximum(outputs, 0), **pooled}


def _for(kernel: Floats, images: Floats, name: str) -> Floats:
    """Images with the channels that a kernel wants."""
    if kernel.ndim == 2 or kernel.shape[2] == images.shape[3]:
        return images
    return converted(images * 255, kernel.shape[2], f"fixed_filters.set: its images for {name}") / np.float32(255)


def scaled(maps: NDArray, reference: NDArray) -> montage.Picture:
    """Grey levels of maps `(n, h, w, k)`, one scale per kernel, taken from all of `reference` `(m, y, x, k)`.

    A kernel whose reference is never negative: 0 is black, the largest is white. Else 0 is the middle grey. The
    outermost pixels do not count: the strong edges that zero padding makes would leave the rest without contrast.
    """
    margin = min(MARGIN, (min(reference.shape[1:3]) - 1) // 2)
    inside = reference[:, margin : reference.shape[1] - margin, margin : reference.shape[2] - margin]
    largest = np.abs(inside).max(axis=(0, 1, 2))
    return montage.to_uint8(maps, np.where(reference.min(axis=(0, 1, 2)) < 0, -largest, 0), largest)


def draw_maps(
    arrays: Mapping[str, NDArray], columns: Mapping[str, str], reference: str, row_labels: Sequence[str], tile: int
) -> montage.Picture:
    """A row per image: the image, then for each kernel its map in each of the arrays that `columns` names.

    arrays: of `apply`; columns: title (may be empty) -> name of an array `(n, h, w, k)`; reference: name of the array
    that the scale of each kernel is taken from; row_labels: one per image; tile: size of a map in pixels.
    """
    n = min(len(arrays["images"]), SHOWN)
    originals = montage.fit(shown(montage.to_uint8(arrays["images"][:n], 0, 1)), tile)
    greys = {title: scaled(arrays[name][:n], arrays[reference]) for title, name in columns.items()}
    drawn, titles = [originals], ["image"]
    for k, kernel in enumerate(arrays["kernels"]):
        for title, grey in greys.items():
            drawn.append(_canvas(montage.fit(grey[..., k], tile), originals.shape[1], originals.shape[2]))
            titles.append(f"{kernel} {title}".strip())
    tiles = np.stack(drawn, axis=1).reshape(-1, *originals.shape[1:])
    return montage.label_grid(tiles, list(row_labels[:n]), titles)


def _canvas(tiles: montage.Picture, height: int, width: int) -> montage.Picture:
    """Centre tiles `(n, h, w[, 3])` on white ones of height x width, `(n, height, width, 3)`; cut what is larger."""
    tiles = np.repeat(tiles[..., None], 3, axis=-1) if tiles.ndim == 3 else tiles
    h, w = min(height, tiles.shape[1]), min(width, tiles.shape[2])
    result = np.full((len(tiles), height, width, 3), montage.WHITE, np.uint8)
    top, left = (height - h) // 2, (width - w) // 2
    result[:, top : top + h, left : left + w] = tiles[:, :h, :w]
    return result


def draw_kernels(kernels: Mapping[str, Floats]) -> montage.Picture:
    """The kernels side by side, names above: red positive, blue negative; borrowed ones as images, min to max."""
    width = max(TILE, *(montage.text_size(name)[0] + 4 for name in kernels))
    tiles = []
    for kernel in kernels.values():
        if kernel.ndim == 3:
            picture = shown(montage.to_uint8(kernel, kernel.min(), kernel.max()))
        else:
            picture = montage.diverging(kernel, np.abs(kernel).max())
        framed = np.pad(montage.fit(picture[None], TILE - 2), ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=200)
        tiles.append(_canvas(framed, TILE, width))
    return montage.montage(montage.caption(np.concatenate(tiles), list(kernels), font_size=11), columns=6, padding=6)


def draw(arrays: Mapping[str, NDArray], kernels: Mapping[str, Floats], row_labels: Sequence[str]) -> dict[str, bytes]:
    """The PNG files of the stage: name -> content."""
    pools = {kind: f"pool_{kind}" for kind in _POOLS}
    pictures = {
        "kernels": draw_kernels(kernels),
        "outputs": draw_maps(arrays, {"": "outputs"}, "outputs", row_labels, TILE),
        "relu": draw_maps(arrays, {"": "relu"}, "relu", row_labels, TILE),
        "pooling": draw_maps(arrays, pools, "outputs", row_labels, POOLED_TILE),
    }
    return {f"{name}.png": montage.png_bytes(picture) for name, picture in pictures.items()}
