"""One call of an operation, and what is asked about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Interval = tuple[NDArray[np.int64], NDArray[np.int64]]  # first and last position, one of each per neuron
Needs = dict[int, Interval]  # axis of a tensor -> what is needed along it; an axis that isn't there: all of it

NOTHING = 2**50  # an interval from here to its negative is empty


@dataclass(frozen=True)
class Step:
    """The call of `operation` that made `output`, which is its `part`th output.

    arguments: Keras's record of what it was given; source: the `number`th Keras tensor among them.
    """

    operation: Any
    arguments: Any
    number: int
    source: Any
    output: Any
    part: int = 0

    @property
    def shapes(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Of source and output, the first of each of unknown length; others may be None too."""
        return tuple(self.source.shape), tuple(self.output.shape)


Rule = Callable[[Step, Needs], Needs]
