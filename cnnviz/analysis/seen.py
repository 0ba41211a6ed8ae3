"""What a measure gets to see of one layer: the only thing that measures and the network's pass share."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Seen:
    """One layer's units on a batch of b images.

    indices: int `(b,)`, the images' numbers in their set; pre, unit: float32 `(b, channels, h, w)`, before and after
    the unit's nonlinearity (the same array where it has none).
    """

    indices: np.ndarray
    pre: np.ndarray
    unit: np.ndarray


class Measure(Protocol):
    """Takes the batches of one layer in order; how much it keeps must not grow with the number of images."""

    def update(self, seen: Seen) -> None: ...
