"""How images are put into batches, and how their step is computed: on a CPU as many as are asked for, and any company
rounds the same; on a card always so many, since its library chooses an algorithm by the shape of the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cnnviz import device
from cnnviz.device import Device
from cnnviz.objectives import Objective

MOST = 128  # images of a batch on a card; of more none was measured
SHARE = 0.5  # of a card's memory that the numbers of a batch may take; the rest is the library's, and other people's
UNKNOWN = 2**32  # bytes of a card that does not say
Batch = list[tuple[int, bool]]  # at each place the number of an objective, and whether it only fills the batch up


class Rule(NamedTuple):
    """What a card computes convolutions in. capability: CUDA's, from which on; source: of the rule."""

    capability: tuple[int, int]
    precision: str
    source: str


# The first that fits
RULES = (
    Rule((8, 0), "bfloat16", "measured on an H200 (9.0): 0.045 against 0.071 ms per image and step in TF32"),
    Rule((7, 0), "float16", "NVIDIA, CUDA C programming guide: from 7.0 tensor cores, until 8.0 for float16 alone"),
    Rule((0, 0), "float32", "no tensor cores: neither of the others pays"),
)
PLACE_AGREES = ("bfloat16", "float16")  # seen on an H200: the same bytes at another place of a batch of the same size
SMALLEST_COMPILED = (6, 0)  # XLA's code needs so much of a card


@dataclass(frozen=True)
class Policy:
    """batch: images in every batch, filled up where there are fewer; 0: as many as there are, as on a CPU. placed:
    whether each objective has a place of its own in it, given by its channel, or any that is free. compiled: by XLA.
    """

    batch: int = 0
    placed: bool = False
    compiled: bool = False

    @property
    def fixed(self) -> bool:
        return self.batch > 0

    @property
    def note(self) -> dict[str, object]:
        """For settings.json; of a CPU nothing."""
        return {"batch": self.batch, "places": "fixed" if self.placed else "any"} if self.fixed else {}

    def rows(self, homes: Sequence[int], group: int) -> list[list[int | None]]:
        """Batches of `batch // group` places each: at each the number of an objective, None where there is none.

        homes: of each objective what its place is taken from; group: images of one objective.
        """
        places = max(1, self.batch // group)
        if not self.placed:
            some = [list(range(i, min(i + places, len(homes)))) for i in range(0, len(homes), places)]
            return [[*row, *[None] * (places - len(row))] for row in some]
        found: list[list[int | None]] = []
        for number, home in enumerate(homes):
            place = home % places
            if all(row[place] is not None for row in found):
                found.append([None] * places)
            next(row for row in found if row[place] is None)[place] = number
        return found


CPU = Policy()


def precision_of(card: Device) -> str:
    """What `auto` means on a card."""
    if card.capability is None:
        return "float32"
    return next(rule.precision for rule in RULES if card.capability >= rule.capability)


def policy_for(card: Device, precision: str, bytes_per_image: float, group: int = 1, count: int = MOST) -> Policy:
    """The policy of a card, by what it has, not by what is free; of the CPU, CPU.

    bytes_per_image: of a step; group: images of one objective; count: of the layer's channels, of which more than one
    of each is never asked for together. A power of two of objectives, as many as fit, at least one.
    """
    if not card.gpu:
        return CPU
    fit = int(SHARE * (card.gib * device.GIB or UNKNOWN) / bytes_per_image)
    most = min(MOST, fit, (1 << max(0, count - 1).bit_length()) * group)
    objectives = 1 << max(0, (most // group).bit_length() - 1)
    compiled = card.capability is not None and card.capability >= SMALLEST_COMPILED
    return Policy(objectives * group, precision not in PLACE_AGREES, compiled)


def batches(objectives: Sequence[Objective], policy: Policy, group: int, fill: int) -> list[Batch]:
    """What is rendered together. group: images of one objective. fill: on a CPU, the last one is repeated up to a
    multiple of so many, for what is left over in a vector register is computed one by one, and rounds otherwise; 0:
    each by itself.
    """
    count = len(objectives)
    if policy.fixed:
        rows = policy.rows([_home(objective) for objective in objectives], group)
        first = [next(i for i in row if i is not None) for row in rows]
        return [[(k, True) if i is None else (i, False) for i in row] for k, row in zip(first, rows, strict=True)]
    if not fill:
        return [[(i, False)] for i in range(count)]
    return [[*((i, False) for i in range(count)), *[(count - 1, True)] * (-count % fill)]]


def _home(objective: Objective) -> int:
    """The channel or class that an objective is about in the first place."""
    _, term = objective.terms[0]
    return term.channels[0][0] if term.channels else term.index
