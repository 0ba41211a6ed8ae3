"""Image sets as arrays: from a package file, from Keras or from a folder, always in the same order.

A set is stored as `<set>.npz`, see docs/artifacts.md. Only `read_keras` imports Keras and may use a network.
"""

import hashlib
import os
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cnnviz import catalog
from cnnviz.errors import InputError, choices

ARRAYS = ("images", "sizes", "labels", "names", "class_names")  # of <set>.npz
SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_PIXELS = 50_000_000  # of one image; a larger one is taken for a mistake or a decompression bomb
MAX_BYTES = 1_000_000_000  # of all images of a set in memory
KERAS_HOST = "www.cs.toronto.edu"  # where keras.datasets gets CIFAR-10 from
KERAS_FILE = "cifar-10-batches-py-target_archive"  # and what it calls it in its cache

Pixels = NDArray[np.uint8]
Tick = Callable[[], Any]
Reader = Callable[[list[str]], Mapping[str, bytes]]  # names of files -> their content


@dataclass(frozen=True)
class ImageSet:
    """n images of up to h x w pixels.

    images: uint8 `(n, h, w, 3)`, RGB, smaller images in the top left corner, 0 elsewhere; sizes: int32 `(n, 2)`,
    height and width; labels: int32 `(n,)`, -1 where unknown; names: str `(n,)`; class_names: str `(classes,)`.
    origin, license: where the images come from and under which terms (empty in a set read back from its npz file).
    """

    images: Pixels
    sizes: NDArray[np.int32]
    labels: NDArray[np.int32]
    names: NDArray[np.str_]
    class_names: NDArray[np.str_]
    origin: str = ""
    license: str = ""

    def __len__(self) -> int:
        return len(self.images)

    def image(self, i: int) -> Pixels:
        """Image i in its own size: uint8 `(h, w, 3)`, RGB."""
        height, width = self.sizes[i]
        return self.images[i, :height, :width]

    def digest(self) -> str:
        """SHA-256 over each image's height, width (int32, little-endian) and RGB bytes: the same from any source."""
        hasher = hashlib.sha256()
        for i, size in enumerate(self.sizes):
            hasher.update(size.astype("<i4").tobytes() + self.image(i).tobytes())
        return hasher.hexdigest()


def load_set(path: Path) -> ImageSet:
    """Read `<set>.npz`. Raises InputError where it is missing or damaged."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as data:
            return ImageSet(*(data[name] for name in ARRAYS))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run `dvc repro images` first") from None
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: damaged ({error}); run `dvc repro --force images`") from error


def resize(images: Iterable[Pixels], size: tuple[int, int]) -> NDArray[np.float32]:
    """Scale images of any sizes to `size` (height, width), squashed if need be, as keras.utils.load_img does.

    images: uint8 `(h, w, 3)` each. Returns float32 `(n, height, width, 3)`, whole numbers in 0..255 (Pillow, bilinear).
    """
    height, width = size
    scaled = (Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR) for image in images)
    return np.stack([np.asarray(image, np.float32) for image in scaled])


def resized(image_set: ImageSet, indices: Iterable[int], size: tuple[int, int]) -> NDArray[np.float32]:
    """Scale the chosen images of a set, see `resize`: float32 `(n, height, width, 3)` in 0..255."""
    return resize((image_set.image(i) for i in indices), size)


@contextmanager
def _opened(stream: Any, name: str) -> Iterator[Image.Image]:
    """Open a PNG or JPEG file; whatever is wrong with it, here or in the body, becomes an InputError naming it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Pillow's remarks on odd EXIF data
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(stream, formats=("PNG", "JPEG")) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"{name}: over {MAX_PIXELS // 10**6} million pixels; scale it down first") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        reason = "or no PNG or JPEG image" if isinstance(error, UnidentifiedImageError) else f"or cut short ({error})"
        raise InputError(f"{name}: damaged {reason}") from None


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8. For a PNG file without it, Pillow would decode all of the image first."""
    known = image.format != "PNG" or any("exif" in str(key).lower() or "xmp" in str(key) for key in image.info)
    return image.getexif().get(0x0112, 1) if known else 1


def decode(stream: Any, name: str) -> Pixels:
    """Decode a PNG or JPEG file (path or binary stream) to uint8 `(h, w, 3)`, RGB, turned upright by its EXIF tag.

    Grey, palette, CMYK and 16 bit images are converted, transparency is dropped, of an animation the first image is
    taken. Raises InputError naming the file where it is damaged, cut short, too large or of another format.
    """
    with _opened(stream, name) as image:
        upright = image if _orientation(image) == 1 else ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16 bit grey, which convert() would clip at 255
            grey = np.clip(np.asarray(upright).astype(np.int64) // 257, 0, 255).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=-1)
        return np.asarray(upright.convert("RGB"))


def _size(path: Path) -> tuple[int, int]:
    """Height and width that `decode` will return, read from the header only."""
    with _opened(path, str(path)) as image:
        return image.size if _orientation(image) in (5, 6, 7, 8) else image.size[::-1]


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
