"""What files that are already there say against params.yaml, before DVC starts: the user's own, and stored models."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from cnnviz.analysis import subjects
from cnnviz.config import notes
from cnnviz.config.schema import Params
from cnnviz.errors import InputError, choices
from cnnviz.filters import lendable
from cnnviz.images import Own
from cnnviz.maximization import check_enlarged
from cnnviz.networks import ModelSection, read_description, recognise, selection, series
from cnnviz.objectives import Term, parse
from cnnviz.tracking import lockfile

# What of a model's block makes the network that is stored
NETWORK = {"known", "application", "file", "checkpoints", "architecture", "sources", "input_size", "input_shape"}
NETWORK |= {"code", "inputs", "bands", "preprocessing", "output", "random_weights"}
UNKNOWN = 1 << 62  # more images than any set has


def complaints(params: Params, artifacts: Path, lock: Path = Path()) -> Iterator[str]:
    """A line for all that a stage would refuse, as far as the files in `inputs` and model.json tell by now.

    A model.json counts only where dvc.lock (in the folder `lock`) says that it is of the network that params.yaml asks
    for, and no file that it came from is newer.
    """
    counts, said = _counts(params)
    yield from said
    entries: dict[str, lockfile.Entry] = {}
    written: notes.Notes = {}
    try:
        written = notes.parsed(params, lock / notes.PATH)
    except InputError as problem:
        yield from str(problem).splitlines()
    for line in params.of_images({**params.images.counts, **counts}):
        yield f"params.yaml: {line}"
    lowest = min(params.feature_maps.images)
    for name, count in counts.items():
        if lowest >= count:
            yield f"params.yaml: feature_maps.images: {lowest} is out of range; {name} has 0..{count - 1}"
    with suppress(InputError):  # of a dvc.lock that can't be read
        entries = {entry.name: entry for entry in lockfile.read(lock)}
    for key, model in params.models.items():
        yield from _of_files(f"params.yaml: models.{key}", model, counts)
        folder, entry = artifacts / "models" / key, entries.get(f"models@{key}")
        lines: list[str] = []
        if entry is not None and _is_of(model, entry, folder):
            with suppress(InputError, ValueError, KeyError, TypeError):  # a model.json that is damaged, or an older one
                described = read_description(folder)
                lines += _of_stored(key, model, params, described)
                lines += notes.of_model(key, written.get(key, {}), described)
        yield from lines


def _of_files(where: str, model: ModelSection, counts: Mapping[str, int]) -> Iterator[str]:
    for name, images in model.explain.items():
        if max(images, default=0) >= counts.get(name, UNKNOWN):
            yield f"{where}.explain.{name}: image {max(images)} is out of range; there are 0..{counts[name] - 1}"
    if model.checkpoints:
        find = partial(series.find, model.checkpoints, model.architecture, f"{where}.checkpoints")
        if line := _refused(find):
            yield line
    if model.file and (line := _refused(partial(recognise, Path(model.file), f"{where}.file"))):
        yield line
    if model.code and not Path(model.code).is_file():
        yield f"{where}.code: {model.code!r} not found"


def _refused(check: Callable[[], Any]) -> str | None:
    try:
        check()
    except InputError as problem:
        return str(problem)
    return None


def _counts(params: Params) -> tuple[dict[str, int], list[str]]:
    """How many images each set has, of those where that is known; and why a folder can't be taken."""
    counts = {name: count for name, count in params.images.counts.items() if count is not None}
    said = []
    for name, one in params.images.sets.items():
        if one.folder is None or not Path(one.folder).is_dir():
            continue
        try:
            counts[name] = len(Own(Path(one.folder), None if one.count == "all" else one.count, one.background))
        except InputError as problem:
            said.append(f"params.yaml: images.sets.{name}.folder: {problem}")
    return counts, said


def _is_of(model: ModelSection, entry: lockfile.Entry, folder: Path) -> bool:
    """Whether what is stored is the network that params.yaml asks for."""
    asked = lockfile.flatten(model.model_dump(mode="json", exclude_unset=True, include=NETWORK))
    made = {name.removeprefix(f"models.{entry.model}."): value for name, value in entry.params.items()}
    made = {name: value for name, value in made.items() if name.split(".")[0] in NETWORK}
    try:
        stored = (folder / "model.json").stat()
        files = [Path(path).stat() for path in (model.file, model.code) if path]
        if model.checkpoints:
            files += [path.stat() for path in series.files_of(model.checkpoints, model.architecture)]
    except OSError:
        return False
    return asked == made and entry.present() and all(file.st_ctime < stored.st_ctime for file in files)


def _of_stored(key: str, model: ModelSection, params: Params, described: Mapping[str, Any]) -> Iterator[str]:
    where = f"params.yaml: models.{key}"
    described = dict(described)
    checks: list[Callable[[], Any]] = [
        lambda: selection.filters(model.layers, described, f"{where}.layers"),
        lambda: selection.filters(model.channels, described, f"{where}.channels"),
        lambda: subjects.layers(model.analyzed_layers, described, f"{where}.analyzed_layers"),
        lambda: selection.check_batch(described, params.analyze.batch, "params.yaml: analyze.batch"),
        lambda: selection.check_canvas(
            described,
            selection.filters(model.layers, described, f"{where}.layers"),
            params.maximize.size,
            params.maximize.max_size,
        ),
    ]
    if enlarged := params.enlarge.get(key):
        checks.append(lambda: check_enlarged(key, enlarged, params.maximize, described))
    if (borrowed := params.fixed_filters.borrowed) and borrowed.model == key:
        checks.append(lambda: lendable(described, borrowed.layer, borrowed.filters))
    yield from dict.fromkeys(line for check in checks if (line := _refused(check)))
    layers = {layer["name"]: layer["output_shape"] for layer in described["layers"]}
    convs = [conv["name"] for conv in described["conv_layers"]]
    if model.explained_layer is not None and model.explained_layer not in convs:
        yield f"{where}.explained_layer: no layer {model.explained_layer!r}; {choices(model.explained_layer, convs)}"
    head, outputs = described["head"], len(described["output_names"])
    classes = len(head["names"]) if head["kind"] in ("classes", "labels") and outputs == 1 else None
    for name, text in model.objectives.items():
        for _, term in parse(text).terms:
            if line := _unreachable(term, layers, convs, classes):
                yield f"{where}.objectives.{name}: {term}: {line}"
    if classes is not None and model.class_names and len(model.class_names) != classes:
        yield f"{where}.class_names: {len(model.class_names)} given; the network has {classes} classes"
    for name, fit in model.labels.items():
        for label, target in fit.items() if isinstance(fit, dict) and classes is not None else ():
            if isinstance(target, int) and (line := _beyond(f"class {target}", target, classes)):
                yield f"{where}.labels.{name}.{label}: {line}"


def _unreachable(term: Term, layers: Mapping[str, Any], convs: list[str], classes: int | None) -> str | None:
    """Why a term can't be had of these layers (output shapes by name), of which the convolutions are `convs`."""
    if term.kind == "logit":
        return _beyond(f"class {term.index}", term.index, classes)
    if term.layer not in layers:
        return f"the network has no layer {term.layer!r}; {choices(term.layer, convs)}"
    shape, highest = layers[term.layer], max((channel for channel, _ in term.channels), default=0)
    return _beyond(f"channel {highest}", highest, shape[-1] if shape and isinstance(shape[-1], int) else None)


def _beyond(what: str, index: int, count: int | None) -> str | None:
    return None if count is None or index < count else f"{what} is out of range; there are 0..{count - 1}"
