"""Image sets read from their sources, always in the same order: a package file, Keras, a folder.

Only `read_keras` imports Keras; it and `read_known` may use a network.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError, choices
from cnnviz.images.decoding import _size, decode
from cnnviz.images.sets import ImageSet, Pixels
from cnnviz.sources import catalog, member_names, read_members

SUFFIXES = (".png", ".jpg", ".jpeg")

MAX_BYTES = 1_000_000_000  # of all images of a set in memory

KERAS_HOST = "www.cs.toronto.edu"  # where keras.datasets gets CIFAR-10 from

KERAS_FILE = "cifar-10-batches-py-target_archive"  # and what it calls it in its cache

Tick = Callable[[], Any]

Reader = Callable[[list[str]], Mapping[str, bytes]]  # names of files -> their content


def _stack(
    sizes: Sequence[tuple[int, ...]], pixels: Callable[[int], Pixels], tick: Tick
) -> tuple[Pixels, NDArray[np.int32]]:
    """Make `images` and `sizes`, image by image, so that no second copy of a large set is ever in memory."""
    height, width = (max(side) for side in zip(*sizes, strict=True))
    needed = len(sizes) * height * width * 3
    if needed > MAX_BYTES:
        raise InputError(
            f"images.sets: {len(sizes)} images of up to {width}x{height} pixels take {needed / 1e9:.1f} GB, "
            f"the limit is {MAX_BYTES / 1e9:.0f} GB; scale the largest down or ask for fewer"
        )
    images = np.zeros((len(sizes), height, width, 3), np.uint8)
    for i, (h, w) in enumerate(sizes):
        images[i, :h, :w] = pixels(i)
        tick()
    return images, np.array(sizes, np.int32)


def read_known(name: str, count: int, tick: Tick = lambda: None) -> ImageSet:
    """First `count` images of a set of the catalogue, out of its package file. Raises InputError."""
    package = catalog.IMAGES_PACKAGE
    return read_package(name, count, member_names(package), partial(read_members, package), tick)


def read_package(name: str, count: int, members: Iterable[str], read: Reader, tick: Tick = lambda: None) -> ImageSet:
    """First `count` images of a set of the catalogue, in index order.

    members: names of the package's files; read: gets the content of some of them, as sources.read_members does.
    """
    known, package = catalog.IMAGE_SETS[name], catalog.IMAGES_PACKAGE
    pattern = re.compile(re.escape(package.member + known.prefix) + r"(\d+)_(\d+)\.(?:png|jpg)")
    found = sorted((int(m[1]), m[0], int(m[2])) for m in map(pattern.fullmatch, members) if m)
    _enough(name, count, len(found), "`source: keras` has 10000 of cifar10, `source: folder` what you put there")
    content = read([member for _, member, _ in found[:count]])
    decoded = [decode(BytesIO(data), member) for member, data in content.items()]
    labels = [label for _, _, label in found[:count]]
    names = [known.class_names[i] for i in labels] if known.class_names else [Path(member).stem for member in content]
    return ImageSet(
        *_stack([image.shape[:2] for image in decoded], decoded.__getitem__, tick),
        labels=np.array(labels, np.int32),
        names=np.array(names, np.str_),
        class_names=np.array(known.class_names, np.str_),
        origin=f"package {package.package} {package.version}, SHA-256 {package.sha256}",
        license=known.license,
    )


def read_keras(name: str, count: int, reachable: Callable[[str], bool], tick: Tick = lambda: None) -> ImageSet:
    """First `count` images of CIFAR-10's test set, in canonical order. Raises InputError if Keras cannot get them."""
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    if not (home / "datasets" / KERAS_FILE).is_file() and not reachable(KERAS_HOST):
        raise InputError(
            f"images.source: keras: {KERAS_HOST} cannot be reached and {name} is not in Keras's cache; "
            "`source: package` has its first 20 images, `source: folder` takes your own"
        )
    from keras.datasets import cifar10

    try:
        _, (pixels, labels) = cifar10.load_data()
    except Exception as error:  # Keras raises a bare Exception where a download breaks off
        raise InputError(f"images.source: keras: {' '.join(str(error).split())[:200]}; try again") from error
    labels = labels[:count, 0].astype(np.int32)
    return ImageSet(
        *_stack([pixels.shape[1:3]] * count, pixels.__getitem__, tick),
        labels=labels,
        names=np.array([catalog.CIFAR10_CLASSES[label] for label in labels], np.str_),
        class_names=np.array(catalog.CIFAR10_CLASSES, np.str_),
        origin="keras.datasets.cifar10, test set",
        license="the CIFAR-10 test set (A. Krizhevsky, 2009)",
    )


def read_folder(folder: Path, name: str, count: int, tick: Tick = lambda: None) -> ImageSet:
    """First `count` PNG and JPEG files of `<folder>/<name>/<class>/` or `<folder>/<name>/`, sorted by path.

    Classes are the sub-folders in sorted order; in a flat folder every label is -1. Files with another suffix are
    ignored. Raises InputError for too few images, for both kinds mixed, for a link that leaves `folder` and for a file
    that cannot be read.
    """
    files, classes, others = _listing(folder, name)
    place = folder / name
    hint = f"PNG and JPEG count, {others} other files were ignored; put more there or ask for fewer"
    _enough(str(place), count, len(files), hint)
    chosen = files[:count]
    return ImageSet(
        *_stack([_size(path) for path in chosen], lambda i: decode(chosen[i], str(chosen[i])), tick),
        labels=np.array([classes.index(path.parent.name) if classes else -1 for path in chosen], np.int32),
        names=np.array([path.relative_to(place).as_posix() for path in chosen], np.str_),
        class_names=np.array(classes, np.str_),
        origin=f"folder {folder.name}/{name}",
        license="not stated",
    )


def _listing(folder: Path, name: str) -> tuple[list[Path], list[str], int]:
    """Image files and class names in sorted order, and the number of other files."""
    place = folder / name
    if not place.is_dir():
        have = [path.name for path in sorted(folder.glob("*/"))]
        raise InputError(f"images.sets.{name}: no folder {place}; {choices(name, have) if have else 'make it'}")
    subfolders = [path for path in sorted(place.iterdir()) if path.is_dir() and path.name[0] != "."]
    files = [path for part in (place, *subfolders) for path in sorted(part.iterdir()) if path.is_file()]
    found = [path for path in files if path.suffix.lower() in SUFFIXES and path.name[0] != "."]
    for path in (place, *subfolders, *found):
        if not path.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{path}: a link that leaves {folder}; copy the files, or set images.folder")
    loose = [path for path in found if path.parent == place]
    if loose and len(loose) < len(found):
        raise InputError(f"{place}: images both in sub-folders and beside them ({loose[0].name}); use one of the two")
    return found, [] if loose else [path.name for path in subfolders], len(files) - len(found)


def _enough(name: str, asked: int, present: int, hint: str) -> None:
    if asked > present:
        raise InputError(f"images.sets: {name}: {asked} images asked, there are {present}; {hint}")
