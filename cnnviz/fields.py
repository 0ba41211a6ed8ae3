"""What params.yaml is made of: the kinds of values, and the base of the sections that the rooms own."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from cnnviz.errors import quoted


class Section(BaseModel):
    """A part of params.yaml, frozen; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def complaints(self) -> Iterator[str]:
        """What is wrong with values that are right by themselves, a line each that begins with the key in the section.

        `config` asks every section, so that all mistakes of a file are told together.
        """
        yield from ()


KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def _folder_name(key: str) -> str:
    if isinstance(key, bool):
        raise ValueError(f"expected a name; put true, false, yes, no, on and off in quotes: '{str(key).lower()}'")
    if isinstance(key, int | float) and KEY.fullmatch(str(key)):
        raise ValueError(f"expected a name, which a number is in quotes: '{key}'")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise ValueError(
            "expected a folder name: letters, digits, - and _, at most 64, starting with a letter or digit"
        )
    return key


def no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


LONGEST_NAME, LONGEST_PATH = 255, 1000  # bytes, which every system takes


def too_long(path: str) -> str | None:
    """Why no system takes a path, with what is expected; None where it may be one."""
    parts = [part.encode("utf-8", "surrogatepass") for part in path.split("/")]
    if max(map(len, parts)) > LONGEST_NAME:
        return f"a name of over {LONGEST_NAME} bytes, which no folder takes; give it a shorter one"
    if sum(map(len, parts)) + len(parts) > LONGEST_PATH:
        return f"a path of over {LONGEST_PATH} bytes; put it into fewer folders"
    return None


LARGEST = 2**31 - 1  # of whole numbers, which become int32 in files
Key = Annotated[str, BeforeValidator(_folder_name)]
Positive = Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=LARGEST, strict=True)]
Index = Annotated[int, BeforeValidator(no_bool), Field(ge=0, le=LARGEST, strict=True)]
Seed = Annotated[int, BeforeValidator(no_bool), Field(ge=0, lt=2**32, strict=True)]  # as NumPy takes it
Few = Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=100, strict=True)]
Number = Annotated[float, BeforeValidator(no_bool)]


def _is_index(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST


def _selection(value: Any) -> Any:
    """All filters, a number of them, or a list without repetition."""
    if value == "all" or _is_index(value, 1):
        return value
    if isinstance(value, list) and value and all(_is_index(v) for v in value) and len(set(value)) == len(value):
        return value
    raise ValueError("expected all, a number of filters (1 or more) or a list of different filters (each 0 or more)")


def _layers(value: Any) -> Any:
    if value in ("auto", "all") or _is_index(value, 1):
        return value
    if not isinstance(value, dict) or not value:
        raise ValueError("expected auto, all, a number of filters for every layer, or layers with their filters")
    for layer, selection in value.items():
        if not isinstance(layer, str):
            raise ValueError(f"the layer {quoted(layer)} is no text; put its name in quotes")
        try:
            _selection(selection)
        except ValueError as error:
            raise ValueError(f"{quoted(layer)[1:-1]}: given {quoted(selection)}; {error}") from None
    return value


def _channels(value: Any) -> Any:
    if value == "all" or (isinstance(value, dict) and "all" in value.values()):
        raise ValueError("`all` is for layers, whose filters are rendered; expected auto, or how many maps are shown")
    return _layers(value)


def _start(value: Any) -> Any:
    if value == "noise" or (isinstance(value, str) and re.fullmatch(KEY.pattern + "/[0-9]{1,9}", value)):
        return value
    raise ValueError("expected noise, or an image as set/index, such as imagenet/3")


def _canvas(value: Any) -> Any:
    sides = value if isinstance(value, list) and len(value) == 2 else [value]
    if value == "auto" or all(_is_index(side, 8) and side <= 2048 for side in sides):
        return value
    raise ValueError("expected auto, a whole number from 8 to 2048, or [height, width] of two such numbers")


def _contrast(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value == "auto" or (number and 0 <= value <= 100):
        return value
    raise ValueError("expected auto, or a number from 0 (any contrast) to 100 times that of photographs")


Contrast = Annotated[Any, BeforeValidator(_contrast)]  # "auto", or a number
PerLayer = Annotated[Any, BeforeValidator(_layers)]  # "auto", "all", int, or {layer: "all", int or list of int}
Channels = Annotated[Any, BeforeValidator(_channels)]  # the same without "all"
Canvas = Annotated[Any, BeforeValidator(_canvas)]  # "auto", int, or [height, width]
Start = Annotated[str, BeforeValidator(_start)]
