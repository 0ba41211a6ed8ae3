"""Images in .npy and .npz files: what their headers say, and their arrays one image at a time. Nothing is unpickled."""

import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from cnnviz.errors import InputError
from cnnviz.files import lfs_pointer

PAIRS = (("images", "labels"), ("x", "y"), ("X", "y"), ("x_test", "y_test"), ("data", "labels"), ("data", "y"))
BANDS = 16  # channels up to which a third axis, shorter than half of the others, is taken for that of the channels
FIRST = 32  # channels up to which a first axis, shorter than the others, is taken for that of the channels
MAX_CHANNELS = 1000
MAX_IMAGE = 1_000_000_000  # bytes of one image; a larger one is taken for a mistake or a bomb
MAX_LABELS = 10_000_000
MAX_HEADER = 100_000  # bytes
MAX_IMAGES = 1_000_000  # in a file
MAX_ARRAYS = 100  # in an .npz file
LARGE = 64  # pixels of both sides from which a third axis may be that of the channels of a large cube
SHAPES = "(h, w), (h, w, channels), (n, h, w) or (n, h, w, channels)"


@dataclass(frozen=True)
class Stack:
    """A file of `count` images of `height` x `width` pixels with so many channels, 1 for grey.

    said: how its array was read, in words; labels: `(count,)`, whole numbers or names, None where it has none;
    class_names: of the labels' numbers, where the file says.
    """

    path: Path
    name: str
    member: str | None
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    fortran: bool
    said: str
    labels: NDArray | None = None
    class_names: tuple[str, ...] = ()

    @property
    def each(self) -> int:
        """Bytes of an image."""
        return prod(self.shape[1:]) * self.dtype.itemsize

    def images(self, indices: Sequence[int]) -> Iterator[tuple[int, NDArray]]:
        """Some images, in the order of the file: (index, array `(h, w, channels)`), one at a time."""
        wanted = sorted(indices)
        if self.member is None:
            with _reading(self.name):
                stored = np.load(self.path, mmap_mode="r", allow_pickle=False).reshape(self.shape)
                for i in wanted:
                    yield i, np.asarray(stored[i])
            return
        with _reading(self.name), zipfile.ZipFile(self.path) as archive, archive.open(self.member) as stream:
            _header(stream)
            each, at = self.each, 0
            if self.fortran:  # its first axis is the innermost: nothing less than all of it is an image
                whole = np.frombuffer(_exactly(stream, each * self.shape[0]), self.dtype)
                ordered = whole.reshape(self.shape, order="F")
                yield from ((i, ordered[i]) for i in wanted)
                return
            for i in wanted:
                for _ in range(at, i):
                    _exactly(stream, each)
                yield i, np.frombuffer(_exactly(stream, each), self.dtype).reshape(self.shape[1:])
                at = i + 1


def opened(path: Path, name: str) -> Stack:
    """Read the header of a .npy or .npz file. Raises InputError naming the file where it holds no images."""
    with _reading(name):
        if pointer := lfs_pointer(path):
            raise InputError(f"{name}: {pointer}")
    if path.suffix.lower() == ".npy":
        with _reading(name), path.open("rb") as file:
            shape, fortran, dtype = _header(file)
            _complete(path.stat().st_size, shape, dtype)
        return _stack(path, name, None, shape, dtype, fortran, None, ())
    with _reading(name), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MAX_ARRAYS:
            raise InputError(f"{name}: {len(members)} arrays; save all images as one array `images`")
        arrays = {member.filename.removesuffix(".npy"): member.filename for member in members}
        headers = {}
        for key, member in arrays.items():
            with archive.open(member) as stream:
                headers[key] = _header(stream)
        key, label = _named(headers, name)
        shape, fortran, dtype = headers[key]
        _complete(archive.getinfo(arrays[key]).file_size, shape, dtype)
        labels = _small(archive, arrays[label], name) if label else None
        names = _small(archive, arrays["class_names"], name) if "class_names" in arrays else np.array([])
    classes = tuple(str(one) for one in _text(names, name).ravel())
    return _stack(path, name, arrays[key], shape, dtype, fortran, labels, classes)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Whatever is wrong with a file of arrays becomes an InputError naming it."""
    try:
        yield
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, MemoryError) as error:
        raise InputError(f"{name}: damaged or cut short ({_said(error)}); save the array again by np.savez") from None
    except Exception as error:  # NumPy reads headers as Python, whose tokenizer and compiler raise almost anything
        raise InputError(
            f"{name}: damaged or no NumPy file ({_said(error)}); save the array again by np.save"
        ) from None


def _said(error: Exception) -> str:
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(error).split()))[:120]


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and dtype of a stream in NumPy's npy format, which then stands at the data."""
    start = stream.read(12)
    stream.seek(0)
    if start[6:7] != b"\1" and int.from_bytes(start[8:12], "little") > MAX_HEADER:
        raise ValueError("its header is no header")
    version = npy.read_magic(stream)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"npy format {version[0]}.{version[1]}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # headers of Python 2, which are read more loosely
        shape, fortran, dtype = read(stream)
    if min(shape, default=0) < 0:
        raise ValueError(f"its shape is {shape}")
    return shape, fortran, dtype


def _complete(size: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Whether a file of this size can hold what its header says."""
    if not dtype.hasobject and size < prod(shape) * dtype.itemsize:
        raise EOFError("it ends early")


def _named(headers: dict[str, tuple[tuple[int, ...], bool, np.dtype[Any]]], name: str) -> tuple[str, str | None]:
    """Which of a file's arrays are the images, and which their labels."""
    for key, label in PAIRS:
        if key in headers:
            labels = (label, *("labels", "y")) if key != "x_test" else (label,)
            return key, next((one for one in labels if one in headers), None)
    likely = [key for key, (shape, _, dtype) in headers.items() if len(shape) >= 2 and dtype.kind in "buif"]
    if len(likely) != 1:
        there = ", ".join(list(headers)[:8]) or "none"
        raise InputError(f"{name}: which array holds the images? It has {there}; call it `images`, its labels `labels`")
    return likely[0], next((one for one in ("labels", "y") if one in headers and one != likely[0]), None)


def _small(archive: zipfile.ZipFile, member: str, name: str) -> NDArray:
    """An array of labels or names."""
    with archive.open(member) as stream:
        shape, _, dtype = _header(stream)
        if prod(shape) > MAX_LABELS or prod(shape) * dtype.itemsize > MAX_IMAGE or dtype.hasobject:
            raise InputError(f"{name}: {member} {shape} of {dtype}; expected a label or name for each image")
        data = _exactly(stream, prod(shape) * dtype.itemsize)
    return np.frombuffer(data, dtype).reshape(shape) if data else np.zeros(shape, dtype)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError("it ends early")
    return data


def _stack(
    path: Path,
    name: str,
    member: str | None,
    given: tuple[int, ...],
    dtype: np.dtype[Any],
    fortran: bool,
    labels: NDArray | None,
    classes: tuple[str, ...],
) -> Stack:
    if dtype.kind not in "buif":
        raise InputError(f"{name}: an array of {dtype}; expected numbers, uint8, uint16 or float")
    checked = None if labels is None else _labels(labels, given, name)
    shape = _shape(given, name, checked is not None)
    if 0 in shape:
        raise InputError(f"{name}: an array of shape {given} holds no image")
    if prod(shape[1:]) * dtype.itemsize > MAX_IMAGE or shape[3] > MAX_CHANNELS or shape[0] > MAX_IMAGES:
        raise InputError(
            f"{name}: {shape[0]} images of {shape[1:]}; expected 1 GB an image, {MAX_CHANNELS} channels and "
            f"{MAX_IMAGES} images at most"
        )
    if fortran and member is not None and prod(shape) * dtype.itemsize > MAX_IMAGE:
        raise InputError(f"{name}: over 1 GB in Fortran's order; save np.ascontiguousarray(images)")
    n, height, width, channels = shape
    colours = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
    said = f"{name} {given}: {n} image{'' if n == 1 else 's'} of {height} x {width}, {colours}"
    return Stack(path, name, member, shape, dtype, fortran, said, checked, classes)


def _first(channels: int, height: int, width: int) -> bool:
    """Whether an image's axes are those of one with its channels first, and of none with its channels last."""
    if channels in (1, 3) and width > BANDS:
        return True
    sides = height == width > 4 or min(height, width) >= BANDS
    return sides and channels < min(height, width) and channels <= FIRST


def _labels(labels: NDArray, given: tuple[int, ...], name: str) -> NDArray:
    """Labels as whole numbers or names, one for each image."""
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    flat = _text(flat, name)
    if flat.dtype.kind == "b" or (flat.dtype.kind == "f" and flat.ndim == 1 and (flat == np.floor(flat)).all()):
        flat = flat.astype(np.int64)
    if flat.shape != given[:1] or flat.dtype.kind not in "uiU":
        hint = "; one-hot: labels.argmax(1)" if labels.ndim == 2 else ""
        raise InputError(
            f"{name}: labels {labels.shape} of {labels.dtype} for images {given}; expected a number or name each{hint}"
        )
    if flat.dtype.kind in "ui" and flat.size and (flat.min() < -1 or flat.max() >= 2**31):
        raise InputError(f"{name}: labels in {flat.min()}..{flat.max()}; expected 0 or more, -1 where unknown")
    return flat


def _text(names: NDArray, name: str) -> NDArray:
    """Names of bytes as text; other arrays themselves."""
    if names.dtype.kind != "S":
        return names
    try:
        return np.char.decode(names, "utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{name}: names of bytes that are not UTF-8; save them as text: names.astype(str)") from None


def _shape(given: tuple[int, ...], name: str, labelled: bool) -> tuple[int, int, int, int]:
    """An array's shape as (n, h, w, channels). labelled: its first axis is known to be that of the images."""
    if len(given) == 4:
        if _first(*given[1:]):
            raise InputError(f"{name}: shape {given} has its channels first; save images.transpose(0, 2, 3, 1)")
        return given[0], given[1], given[2], given[3]
    if len(given) == 2:
        return 1, given[0], given[1], 1
    if len(given) != 3:
        raise InputError(f"{name}: an array of shape {given}; expected {SHAPES}")
    n, h, w = given
    if labelled:
        return n, h, w, 1
    if (w <= 4 and h != w) or (w <= BANDS and 2 * w < min(n, h)) or (n == h != w):
        return 1, n, h, w
    if n == 1 or (n != 3 and (h == w != n or min(n, h) < LARGE)):
        return n, h, w, 1
    raise InputError(
        f"{name}: shape {given} is {n} grey images of {h} x {w}, or one of {n} x {h} with {w} channels; "
        f"save it as {(n, h, w, 1)} or {(1, n, h, w)}"
        + (f" ({n} channels first: transpose(1, 2, 0))" if n == 3 else "")
    )
