"""What a stage asks of a model, and the files that it takes: plain values, which go to any process (no TensorFlow)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnviz.errors import InputError
from cnnviz.files import WHOLE
from cnnviz.images import ImageSet, load_sets
from cnnviz.maximization.section import MaximizeSection
from cnnviz.networks import read_description, selection
from cnnviz.objectives import Objective, parse

if TYPE_CHECKING:
    from cnnviz.networks import ModelSection


@dataclass(frozen=True)
class Given:
    """What is there of a model: its folder and model.json, filters by layer, objectives and image sets by name."""

    stored: Path
    described: dict[str, Any]
    wanted: Mapping[str, Sequence[int]]
    objectives: Mapping[str, Objective]
    images: Mapping[str, ImageSet]


@dataclass(frozen=True)
class Request:
    """The filters and objectives of the model `key` that params.yaml asks for; seed: random_seed; sets: names.

    plain: the first attempt alone, without verdicts, scores and objectives, of all checkpoints: what `epochs` follows.
    """

    key: str
    model: "ModelSection"
    section: MaximizeSection
    seed: int
    sets: tuple[str, ...]
    plain: bool = False

    def read(self, artifacts: Path) -> Given:
        """Raises InputError for a layer or filter that is not there, and for what can't be had of the model."""
        stored = artifacts / "models" / self.key
        described = read_description(stored)
        wanted = selection.filters(self.model.layers, described, f"params.yaml: models.{self.key}.layers")
        if self.plain:
            wanted = {layer: filters[:WHOLE] for layer, filters in wanted.items()}
        others = {} if self.plain else {name: parse(text) for name, text in self.model.objectives.items()}
        selection.check_canvas(described, wanted, self.section.size, self.section.max_size)
        images = load_sets(artifacts, self.sets, described["input_shape"][2])
        start = self.section.start
        if start != "noise" and start.split("/")[0] not in images:
            there = ", ".join(images)
            raise InputError(f"params.yaml: maximize.start: {self.key} can't see the images of that set; {there}")
        return Given(stored, described, wanted, others, images)

    def files(self, artifacts: Path) -> list[str]:
        """Paths, relative to `artifacts`, of all files that `Work` reads."""
        stored, maps = artifacts / "models" / self.key, artifacts / "feature_maps" / self.key
        places = [artifacts / "images" / "images.json", *(artifacts / "images" / f"{name}.npz" for name in self.sets)]
        places += sorted(stored.rglob("*"))
        places += [] if self.plain else [maps / name / "per_image.npz" for name in self.sets]
        return [path.relative_to(artifacts).as_posix() for path in places if path.is_file()]
