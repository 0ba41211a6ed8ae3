"""`images` in params.yaml: docs/params.md explains each key."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from cnnviz.errors import choices
from cnnviz.fields import Key, Positive, Section
from cnnviz.sources import catalog


class ImagesSection(Section):
    source: Literal["package", "keras", "folder"] = "package"
    folder: str = "inputs/images"
    sets: Annotated[dict[Key, Positive], Field(min_length=1)]

    def complaints(self) -> Iterator[str]:
        if self.source == "folder":
            return
        have = (
            {name: images.count for name, images in catalog.IMAGE_SETS.items()}
            if self.source == "package"
            else catalog.KERAS_SETS
        )
        more = (
            "`source: keras` has 10000 images of cifar10, `source: folder` as many as you put there"
            if self.source == "package"
            else "`source: folder` has as many as you put there"
        )
        for name, count in self.sets.items():
            if name not in have:
                yield f"sets.{name}: unknown for `source: {self.source}`; {choices(name, have)}"
            elif count > have[name]:
                yield f"sets.{name}: {count} images asked, `source: {self.source}` has {have[name]}; {more}"
