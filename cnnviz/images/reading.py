"""Image sets that are known by name, read from their sources, always in the same order: a package, Keras, the web.

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

from cnnviz.errors import InputError
from cnnviz.images.decoding import decode
from cnnviz.images.listing import evenly
from cnnviz.images.sets import MAX_BYTES, ImageSet, Pixels, too_large
from cnnviz.sources import archived, catalog, member_names, read_archived, read_members

KERAS_HOST = "www.cs.toronto.edu"  # where keras.datasets gets CIFAR-10 from

KERAS_FILE = "cifar-10-batches-py-target_archive"  # and what it calls it in its cache

Tick = Callable[[], Any]

Reader = Callable[[list[str]], Mapping[str, bytes]]  # names of files -> their content


def _stack(
    sizes: Sequence[tuple[int, ...]], pixels: Callable[[int], Pixels], tick: Tick
) -> tuple[Pixels, NDArray[np.int32]]:
    """Make `images` and `sizes`, image by image, so that no second copy of a large set is ever in memory."""
    height, width = (max(side) for side in zip(*sizes, strict=True))
    if too_large(sizes):
        raise InputError(
            f"images.sets: {len(sizes)} images of up to {width}x{height} pixels take over {MAX_BYTES / 1e9:.0f} GB; at "
            f"most {MAX_BYTES // (height * width * 3)} fit"
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
    _enough(name, count, len(found), "`source: keras` has 10000 of cifar10, a `folder` what you put there")
    content = read([member for _, member, _ in found[:count]])
    decoded = [decode(BytesIO(data), member) for member, data in content.items()]
    labels = [label for _, _, label in found[:count]]
    words = dict(enumerate(known.class_names)) or known.words
    names = [words.get(label, Path(member).stem) for label, member in zip(labels, content, strict=True)]
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
            f"images.sets: source: keras: {KERAS_HOST} cannot be reached and {name} is not in Keras's cache; "
            "`source: package` has its first 20 images, a `folder` takes your own"
        )
    from keras.datasets import cifar10

    try:
        _, (pixels, labels) = cifar10.load_data()
    except Exception as error:  # Keras raises a bare Exception where a download breaks off
        raise InputError(f"images.sets: source: keras: {' '.join(str(error).split())[:200]}; try again") from error
    labels = labels[:count, 0].astype(np.int32)
    return ImageSet(
        *_stack([pixels.shape[1:3]] * count, pixels.__getitem__, tick),
        labels=labels,
        names=np.array([catalog.CIFAR10_CLASSES[label] for label in labels], np.str_),
        class_names=np.array(catalog.CIFAR10_CLASSES, np.str_),
        origin="keras.datasets.cifar10, test set",
        license="the CIFAR-10 test set (A. Krizhevsky, 2009)",
    )


def read_web(known: catalog.WebSet, count: int, tick: Tick = lambda: None) -> ImageSet:
    """First `count` images of a set of the catalogue that is fetched by its address, evenly over its classes.

    Raises Unreachable where there is no network and no copy, InputError where what came is another file.
    """
    pattern = re.compile(known.members)
    found = sorted((*m.groups(), m[0]) for m in map(pattern.fullmatch, archived(known.file)) if m)
    _enough(known.file.name, count, len(found), "ask for fewer")
    classes = list(known.classes)
    labels = [classes.index(one[0]) for one in found]
    chosen = evenly(labels, count)
    content = read_archived(known.file, [found[i][-1] for i in chosen])
    decoded = [decode(BytesIO(content[found[i][-1]]), found[i][-1]) for i in chosen]
    return ImageSet(
        *_stack([image.shape[:2] for image in decoded], decoded.__getitem__, tick),
        labels=np.array([labels[i] for i in chosen], np.int32),
        names=np.array([known.classes[found[i][0]] for i in chosen], np.str_),
        class_names=np.array(list(known.classes.values()), np.str_),
        origin=f"{known.file.url}, SHA-256 {known.file.sha256}",
        license=known.license,
    )


def _enough(name: str, asked: int, present: int, hint: str) -> None:
    if asked > present:
        raise InputError(f"images.sets: {name}: {asked} images asked, there are {present}; {hint}")
