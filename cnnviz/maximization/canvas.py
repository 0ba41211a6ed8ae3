"""On how large a canvas a filter is rendered: what shows its pattern well, out of what the network takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from cnnviz.errors import InputError, reason
from cnnviz.maximization.ascent.settings import Size
from cnnviz.networks import graph
from cnnviz.objectives import Objective

SMALLEST, STEP = 64, 16  # pixels
ELONGATED = 2  # times as long as wide: a receptive field whose canvas is no square
COARSE = (32, 64)  # multiples that networks take which halve their maps and put them together again
APART = 1.5  # times as large: a map that stays the same at such a canvas doesn't come from it


def wanted(receptive_field: Sequence[float] | None, input_size: Size, max_size: int) -> Size:
    """Choose a canvas: eight receptive fields wide, so that a pattern can repeat, in multiples of 16 pixels.

    A square, but for a receptive field that is twice as long as wide. Each side at least 64 px, at most max_size and
    twice what the network was trained on: a 32-px network has nothing to say about larger pictures.
    """
    fields = pair(receptive_field) or (max_size, max_size)
    longest = max(fields)
    fields = fields if longest >= ELONGATED * min(fields) else (longest, longest)
    height, width = (_side(*one, max_size) for one in zip(fields, input_size, strict=True))
    return height, width


def _side(seen: float, trained: int, max_size: int) -> int:
    most = 1 if trained == 1 else max(2 * trained, min(32, 4 * trained))
    return int(min(max(-(-8 * seen // STEP) * STEP, SMALLEST), max_size, most))


def pair(value: Any) -> Any:
    """(height, width) of such a pair, or of one number for both; None stays None."""
    return (value, value) if isinstance(value, int | float) else value and tuple(value)


def said(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))


@dataclass(frozen=True)
class Chosen:
    """A canvas; why: in a sentence, where it is another one than the recipe wants."""

    size: Size
    why: str = ""

    @property
    def note(self) -> dict[str, str]:
        """For settings.json."""
        return {"canvas": self.why} if self.why else {}


@dataclass
class Fitting:
    """What canvases a network takes. shape: of its input (h, w, channels), which it takes in any case."""

    network: keras.Model
    shape: tuple[int, int, int]
    _traced: dict[Size, graph.Graph] = field(default_factory=dict)

    def layers(self, names: Sequence[str], asked: Size | None, size: Size, where: str = "size") -> Chosen:
        """The canvas for some layers: `asked` if given, else `size` or what comes near it and the network takes.

        Raises InputError where the network doesn't take what is asked for; `where`: the key or argument that asks.
        """
        reason = self.refusal(names, asked or size)
        if not reason:
            return Chosen(asked or size)
        if asked:
            raise InputError(
                f"{where}: {said(asked)} is not possible at {reason}; "
                f"expected auto, or the size of the network's input, [{self.shape[0]}, {self.shape[1]}]"
            )
        for step in COARSE:
            coarse = (size[0] // step * step, size[1] // step * step)
            if min(coarse) and coarse != size and not self.refusal(names, coarse):
                return Chosen(coarse, f"{said(size)} is not possible at {reason}")
        return Chosen(
            self.shape[:2], f"the size of the network's input, since {said(size)} is not possible at {reason}"
        )

    def objective(self, objective: Objective, asked: Size | None, size: Size, where: str = "size") -> Chosen:
        """The canvas for an objective: a classifier's head wants the size it was trained with."""
        logit = any(kind == "logit" for kind, _ in objective.structure)
        return Chosen(self.shape[:2]) if logit else self.layers(objective.layers, asked, size, where)

    def refusal(self, layers: Sequence[str], size: Size) -> str:
        """Why some of the layers can't be seen at this size, naming the first of them; empty where they can.

        They can where the network as far as they go, and what belongs to their units, takes the size, and their maps
        have a position at least and follow the size.
        """
        if size == self.shape[:2]:
            return ""
        for layer in layers:
            try:
                here, known = self._call(layer, size), self._call(layer, self.shape[:2])
            except InputError as error:
                return f"{layer}: {error}"
            if _unit(here) != _unit(known):
                return f"{layer}: the layer behind it takes its own size only"
            if reason := self._computes(here, size):
                return f"{layer}: {reason}"
            if len(here.output.shape) != 4:
                continue
            for map_side, side, map_before, before in zip(
                here.output.shape[1:3], size, known.output.shape[1:3], self.shape[:2], strict=True
            ):
                if map_side is not None and map_side < 1:
                    return f"{layer}: its map would have no position"
                if map_side == map_before != 1 and max(side, before) >= APART * min(side, before):
                    return f"{layer}: its map is {map_side} positions long whatever the size"
        return ""

    def _call(self, layer: str, size: Size) -> Any:
        """A layer's call at a size. InputError where the network does not take it up to there."""
        traced = self._traced.get(size)
        found = _named(traced, layer) if traced else None
        if found is None:
            traced = self._traced[size] = graph.trace(self.network, (*size, self.shape[2]), until=layer)
            found = _named(traced, layer)
        if found is None:
            raise InputError("not reached")
        return found

    def _computes(self, call: Any, size: Size) -> str:
        """Run the network up to a unit: a layer may take a shape and then not compute it. The reason if it doesn't."""
        output = call.unit.output if isinstance(call, graph.Conv) else call.output
        try:
            keras.Model(self._traced[size].input, output)(
                np.zeros((1, *size, self.shape[2]), "float32"), training=False
            )
        except Exception as error:  # whatever a layer raises, one's own too
            return f"the network does not compute this size: {reason(error, 160)}"
        return ""


def _named(traced: graph.Graph, layer: str) -> Any:
    return next((call for call in traced.calls if call.name == layer), None)


def _unit(call: Any) -> list[str]:
    return [one.name for one in (call.norm, call.nonlinearity) if one] if isinstance(call, graph.Conv) else []
