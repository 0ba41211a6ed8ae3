"""`weights` and `fixed_filters` in params.yaml: docs/params.md explains each key."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from cnnviz.fields import Index, Key, Number, Positive, Section


class WeightsSection(Section):
    filters_shown: Positive = 32
    inputs_shown: Positive = 16


class GaborSection(Section):
    size: Annotated[int, Field(ge=1, le=63, strict=True)]
    wavelength: Annotated[Number, Field(gt=0)]
    orientation: Number
    sigma: Annotated[Number, Field(gt=0)]


class BorrowedSection(Section):
    model: Key
    layer: str
    filters: Annotated[list[Index], Field(min_length=1)]


class FixedFiltersSection(Section):
    set: Key
    images: Positive = 10
    kernels: dict[Key, list[list[Number]]] = {}
    gabor: dict[Key, GaborSection] = {}
    borrowed: BorrowedSection | None = None
    pool_size: Positive = 2

    def complaints(self) -> Iterator[str]:
        for name, rows in self.kernels.items():
            widths = {len(row) for row in rows}
            if len(widths) != 1 or 0 in widths:
                yield f"kernels.{name}: expected rows of one length, got lengths {[len(r) for r in rows]}"
            elif len(rows) % 2 == 0 or widths.pop() % 2 == 0:
                yield f"kernels.{name}: expected an odd number of rows and columns"
        for name in self.gabor:
            if name in self.kernels:
                yield f"gabor.{name}: `kernels` has this name already"
            if self.gabor[name].size % 2 == 0:
                yield f"gabor.{name}.size: expected an odd number, got {self.gabor[name].size}"
