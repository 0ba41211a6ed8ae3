"""`weights` and `fixed_filters` in params.yaml: docs/params.md explains each key."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from cnnviz.errors import quoted
from cnnviz.fields import Index, Key, Number, Positive, Section

MAX_SIDE = 63  # of a kernel, in pixels
Weight = Annotated[Number, Field(ge=-1e6, le=1e6)]
Length = Annotated[Number, Field(ge=0.01, le=1e6)]  # in pixels


class WeightsSection(Section):
    filters_shown: Positive = 32
    inputs_shown: Positive = 16


class GaborSection(Section):
    size: Annotated[int, Field(ge=1, le=MAX_SIDE, strict=True)]
    wavelength: Length
    orientation: Annotated[Number, Field(ge=-360, le=360)]
    sigma: Length


class BorrowedSection(Section):
    model: Key
    layer: str
    filters: Annotated[list[Index], Field(min_length=1)]

    def complaints(self) -> Iterator[str]:
        if len(set(self.filters)) < len(self.filters):
            yield f"filters: given {quoted(self.filters)}; expected different filters"


class FixedFiltersSection(Section):
    set: Key
    images: Positive = 10
    kernels: dict[Key, list[list[Weight]]] = {}
    gabor: dict[Key, GaborSection] = {}
    borrowed: BorrowedSection | None = None
    pool_size: Positive = 2

    def complaints(self) -> Iterator[str]:
        if self.borrowed is not None:
            yield from (f"borrowed.{line}" for line in self.borrowed.complaints())
        for name, rows in self.kernels.items():
            widths = {len(row) for row in rows}
            if len(widths) != 1 or 0 in widths:
                yield f"kernels.{name}: expected rows of one length, got lengths {quoted([len(r) for r in rows])}"
            elif max(len(rows), *widths) > MAX_SIDE:
                yield f"kernels.{name}: expected {MAX_SIDE} rows and columns at most, got {len(rows)} x {widths.pop()}"
            elif len(rows) % 2 == 0 or widths.pop() % 2 == 0:
                yield f"kernels.{name}: expected an odd number of rows and columns"
        for name in self.gabor:
            if name in self.kernels:
                yield f"gabor.{name}: `kernels` has this name already"
            if self.gabor[name].size % 2 == 0:
                yield f"gabor.{name}.size: expected an odd number, got {self.gabor[name].size}"
