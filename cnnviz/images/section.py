"""`images` in params.yaml: docs/params.md explains each key."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from PIL import ImageColor
from pydantic import BeforeValidator, Field, model_validator

from cnnviz.errors import choices
from cnnviz.fields import Key, Section, too_long
from cnnviz.sources import catalog

ROOT = "inputs/images"
_KEY = "\0key"  # under which a set is told its own key: no key of a YAML file
FORMS = "a number of images, {source: package, count: 20} or {folder: inputs/images/mine, count: all}"
HAVE = {
    "package": {name: one.count for name, one in catalog.IMAGE_SETS.items()},
    "keras": catalog.KERAS_SETS,
    "web": {name: one.count for name, one in catalog.WEB_SETS.items()},
}


def _count(value: Any) -> Any:
    if value != "all" and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError("expected a whole number, at least 1, or all")
    return value


def _folder(value: Any) -> Any:
    """A folder below inputs/images, which DVC watches."""
    if value is None:
        return None
    path = PurePosixPath(value) if isinstance(value, str) else PurePosixPath("/")
    if not str(path).isprintable() or "\\" in str(value) or ".." in path.parts or not path.is_relative_to(ROOT):
        raise ValueError(f"expected a folder in {ROOT}, such as {ROOT}/mine; put the images, or a copy, there")
    if line := too_long(path.as_posix()):
        raise ValueError(line)
    return path.as_posix()


def _colour(value: Any) -> Any:
    try:
        ImageColor.getrgb(value)
    except (ValueError, TypeError, AttributeError):
        raise ValueError("expected a colour, by name or as '#rrggbb' in quotes") from None
    return value


class SetSection(Section):
    """One set: of a `source` that knows it by name, or of a `folder` of one's own. known: its name there."""

    source: Literal["package", "keras", "web"] | None = None
    folder: Annotated[str | None, BeforeValidator(_folder)] = None
    count: Annotated[int | Literal["all"], BeforeValidator(_count)] = "all"
    background: Annotated[str, BeforeValidator(_colour)] = "white"
    key: Annotated[str, Field(validation_alias=_KEY, exclude=True)] = ""

    @property
    def known(self) -> str:
        """Its name in the catalogue: its key, or that of the source's only set."""
        have = HAVE[self.source or "package"]
        return self.key if self.key in have else next(iter(have))

    @property
    def total(self) -> int | None:
        """How many images it has; None where only reading tells."""
        if self.count != "all":
            return int(self.count)
        return None if self.source is None else HAVE[self.source][self.known]

    @model_validator(mode="before")
    @classmethod
    def _form(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"expected {FORMS}")
        return value

    def complaints(self) -> Iterator[str]:
        if (self.source is None) == (self.folder is None):
            yield f"expected either source: package, keras or web, or folder: {ROOT}/mine"
        elif self.source is not None:
            have = HAVE[self.source]
            if self.key not in have and (len(have) > 1 or any(self.key in others for others in HAVE.values())):
                yield f"source: {self.source} does not have {self.key!r}; {choices(self.key, have)}"
            elif self.count != "all" and int(self.count) > have[self.known]:
                more = "`source: keras` has 10000 of cifar10, " if self.source == "package" else ""
                asked = f"count: {self.count} images asked, `source: {self.source}` has {have[self.known]}"
                yield f"{asked}; {more}a `folder` as many as you put there"
            if self.background != "white":
                yield "background: only the images of a folder may be transparent"


def _set(key: Any, value: Any) -> Any:
    """What stands under a set's key, with the key; a number is short for so many images of the package."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = {"source": "package", "count": value}
    return {**value, _KEY: key} if isinstance(value, dict) else value


def _named(value: Any) -> Any:
    return {key: _set(key, one) for key, one in value.items()} if isinstance(value, dict) else value


class ImagesSection(Section):
    sets: Annotated[dict[Key, SetSection], BeforeValidator(_named), Field(min_length=1)]

    def complaints(self) -> Iterator[str]:
        for name, one in self.sets.items():
            for line in one.complaints():
                yield f"sets.{name}{': ' if line.startswith('expected') else '.'}{line}"

    @property
    def counts(self) -> dict[str, int | None]:
        """How many images each set has; None where only reading tells."""
        return {name: one.total for name, one in self.sets.items()}
