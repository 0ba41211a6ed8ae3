"""In which range the numbers of a set's files are: the whole set tells, however many of its images are asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError
from cnnviz.images import decoding
from cnnviz.images.levels import SLACK, bits
from cnnviz.images.listing import said
from cnnviz.images.stacks import Stack

MOST_FILES = 2000  # the first ones of a set, which tell about the others
MOST_BYTES = 2_000_000_000  # of numbers to be looked at
DARK = 32  # no set in 0..255 has so low a largest number: these are other numbers, such as sixteen levels of grey


@dataclass
class Span:
    """The lowest and the largest number of a file. kind: as NumPy's, f or u or i; byte: 8 bits a number."""

    path: Path
    kind: str = "u"
    byte: bool = False
    low: float = inf
    high: float = -inf

    def add(self, values: NDArray) -> None:
        self.kind, self.byte = values.dtype.kind, values.dtype == np.uint8
        finite = values[np.isfinite(values)] if self.kind == "f" else values
        if finite.size:
            convert = float if self.kind == "f" else int
            self.low, self.high = min(self.low, convert(finite.min())), max(self.high, convert(finite.max()))

    def wrong(self, expected: str) -> InputError:
        whole = "numbers" if self.kind == "f" else "whole numbers"
        return InputError(f"{said(self.path)}: {whole} in {self.low:.6g}..{self.high:.6g}; expected {expected}")


def found(
    items: Sequence[tuple[Path, int]],
    asked: int,
    stacks: Mapping[Path, Stack],
    header: Callable[[Path], decoding.Header],
) -> tuple[dict[Path, float], list[str]]:
    """What `as_bytes` has to be told as the `largest` of each file, and in sentences what that means.

    items: all images of a set in its order, each a file and the number of the image in it; asked: so many of them, the
    first, will be read. Looked at are those, and all in the first MOST_FILES files, up to MOST_BYTES of numbers.
    Raises InputError, naming the file of the largest number, where all are nearly black or need over 16 bits.
    """
    spans = [_span(path, some, stacks.get(path)) for path, some in _places(items, asked, stacks, header).items()]
    spans = [one for one in spans if one.high > -inf]
    whole, notes = _whole([one for one in spans if one.kind != "f"])
    floating, more = _floating([one for one in spans if one.kind == "f"])
    return whole | floating, notes + more


def _places(
    items: Sequence[tuple[Path, int]],
    asked: int,
    stacks: Mapping[Path, Stack],
    header: Callable[[Path], decoding.Header],
) -> dict[Path, list[int]]:
    """The files to be looked into, and which of their images. Pictures of 8 bits need none of that."""
    places: dict[Path, list[int]] = {}
    seen: dict[Path, int] = {}  # file: bytes of an image
    total = 0
    for number, (path, index) in enumerate(items):
        if number >= asked and total > MOST_BYTES:
            break
        if path not in seen:
            if number >= asked and len(seen) >= MOST_FILES:
                continue
            seen[path] = _bytes(path, stacks.get(path), header)
        if seen[path]:
            places.setdefault(path, []).append(index)
            total += seen[path]
    return places


def _bytes(path: Path, stack: Stack | None, header: Callable[[Path], decoding.Header]) -> int:
    """Of an image's numbers; 0 where they need not be looked at."""
    if stack is not None:
        return 0 if stack.dtype == np.bool_ else stack.each
    try:
        about = header(path)
    except InputError:  # whoever asks for this image will be told
        return 0
    return about.height * about.width * 2 if about.deep else 0


def _span(path: Path, some: Sequence[int], stack: Stack | None) -> Span:
    span = Span(path)
    try:
        for values in _numbers(path, some, stack):
            span.add(values)
            if span.byte and span.high > DARK:
                break  # they are what they are
    except InputError:  # whoever asks for this image will be told
        pass
    return span


def _numbers(path: Path, some: Sequence[int], stack: Stack | None) -> Iterator[NDArray]:
    if stack is not None:
        yield from (values for _, values in stack.images(some))
        return
    values = decoding.deep_values(path, said(path))
    yield values[..., :-1] if values.shape[2] in (2, 4) else values


def _whole(spans: list[Span]) -> tuple[dict[Path, float], list[str]]:
    """Of whole numbers: those of more than 8 bits use as many as the largest of the set; 0 and 1 alone are masks."""
    if not spans:
        return {}, []
    top = max(spans, key=lambda one: one.high)
    largest, deep = int(top.high), [one for one in spans if not one.byte]
    used = bits(largest)
    if used is None:
        raise top.wrong("0..65535 at most; scale them first")
    _bright_enough(top)
    told = {one.path: float(largest) for one in spans if not one.byte or largest == 1}
    if largest == 1:
        return told, ["whole numbers are 0 and 1 only, as in masks: 1 became 255"]
    if not deep or largest < 1:
        return told, []
    if used == 8:
        return told, [f"whole numbers were taken as 0..255 (the largest is {int(max(one.high for one in deep))})"]
    return told, [
        f"images of more than 8 bits a channel use {used} bits (their largest number is {largest}): "
        f"0..{2**used - 1} became 0..255"
    ]


def _floating(spans: list[Span]) -> tuple[dict[Path, float], list[str]]:
    """Of floating point: a file in which no number is over 1 is in 0..1, the others in 0..255."""
    top = max(spans, key=lambda one: one.high, default=None)
    if top is None:
        return {}, []
    _bright_enough(top)
    over = top.high > 1 + SLACK
    full = [one for one in spans if over and (one.high > 1 + SLACK or one.high <= 0)]  # 0 is black in any range
    unit = [one for one in spans if not over or 0 < one.high <= 1 + SLACK]
    told = {one.path: one.high for one in unit} | {one.path: top.high for one in full}
    groups = ((unit, "0..1, times 255"), (full, "0..255"))
    differ = "the files differ in that: if all are in one range, divide those in 0..255 by 255"
    return told, [differ] * bool(unit and full) + [
        f"{said(some[0].path)}{f' and {len(some) - 1} more' if some[1:] else ''}: floating point, taken for numbers "
        f"in {where}"
        for some, where in groups
        if some
    ]


def _bright_enough(top: Span) -> None:
    if 1 + SLACK < top.high <= DARK:
        scaled = f"x * (255 / {top.high:.6g})"
        if top.low < 0:
            scaled = f"(x + {-top.low:.6g}) * (255 / {top.high - top.low:.6g})"
        raise top.wrong(
            "0..255, or 0..1 of floating point, or 10, 12, 14 or 16 bits used; nothing in the set is larger: "
            f"scale it, such as {scaled}"
        )
