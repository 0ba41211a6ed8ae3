"""A set of a user's own files: any pictures and arrays of a folder, at one depth, with one number of channels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError
from cnnviz.images import decoding, ranges, stacks
from cnnviz.images.classes import classes
from cnnviz.images.levels import as_bytes
from cnnviz.images.listing import ARRAYS, evenly, hidden, listed, said
from cnnviz.images.sets import MAX_BYTES, ImageSet, Pixels, too_large

ROOT = Path("inputs/images")  # which DVC watches
SIDES = (768, 512, 384, 256)  # pixels of the shorter side at most: the first with which a set fits into memory
LONGER = 2  # times that for the longer side

Tick = Callable[[], Any]


@dataclass(frozen=True)
class Item:
    """An image: a picture, or one of the images of a file of arrays. label: its class; name: as it is shown."""

    path: Path
    index: int
    label: int
    name: str


@dataclass
class Own:
    """The first `count` images (all for None) below a folder, evenly over its classes; `read` decodes them.

    most: so many of these at most. background: what transparent ones are laid over; notes: what was assumed.

    Raises InputError, one line, where there are too few, where a link leaves `root`, and for a file that is no image.
    """

    folder: Path
    count: int | None = None
    background: str = decoding.WHITE
    root: Path = ROOT
    most: int | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listing = listed(self.folder, self.root)
        self._headers: dict[Path, decoding.Header] = {}
        self.notes += self._listing.notes
        self._stacks = {
            path: stacks.opened(path, said(path)) for path in self._listing.files if path.suffix.lower() in ARRAYS
        }
        labels, self.class_names = classes(self._listing, self._stacks, self.notes)
        items = list(self._items(labels))
        left = self._listing.others
        if left:
            kinds = ", ".join(f"{count} {said(suffix)[:40]}" for suffix, count in sorted(left.items())[:6])
            self.notes.append(f"{sum(left.values())} files of other kinds were left out ({kinds})")
        if not items or len(items) < (self.count or 0):
            asked = "images asked" if self.count is None else f"{self.count} images asked"
            others = (
                f"; not supported: {kinds}; put more there, pictures of these saved as PNG,"
                if left
                else "; put more there"
            )
            if not items and (one := hidden(self.folder)):
                others = f" and hidden ones ({said(one)[:80]}) do not{others}"
            raise InputError(
                f"{said(self.folder)}: {asked}, there are {len(items)}; {decoding.KINDS}, .npy and .npz count{others} "
                "or ask for fewer"
            )
        self._all = [items[i] for i in evenly([item.label for item in items], None)]
        self.items = self._all[: self.count][: self.most]

    def __len__(self) -> int:
        return len(self.items)

    def _items(self, labels: dict[Path, NDArray]) -> Iterator[Item]:
        for path, label in zip(self._listing.files, self._listing.of, strict=True):
            name = said(path.relative_to(self.folder).as_posix())
            if path not in self._stacks:
                yield Item(path, 0, label, name)
                continue
            count, own = self._stacks[path].shape[0], labels.get(path)
            for i in range(count):
                one = label if own is None else int(own[i])
                yield Item(path, i, one, f"{name}/{i}" if count > 1 else name)

    def _header(self, path: Path) -> decoding.Header:
        if path not in self._headers:
            self._headers[path] = decoding.header(path, said(path))
        return self._headers[path]

    def _size(self, item: Item) -> tuple[int, int]:
        if item.path in self._stacks:
            return self._stacks[item.path].shape[1:3]
        return self._header(item.path).height, self._header(item.path).width

    def read(self, tick: Tick = lambda: None) -> ImageSet:
        """Decode the images. tick: called after each."""
        channels = self._channels()
        sizes = self._sizes(channels)
        height, width = (max(side) for side in zip(*sizes, strict=True))
        images = np.zeros((len(sizes), height, width, channels), np.uint8)
        for i, pixels in self._decoded(sizes):
            h, w = sizes[i]
            images[i, :h, :w] = pixels
            tick()
        self._note(images)
        return ImageSet(
            images,
            np.array(sizes, np.int32),
            labels=np.array([item.label for item in self.items], np.int32),
            names=np.array([item.name for item in self.items], np.str_),
            class_names=np.array(self.class_names, np.str_),
            origin=f"folder {said(self.folder.relative_to(self.root.parent))}",
            license="not stated",
            notes=tuple(self.notes),
        )

    def _channels(self) -> int:
        """Of the set: 3 for pictures and grey arrays."""
        found: dict[int, str] = {}
        for item in self.items:
            given = self._stacks[item.path].shape[3] if item.path in self._stacks else 3
            found.setdefault(3 if given == 1 else given, said(item.path))
        if len(found) > 1:
            some = " and ".join(f"{path} {channels} channels" for channels, path in list(found.items())[:2])
            raise InputError(f"{said(self.folder)}: {some}; the images of a set have one number of channels")
        return next(iter(found))

    def _sizes(self, channels: int) -> list[tuple[int, int]]:
        """Height and width of each image in the set: large ones are scaled down, so far that the set fits."""
        whole = [self._size(item) for item in self.items]
        for side in SIDES:
            sizes = [_within(size, side) for size in whole]
            if not too_large(sizes, channels):
                break
        else:
            height, width = (max(side) for side in zip(*sizes, strict=True))
            each = height * width * channels
            raise InputError(
                f"{said(self.folder)}: {len(sizes)} images of up to {width}x{height} pixels take over "
                f"{MAX_BYTES // 10**9} GB; {MAX_BYTES // each} of them fit: count: {MAX_BYTES // each}"
            )
        scaled = sum(one != other for one, other in zip(sizes, whole, strict=True))
        if scaled:
            self.notes.append(
                f"{scaled} large images were scaled down, to {side} pixels at most on the shorter side and "
                f"{LONGER * side} on the longer one"
            )
        return sizes

    def _decoded(self, sizes: list[tuple[int, int]]) -> Iterator[tuple[int, Pixels]]:
        """Every image, its number first. A file of arrays is read once, whatever the order of its images in the set."""
        places: dict[Path, dict[int, int]] = {}
        for i, item in enumerate(self.items):
            places.setdefault(item.path, {})[item.index] = i
        every = [(item.path, item.index) for item in self._all]
        largest, said_of_them = ranges.found(every, len(self.items), self._stacks, self._header)
        self.notes += said_of_them
        clear = 0
        for path, of in places.items():
            name = said(path)
            if path not in self._stacks:
                i = of[0]
                size = sizes[i] if sizes[i] != self._size(self.items[i]) else None
                picture, transparent = decoding.decoded(path, name, self.background, largest.get(path), size)
                clear += transparent
                yield i, picture
                continue
            for index, values in self._stacks[path].images(list(of)):
                made = as_bytes(values, name, largest.get(path))
                made = np.repeat(made, 3, axis=-1) if made.shape[2] == 1 else made
                yield of[index], decoding.shrunk(made, sizes[of[index]])
        if clear:
            self.notes.append(f"{clear} transparent images were laid over {self.background}")

    def _note(self, images: Pixels) -> None:
        """Say what was assumed of the pictures, and how arrays were read."""
        pictures = {item.path for item in self.items if item.path not in self._stacks}
        several = sum(self._header(path).frames > 1 for path in pictures)
        brightest = int(images.max())
        if brightest == 1:
            images *= np.uint8(255)
            self.notes.append("pictures hold 0 and 1 only, as masks do: 1 became 255")
        elif brightest <= ranges.DARK:
            scaled = f"; if these are no photos, multiply them, by {255 // brightest} at most" if brightest else ""
            self.notes.append(f"nearly black: the largest number of all images is {brightest} of 255{scaled}")
        if several:
            self.notes.append(f"of {several} files with several images or pages the first was taken")
        used = list(dict.fromkeys(self._stacks[item.path].said for item in self.items if item.path in self._stacks))
        self.notes += used[:5]


def _within(size: tuple[int, int], side: int) -> tuple[int, int]:
    """A size scaled down, if need be, to `side` at most on its shorter side and LONGER times that on the other."""
    share = min(1, side / min(size), LONGER * side / max(size))
    return (max(1, round(size[0] * share)), max(1, round(size[1] * share))) if share < 1 else size


def one_alone(path: Path, background: str = decoding.WHITE) -> Pixels:
    """A picture file as a set of its own would hold it: uint8 RGB `(h, w, 3)`, scaled down where it is large.

    Raises InputError where it is no picture, with one line that names it.
    """
    about, name = decoding.header(path, said(path)), said(path)
    whole = about.height, about.width
    size = _within(whole, SIDES[0])
    return decoding.decoded(path, name, background, None, None if size == whole else size)[0]
