"""What a network does on images, checkpoint by checkpoint, by the measures of the room `analysis`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import Observer, Pixels, against_labels, headline, layers, subjects, watching
from cnnviz.comparison import cka, drift
from cnnviz.filters import cosines, filters_of, kernel_of
from cnnviz.images import ImageSet
from cnnviz.networks import load

if TYPE_CHECKING:
    from cnnviz.analysis import AnalyzeSection
    from cnnviz.networks import ModelSection

PER_FILTER = ("firing_rate",)
PER_LAYER = ("class_selectivity", "class_selectivity_chance")
REDUNDANT = ("activation_redundant_share", "kernel_redundant_share")
NEVER = "never-active"
UNKNOWN = -1


@dataclass
class Found:
    """Over E checkpoints. layers: per layer arrays `(filters, E)`, `(E,)`, `cka` `(E, E)`, `silent_since` `(filters,)`.

    numbers: per checkpoint what is measured of the network; flips: a row per image whose prediction is known.
    """

    layers: dict[str, dict[str, NDArray]]
    numbers: list[dict[str, Any]]
    flips: list[dict[str, Any]]


@dataclass
class _State:
    """Of one checkpoint: arrays per layer, Gram matrices per set and layer, predictions per set."""

    columns: dict[str, dict[str, NDArray]]
    entries: dict[str, dict[str, Any]]
    grams: dict[str, dict[str, NDArray]]
    predictions: dict[str, Any]
    numbers: dict[str, Any] = field(default_factory=dict)


class States:
    """Call `begin` with the last state, `add` with all of them in order, then `found`."""

    def __init__(
        self,
        key: str,
        model: "ModelSection",
        options: "AnalyzeSection",
        images: Mapping[str, ImageSet],
        described: Mapping[str, Any],
    ) -> None:
        """described: model.json. Raises InputError for a layer that is not there."""
        self.key, self.model, self.images, self.described = key, model, dict(images), dict(described)
        where = f"params.yaml: models.{key}.analyzed_layers"
        self.wanted = subjects.layers(model.analyzed_layers, self.described, where)
        self.amounts = watching.Amounts(1, options.batch, options.kept_images, 0)
        self.pixels = Pixels(self.images, described["input_shape"], described.get("bands", {}).get("rgb"))
        self._last: dict[str, NDArray] = {}
        self._states: list[_State] = []

    def begin(self, folder: Path) -> None:
        """What kernels are held against: those of the last state, in a folder as `networks.load` takes it."""
        network, described = load(folder)
        self._last = _kernels(Observer(network, described, self.wanted))

    def add(self, folder: Path, tick: Callable[[int], object]) -> None:
        """Measure one more state."""
        network, described = load(folder)
        observer = Observer(network, described, self.wanted)
        seen, outputs = watching.watch(observer, self.images, described["input_shape"], self.amounts, tick)
        kernels = _kernels(observer)
        columns, entries = {}, {}
        for name, layer in seen.items():
            every = layers.per_filter(layer, cosines(kernels[name]))
            entries[name] = layers.per_layer(layer, every)
            kept = {key: value for key, value in every.items() if key.split("/")[0] in PER_FILTER}
            columns[name] = kept | {"silent": every["state"] == NEVER} | drift(self._last[name], kernels[name])
        grams = {of: {name: one.sets[of].grams.result() for name, one in seen.items()} for of in self.images}
        found = against_labels(outputs, observer.head, self.pixels, self.model.labels, self.key)
        told = {name: _told(one) for name, one in found.items()} if observer.head.kind in ("classes", "binary") else {}
        self._states.append(_State(columns, entries, grams, told, headline(found)))

    def found(self) -> Found:
        return Found(
            {name: self._layer(name) for name in self.wanted},
            [state.numbers | self._flipped(i) for i, state in enumerate(self._states)],
            self._flips(),
        )

    def _layer(self, name: str) -> dict[str, NDArray]:
        states = self._states
        columns = [state.columns[name] for state in states]
        found = {key: np.stack([one[key] for one in columns], 1) for key in columns[0]}
        found["silent_since"] = since(found.pop("silent"))
        entries = [state.entries[name] for state in states]
        for key in REDUNDANT:
            found[key] = _numbers([one[key] for one in entries])
        found["never_active"] = _numbers([one["never_active"] for one in entries])
        for of in self.images:
            for key in PER_LAYER:
                found[f"{key}/{of}"] = _numbers([one["sets"][of][key] for one in entries])
        grams = [np.stack([state.grams[of][name] for state in states]) for of in self.images]
        found["cka"] = cka(grams, grams)
        return found

    def _flipped(self, i: int) -> dict[str, int | None]:
        """How many predictions are others than at the checkpoint before."""
        if not i or not self._states[i].predictions:
            return {"flipped": None}
        pairs = [(now[0], self._states[i - 1].predictions[of][0]) for of, now in self._states[i].predictions.items()]
        return {"flipped": int(sum((now != before).sum() for now, before in pairs))}

    def _flips(self) -> list[dict[str, Any]]:
        """Every image, those whose prediction became what it is in the end last first."""
        rows = []
        names = self.described["head"]["names"]
        for of in self._states[-1].predictions:
            said = np.stack([state.predictions[of][0] for state in self._states], 1)
            right = self._states[-1].predictions[of][1]
            at = np.where((said == said[:, -1:]).all(1), 0, _last_change(said))
            for i, row in enumerate(said):
                before = int(row[at[i] - 1]) if at[i] else None
                rows.append(
                    {
                        "set": of,
                        "number": i,
                        "name": str(self.images[of].names[i]),
                        "settled_at": int(at[i]),
                        "before": "" if before is None else _name(names, before),
                        "predicted": _name(names, int(row[-1])),
                        "right": "" if right[i] < 0 else bool(right[i]),
                        "flips": int((row[1:] != row[:-1]).sum()),
                    }
                )
        return sorted(rows, key=lambda row: -row["settled_at"])


def _kernels(observer: Observer) -> dict[str, NDArray]:
    """Filters first, by layer."""
    convs = observer.convs.items()
    return {name: filters_of(kernel_of(conv.layer), "Depthwise" in type(conv.layer).__name__) for name, conv in convs}


def _told(one: Any) -> tuple[NDArray, NDArray]:
    """Of each image the predicted class, -1 where scores are no numbers; and whether that is right, -1 unknown."""
    said = np.where(one.finite, one.predicted, UNKNOWN)
    return said, np.where(one.labelled, one.right, UNKNOWN).astype(int)


def _last_change(said: NDArray) -> NDArray[np.intp]:
    """The checkpoint at which each row of `(images, E)` became what it is at the end."""
    changed = said[:, 1:] != said[:, :-1]
    return changed.shape[1] - changed[:, ::-1].argmax(1) if changed.shape[1] else np.zeros(len(said), int)


def _name(names: list[str], index: int) -> str:
    return names[index] if 0 <= index < len(names) else "no number" if index < 0 else str(index)


def since(silent: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The first checkpoint from which on a filter is silent, of `(filters, E)`: `(filters,)`, -1 where it is not."""
    held = np.logical_and.accumulate(silent[:, ::-1], 1)[:, ::-1]
    return np.where(held[:, -1], held.argmax(1), UNKNOWN).astype(np.int32)


def _numbers(values: list[Any]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)
