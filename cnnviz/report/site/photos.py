"""The natural images behind the patches: stored once, when a page first shows them, and cut where a layer looks."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnviz.analysis import examples
from cnnviz.images import ImageSet, fed, load_set
from cnnviz.pictures import Picture, shown
from cnnviz.report import data, wording
from cnnviz.report.site import pictures
from cnnviz.report.site.links import url

LONGEST = 224  # pixels of an image's longer side on a page
# Input shape of a network, and the channels that are drawn where they are not RGB
Eye = tuple[tuple[int, ...], tuple[int, ...] | None]


def eye(facts: data.Facts) -> Eye:
    """How a network sees images, by its model.json."""
    rgb = facts.get("bands", {}).get("rgb")
    return tuple(facts["input_shape"]), None if rgb is None else tuple(rgb)


@dataclass(frozen=True)
class Photo:
    """An image of a set on a page; `src` and `page`, its own page, relative to the site's root."""

    src: str
    width: int
    height: int
    title: str
    page: str = ""


@dataclass
class Photos:
    """The image sets of `artifacts/images/`; those that pages ask for are written to `assets/images/`."""

    artifacts: Path
    files: pictures.Files
    names: list[str]
    sets: dict[str, ImageSet] = field(default_factory=dict)
    titles: dict[str, list[str]] = field(default_factory=dict)
    written: dict[tuple[str, int], Photo] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.names:
            path = self.artifacts / "images" / f"{name}.npz"
            if path.is_file():
                self.sets[name] = load_set(path)
                self.titles[name] = data.image_titles(self.artifacts, name)
        self.seen = lru_cache(400)(self._seen)

    def photo(self, name: str, i: int) -> Photo:
        """Image i of a set for a page."""
        if (name, i) not in self.written:
            image = Image.fromarray(shown(self.sets[name].image(i)))
            image.thumbnail((LONGEST, LONGEST))
            path = f"assets/images/{name}/{i}.webp"
            self.files.later(path, lambda: pictures.webp(image))
            title, page = self.titles[name][i], url("images", name, f"{i}.html")
            self.written[name, i] = Photo(url(*path.split("/")), image.width, image.height, title, page)
        return self.written[name, i]

    def of(self, name: str) -> list[Photo]:
        """All images of a set."""
        return [self.photo(name, i) for i in range(len(self.sets[name]))]

    def said(self, names: Iterable[str], different: int | None = None) -> str:
        """How many images of these sets there are, and what that leaves unknown; see wording.photos."""
        return wording.photos(sum(len(self.sets[name]) for name in names if name in self.sets), different)

    def _seen(self, name: str, i: int, shape: tuple[int, ...], rgb: tuple[int, ...] | None = None) -> Picture:
        """An image as a network of this input shape sees it, drawn; rgb: see pictures.shown."""
        return shown(np.rint(fed(self.sets[name], [i], shape)[0]).astype(np.uint8), rgb)

    def patch(self, name: str, i: int, box: list[int], eye: Eye, side: int) -> NDArray[np.uint8]:
        """Cut a box out of an image as a network sees it, off where the image ends: `(side, side, 3)`."""
        return examples.tile(examples.cut(self.seen(name, i, *eye), box), side)
