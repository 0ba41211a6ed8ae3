"""Which outputs are the same bytes and, where they aren't and the files are at hand, how far apart they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnnviz.errors import InputError
from cnnviz.files import ARTIFACTS, progress
from cnnviz.tracking import lockfile
from cnnviz.verify import maps, notes, pictures, predictions, sides
from cnnviz.verify.features import Features
from cnnviz.verify.maps import Apart
from cnnviz.verify.other import Other
from cnnviz.verify.pictures import Layer
from cnnviz.verify.predictions import Prediction
from cnnviz.verify.sides import Files, Folder

COMPARED = ("feature_maps", "maximize", "analysis")  # outputs of which more is said than "other bytes"
NETWORK = ("digest", "config", "input_shape", "preprocessing")  # of model.json


@dataclass
class Model:
    """What was compared of one model; None for what was not, empty for what is the same bytes."""

    name: str
    maps: list[Apart] | None = None
    layers: list[Layer] | None = None
    predictions: list[Prediction] | None = None


@dataclass
class Comparison:
    """Outputs by their path in artifacts/; `unlike`: networks and images that are not the same; notes: sentences."""

    same: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    only_here: list[str] = field(default_factory=list)
    only_there: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # differing ones whose files are not at hand
    unlike: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    otherwise: list[str] = field(default_factory=list)  # parameters and settings of other values, as sentences
    models: list[Model] = field(default_factory=list)


class _Both:
    """The files of both sides, and which outputs are the same bytes."""

    def __init__(self, other: Other, own: Mapping[str, str]) -> None:
        described = sides.paths(other.entries)
        self.here, self._folder, self._cached = Folder(ARTIFACTS), other.folder, {}
        present = [path for path in own if self.here.files(path)]
        if not present:
            raise InputError(f"{ARTIFACTS}: nothing is here to compare; run `make repro` or `dvc pull`")
        if other.folder:
            there = [path for path in {**own, **described} if other.folder.files(path)]
            same = {p for p in present if p in there and sides.same_files(*self.files(p))}
        else:
            there = list(described)
            digests = sides.digest_here(path for path in present if path in described)
            same = {path for path, md5 in digests.items() if md5 == described[path]}
            self._cached = sides.from_cache({p: described[p] for p in digests if p not in same})
        self.found = Comparison(
            same=[path for path in present if path in same],
            differing=[path for path in present if path in there and path not in same],
            only_here=[path for path in present if path not in there],
            only_there=[path for path in there if path not in present],
        )

    def files(self, path: str) -> tuple[Files, Files]:
        """Here and there; there none where only the digest is known."""
        return self.here.files(path), self._folder.files(path) if self._folder else self._cached.get(path, {})


def compare(other: Other) -> Comparison:
    """Compare the outputs of this folder with `other`. Raises InputError for damaged files, and for none."""
    entries = lockfile.read()
    own = sides.paths(entries)
    if not own:
        raise InputError("dvc.lock: no finished stage here; run `make repro` first, in the project's folder")
    both = _Both(other, own)
    found = both.found
    found.otherwise += notes.params(entries, other.entries)
    sets = _images(both)
    on_both = set(found.same + found.differing)
    for path in own:
        _, kind, *name = Path(path).parts
        outputs = {(ARTIFACTS / one / name[0]).as_posix() for one in COMPARED} if kind == "models" and name else set()
        if outputs & on_both and _same_network(both, path):
            found.models.append(_model(both, name[0], sets))
    found.unknown = [p for p in found.differing if Path(p).parts[1] in COMPARED and not both.files(p)[1]]
    return found


def _images(both: _Both) -> set[str]:
    """Image sets that are the same on both sides, as far as is known; notes those that aren't."""
    path = (ARTIFACTS / "images").as_posix()
    files = [side.get("images.json") for side in both.files(path)]
    one, other = (notes.read_mapping(file) if file else {} for file in files)
    if path in both.found.same or not other:
        return set(one)
    alike = {name for name in one if one[name]["sha256"] == dict(other.get(name) or {}).get("sha256")}
    both.found.unlike += [f"images {name}" for name in sorted(one.keys() - alike)]
    return alike


def _same_network(both: _Both, path: str) -> bool:
    """Whether both are one network, as far as is known; notes what isn't."""
    files = [side.get("model.json") for side in both.files(path)]
    if path in both.found.same or None in files:
        if path not in both.found.same:
            both.found.notes.append(f"{Path(path).name}: whether it is the same network is unknown")
        return True
    one, other = (notes.read_mapping(file) for file in files if file)
    differing = [key for key in NETWORK if one.get(key) != other.get(key)]
    if differing:
        both.found.unlike.append(f"network {Path(path).name} ({', '.join(differing)})")
    return not differing


def _model(both: _Both, name: str, sets: set[str]) -> Model:
    """Compare one model's outputs: those of the same bytes are not read."""
    model, said = Model(name), both.found.notes
    folders = {kind: (ARTIFACTS / kind / name).as_posix() for kind in COMPARED}
    files = {kind: both.files(path) for kind, path in folders.items() if path in both.found.differing}
    one, other = (maps.named(side) for side in files.get("feature_maps", ({}, {})))
    ours, theirs = (pictures.named(side) for side in files.get("maximize", ({}, {})))
    bar = progress(len(one.keys() & other.keys()) + len(ours.keys() & theirs.keys()), "layer", f"verify {name}")
    if folders["feature_maps"] in both.found.same:
        model.maps = []
    elif other:
        one, other = ({k: file for k, file in side.items() if k.split("/")[0] in sets} for side in (one, other))
        said += notes.missing(f"{name}: feature maps", one, other)
        model.maps = [_counted(bar, each) for each in maps.compare(one, other)] or None
        if parts := [each.name for each in model.maps or () if not each.whole]:
            said.append(f"{name}: of {', '.join(dict.fromkeys(parts))} only some images and channels are on both sides")
    if folders["maximize"] in both.found.same:
        model.layers = []
    elif theirs:
        said += notes.missing(f"{name}: maximized", ours, theirs)
        both.found.otherwise += notes.settings(name, *files["maximize"])
        said += [f"{name} {what}: pixels differ by {by}" for what, by in pictures.others(*files["maximize"])]
        features = Features(ARTIFACTS / "models" / name, ARTIFACTS / "feature_maps" / name)
        model.layers = [_counted(bar, each) for each in pictures.compare(ours, theirs, features.alike)] or None
        if parts := [each.name for each in model.layers or () if not each.whole]:
            said.append(f"{name}: of {', '.join(parts)} only some filters were rendered on both sides")
    bar.close()
    if folders["analysis"] in both.found.same:
        model.predictions = []
    elif all(predictions.FILE in side for side in files.get("analysis", ({}, {}))):
        here, there = (side[predictions.FILE] for side in files["analysis"])
        model.predictions = list(predictions.compare(here, there, sorted(sets))) or None
    return model


def _counted(bar: Any, each: Any) -> Any:
    bar.update()
    return each
