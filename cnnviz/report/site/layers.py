"""What the site knows of a layer: arrays and numbers of all stages for its filters, and the sheets that show them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import Masks, Placed, read_masks, read_places
from cnnviz.errors import InputError
from cnnviz.files import WHOLE, npz, read_csv
from cnnviz.report import data, wording
from cnnviz.report.data import Facts
from cnnviz.report.site import circuit, pictures, words
from cnnviz.report.site.circuit import Wiring
from cnnviz.report.site.links import Filter, Tile, url
from cnnviz.report.site.training import Training, read_training

PER_FILTER = (
    *("firing_rate", "mean", "maximum", "lifetime_sparsity"),
    *("class_selectivity", "class_selectivity_chance", "preferred_class"),
)


@dataclass
class Layer:
    """A conv layer of one model. `conv`: its entry in model.json; `index`: its place among them."""

    model: "Model"
    conv: Facts
    index: int
    # filter: row in the arrays of `maximized`; the first WHOLE have all of them, the others picture, curve and scores
    rendered: dict[int, int] = field(default_factory=dict)
    status: dict[int, str] = field(default_factory=dict)
    scores: dict[int, Facts] = field(default_factory=dict)
    sheet: pictures.Sheet | None = None  # maximized images
    patches: pictures.Sheet | None = None  # the best patch of every filter
    unlisted: list[int] = field(default_factory=list)  # what the table on its page has no room for

    @property
    def name(self) -> str:
        return str(self.conv["name"])

    @property
    def title(self) -> str:
        """What the user calls it; `name` is what files can be called."""
        return str(self.conv["title"])

    @property
    def filters(self) -> int:
        return int(self.conv["filters"])

    @property
    def whole(self) -> list[int]:
        """The rendered filters of which everything is kept."""
        return list(islice(self.rendered, WHOLE))

    @property
    def placed(self) -> Placed:
        """Which cells the places of its filters have; only where `model.places` are there."""
        return self.model.places[self.name]

    @property
    def folder(self) -> str:
        return f"{self.model.key}/{self.name}"

    @property
    def url(self) -> str:
        return url(self.model.key, self.name, "index.html")

    def maximized(self) -> dict[str, NDArray]:
        """The arrays of `artifacts/maximize/<model>/<layer>.npz`: large, so read when they are needed."""
        return npz.read(self.model.artifacts / "maximize" / self.model.key / f"{self.name}.npz")

    def examples(self) -> dict[str, NDArray]:
        return npz.read(self.model.artifacts / "analysis" / self.model.key / "examples" / f"{self.name}.npz")

    def causes(self) -> dict[str, NDArray]:
        return npz.read(self.model.artifacts / "analysis" / self.model.key / "causes" / f"{self.name}.npz")

    def masks(self) -> Masks:
        """What of their strongest patches its rendered filters look at."""
        return read_masks(self.model.artifacts / "analysis" / self.model.key, self.name)

    def statistics(self, image_set: str) -> dict[str, NDArray]:
        """Numbers per filter on one set, and its `histogram`."""
        stored = self.model.statistics[image_set]
        return {
            key: stored[f"{self.name}/{key}"] for key in (*PER_FILTER, "histogram") if f"{self.name}/{key}" in stored
        }

    @cached_property
    def weights(self) -> Facts:
        return dict(self.model.weights.get(self.name, {}))

    @cached_property
    def analysis(self) -> Facts:
        """Its entry in analysis/<model>/statistics.json."""
        return dict(self.model.analysis.get(self.name, {}))

    @cached_property
    def standing(self) -> dict[str, str]:
        """What its filters' scores say of it, a sentence by the name of a score."""
        return wording.standing(self.scores.values())

    def wiring(self) -> Wiring | None:
        path = self.model.artifacts / "weights" / self.model.key / f"{self.name}.npz"
        return circuit.read_wiring(path, self.conv["depthwise"], self.conv["input_shape"][-1])

    def tile(self, k: int) -> Tile | None:
        """The picture that stands for filter k: its maximized image, else the patch that drives it most."""
        return self._tile(self.sheet, "Image", "made", k) or self.patch(k)

    def made(self, k: int) -> Tile:
        """The picture of filter k at the size it was made, of a layer of more than WHOLE rendered ones."""
        part, place = divmod(self.rendered[k], pictures.PART)
        count = min(pictures.PART, len(self.rendered) - part * pictures.PART)
        src = url(*self.folder.split("/"), f"made_{part}.webp")
        y, x = divmod(place, pictures.ABREAST)
        alt = f"Image that drives filter {k} of {self.title}"
        return Tile(src, x, y, pictures.ABREAST, -(-count // pictures.ABREAST), alt, "made")

    def patch(self, k: int) -> Tile | None:
        """The patch of a natural image that drives filter k most."""
        return self._tile(self.patches, "Patch", "natural", k)

    def _tile(self, sheet: pictures.Sheet | None, what: str, kind: str, k: int) -> Tile | None:
        if sheet is None or (place := sheet.place(k)) is None:
            return None
        alt = f"{what} that drives filter {k} of {self.title}"
        return Tile(sheet.src, *place, sheet.columns, sheet.rows, alt, kind, sheet.insets.get(k))

    def filter(self, k: int) -> Filter:
        """How other pages name, show and link filter k."""
        at = url(self.model.key, self.name, f"{k}.html")
        return Filter(self.model.key, self.title, k, at, self.tile(k), self.status.get(k, ""))

    def telling(self) -> int:
        """The filter that stands for the layer: the middle one of the rendered ones that are ok, else weak, else dead.

        Chosen by place, so that models whose layers were rendered for the same filters show the same ones.
        """
        if not self.rendered:
            return self.filters // 2
        places = list(enumerate(self.whole))
        return min(places, key=lambda p: (data.STATES.index(self.status[p[1]]), abs(p[0] - len(places) // 2)))[1]

    def preview(self, count: int) -> list[Filter]:
        """Some filters that show what the layer is like: rendered ones first, then others evenly spaced."""
        chosen = self.whole[:count]
        if self.patches:
            spaced = np.linspace(0, self.filters - 1, min(count, self.filters)).round().astype(int).tolist()
            chosen += [k for k in spaced if k not in chosen][: count - len(chosen)]
        return [self.filter(k) for k in chosen]


@dataclass
class Model:
    """A model and its layers. pages: per layer the filters whose page is a whole one, with files beside it."""

    artifacts: Path
    key: str
    facts: Facts
    sets: list[str]
    layers: dict[str, Layer] = field(default_factory=dict)
    pages: dict[str, set[int]] = field(default_factory=dict)
    sources: dict[str, circuit.Origin] = field(default_factory=dict)
    readers: dict[str, list[str]] = field(default_factory=dict)
    notes: Mapping[str, Mapping[int, str]] = field(default_factory=dict)  # by layer and filter, what people wrote

    @cached_property
    def training(self) -> Training | None:
        """Its checkpoints, where it is a series."""
        return read_training(self.artifacts, self.key, self.facts.get("bands", {}).get("rgb"))

    @property
    def url(self) -> str:
        return url(self.key, "index.html")

    @property
    def rgb(self) -> tuple[int, ...] | None:
        """Channels that are drawn as red, green and blue, see pictures.shown."""
        chosen = self.facts.get("bands", {}).get("rgb")
        return None if chosen is None else tuple(chosen)

    @cached_property
    def weights(self) -> Facts:
        return dict(data.read(self.artifacts / "weights" / self.key / "statistics.json"))

    @cached_property
    def judged(self) -> Facts:
        """Whether pictures and patches explain its filters, empty where the stage `judge` did not run."""
        return dict(data.read(self.artifacts / "judge" / self.key / "scores.json"))

    @cached_property
    def enlarged(self) -> dict[str, dict[str, Facts]]:
        """Filters with a larger picture, by layer and number: what it was rendered with."""
        return dict(data.read(self.artifacts / "enlarge" / "enlarge.json").get(self.key, {}))

    @cached_property
    def clarity(self) -> dict[tuple[str, int], Facts]:
        """By layer and filter: how much alike its natural patches are, and of how many kinds."""
        rows = read_csv(self.artifacts / "judge" / self.key / "filters.csv")
        return {(row["layer"], int(row["filter"])): dict(row) for row in rows}

    @cached_property
    def places(self) -> dict[str, Placed]:
        """Where its filters fire was kept for these layers; empty where it was not."""
        folder = self.artifacts / "analysis" / self.key
        return read_places(folder) if any(folder.glob("*/places.npz")) else {}

    @cached_property
    def analysis(self) -> Facts:
        return dict(data.read(self.artifacts / "analysis" / self.key / "statistics.json"))

    @cached_property
    def statistics(self) -> dict[str, dict[str, NDArray]]:
        return {name: npz.read(self.artifacts / "analysis" / self.key / name / "statistics.npz") for name in self.sets}

    @cached_property
    def redundancy(self) -> dict[str, NDArray]:
        """`<layer>/…`: clusters and nearest filters of analysis/<model>/redundancy.npz."""
        return npz.read(self.artifacts / "analysis" / self.key / "redundancy.npz")

    @cached_property
    def words(self) -> dict[str, dict[int, list[Facts]]]:
        """What each filter tells apart, by layer: see words.read."""
        return words.read(self.artifacts / "analysis" / self.key / "words.csv")

    def ordered(self) -> list[Layer]:
        return list(self.layers.values())


def read_model(artifacts: Path, key: str, sets: Iterable[str], facts: Facts) -> Model:
    """Open one model. sets: those of params.yaml, of which it saw some; facts: report.facts.model.

    Raises InputError for a layer whose name is no file name.
    """
    saw = [
        name for name in sets if any((artifacts / kind / key / name).is_dir() for kind in ("feature_maps", "analysis"))
    ]
    model = Model(artifacts, key, facts, saw)
    for index, conv in enumerate(facts["conv_layers"]):
        if conv["name"] in ("", ".", "..") or "/" in conv["name"]:
            raise InputError(f"{key}: layer {conv['name']!r} cannot name a folder of the report; rename the layer")
        model.layers[conv["name"]] = Layer(model, conv, index)
        model.sources[conv["name"]] = tuple(conv.get("sources", ()))
    model.readers = {name: [] for name in model.layers}
    for name, origins in model.sources.items():
        for origin in origins:
            model.readers[origin].append(name)
    return model
