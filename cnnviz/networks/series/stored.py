"""The checkpoints of a stored model: `<model>/checkpoints/<index>.npz`, and each as a stored model by itself."""

import gc
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cnnviz.errors import InputError
from cnnviz.files import progress, write_json
from cnnviz.networks.description import fingerprint, read_description
from cnnviz.networks.series.composing import replace
from cnnviz.networks.series.kept import Moment, from_weights, keep, read_arrays, read_moment
from cnnviz.networks.series.listing import Checkpoint
from cnnviz.networks.series.telling import IDLE_LAYER, telling

FOLDER, WEIGHTS = "checkpoints", "weights.weights.h5"
HEAVY = 1 << 23  # weights: 32 MB


def store(
    key: str,
    checkpoints: Sequence[Checkpoint],
    first: Checkpoint,
    network: keras.Model,
    read: Callable[[Checkpoint], keras.Model],
    digest: Callable[[keras.Model], str],
    folder: Path,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Write the weights of checkpoints below a stored model's folder, one in memory at a time.

    network: that of the series' first one, as it is stored; it gets the weights of the last; read: gives that of
    another one in the same form. Returns their entries for model.json, and notes: a state that has two files of one
    name is there once. Raises InputError, naming the file, for one of another architecture, and for two states of one
    name.
    """
    wanted, before, found = signature(network), None, network
    entries: list[dict[str, Any]] = []
    twice = Twice(f"params.yaml: models.{key}.checkpoints")
    with progress(len(checkpoints), "checkpoint", f"models {key}") as bar:
        for checkpoint in checkpoints:
            found = network if checkpoint == first else read(checkpoint)
            check(signature(found), wanted, checkpoint, first, twice.where)
            if twice.seen(checkpoint, state := digest(found)):
                bar.update()
                continue
            with tempfile.TemporaryDirectory() as place:
                found.save_weights(Path(place) / WEIGHTS)
                arrays = from_weights(Path(place) / WEIGHTS)
            moment = Moment(checkpoint.moment.epoch, checkpoint.moment.step, checkpoint.moment.logs)
            before = keep(folder / FOLDER, str(len(entries)), arrays, before, moment)
            entries.append(
                {
                    "name": checkpoint.name,
                    "file": checkpoint.path.name,
                    "epoch": moment.epoch,
                    "step": moment.step,
                    "logs": moment.logs,
                    "digest": state,
                }
            )
            let_go(found.count_params())
            bar.update()
    put(network, found)
    return entries, twice.notes + twice.copies


def put(network: keras.Model, other: keras.Model) -> None:
    """Give a network the weights of another one of the same signature."""
    network.set_weights(other.get_weights())
    for layer in network._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()  # Normalization computes with what it makes of its weights


def let_go(weights: int) -> None:
    """Free large networks at once, which refer to themselves: Python would keep several until it looks for such."""
    if weights > HEAVY:
        gc.collect()


def signature(network: keras.Model) -> list[Any]:
    """What checkpoints of one network have in common: kinds of layers, settings, shapes of weights, what each reads.

    As JSON has it. What matters to training alone, such as a rate of dropout or a regularizer, is left out.
    """
    found = []
    for layer in network._flatten_layers():
        if isinstance(layer, keras.Sequential) or hasattr(layer, "operations"):  # as `_reads` tells
            continue
        shapes = [list(weight.shape) for weight in layer.weights]
        settings = _settings(layer)
        if isinstance(layer, keras.layers.InputLayer):
            settings["size"] = list(layer.batch_shape[1:])
        found.append([type(layer).__name__, settings, shapes, layer.name])
    graphs = [one for one in network._flatten_layers() if isinstance(one, keras.Model) and hasattr(one, "operations")]
    return [*found, *([type(one).__name__, {}, _reads(one), "what layers read"] for one in graphs)]


def _settings(operation: Any) -> Any:
    """Of a layer, of one of `keras.ops`, or of a network that is the user's own class."""
    if IDLE_LAYER.fullmatch(type(operation).__name__):
        return {}
    try:
        found = json.dumps(operation.get_config(), default=_said)
    except (NotImplementedError, TypeError, ValueError):  # of the user's own, which does not say them
        return {}
    return telling(json.loads(found))


def _said(one: Any) -> Any:
    """What JSON does not have: functions and objects by their names, arrays by their content."""
    if isinstance(one, np.ndarray | np.generic) or hasattr(one, "numpy"):
        array = np.asarray(one)
        return [array.dtype.name, list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
    return getattr(one, "__name__", type(one).__name__)


def _reads(network: keras.Model) -> Any:
    """Each call of a layer or operation: which it is, what it reads (numbers of a call and of its output), with what
    arguments; no names of layers, which differ between builds.
    """
    by_depth = getattr(network, "_nodes_by_depth", {})
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    made = {id(tensor): [i, j] for i, node in enumerate(nodes) for j, tensor in enumerate(node.output_tensors)}
    calls = []
    for node in nodes:
        arguments = (node.arguments.args, {k: v for k, v in node.arguments.kwargs.items() if v is not None})
        given = keras.tree.map_structure(lambda one: made.get(id(one), one), arguments)
        own = [] if isinstance(node.operation, keras.Layer) else [_settings(node.operation)]
        calls.append([type(node.operation).__name__, given, *own])
    return json.loads(json.dumps(calls, default=_said))


def check(found: list[Any], wanted: list[Any], checkpoint: Checkpoint, first: Checkpoint, where: str) -> None:
    """Raises InputError, naming the checkpoint's file, where its signature is not that of the first one."""
    if other := difference(found, wanted):
        raise InputError(
            f"{where}: {str(checkpoint.path)!r} is of another architecture than {first.path.name!r}: {other}; "
            "leave it out"
        )


def difference(one: list[Any], other: list[Any]) -> str:
    """In words what differs first between two signatures; empty where nothing does."""
    if len(one) != len(other):
        return f"{len(one)} layers, not {len(other)}"
    for here, there in zip(one, other, strict=True):
        if here[0] != there[0]:
            return f"{here[3]} is {here[0]}, not {there[0]}"
        if here[2] != there[2] and here[3] == "what layers read":
            return "its layers and operations are called otherwise"
        if here[2] != there[2]:
            return f"the weights of {here[3]} have the shapes {here[2]}, not {there[2]}"
        for name in (one for one in here[1] if one in there[1]):  # another Keras may know more of them
            if name == "size" and _may_be_one(here[1][name], there[1][name]):
                continue
            if here[1][name] != there[1][name]:
                return f"{name} of {here[3]} is {str(here[1][name])[:40]}, not {str(there[1][name])[:40]}"
    return ""


def _may_be_one(one: list[Any], other: list[Any]) -> bool:
    """Whether two sizes of inputs agree as far as both are known."""
    return len(one) == len(other) and all(None in pair or pair[0] == pair[1] for pair in zip(one, other, strict=True))


class Twice:
    """Looks for a state that has two files of one name, whole and its weights alone. where: what an error begins with.

    notes: what was found; copies: files of other names that hold one state, which are taken as they are.
    """

    def __init__(self, where: str) -> None:
        self.where, self.notes, self.copies = where, list[str](), list[str]()
        self._names: dict[str, tuple[Checkpoint, str]] = {}
        self._states: dict[str, Checkpoint] = {}

    def seen(self, checkpoint: Checkpoint, state: str) -> bool:
        """Whether it is there already. state: digest of its weights. Raises InputError where its name has another."""
        if checkpoint.name in self._names:
            other, its = self._names[checkpoint.name]
            if its != state:
                raise InputError(
                    f"{self.where}: {str(other.path)!r} and {str(checkpoint.path)!r} have one name and other weights; "
                    "rename one, or leave it out"
                )
            self.notes.append(f"{checkpoint.path.name} is the same state as {other.path.name}: it counts once")
            return True
        if checkpoint.moment.epoch is None and (same := self._states.get(state)):
            self.copies.append(f"{checkpoint.path.name} has the weights of {same.path.name}; leave out what is a copy")
        self._names[checkpoint.name] = checkpoint, state
        self._states.setdefault(state, checkpoint)
        return False


class Stored:
    """The checkpoints of the stored model in a folder; as long as there are any, 0 where it is no series."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.described = folder, read_description(folder)
        self.entries: list[dict[str, Any]] = self.described.get("checkpoints", [])

    def __len__(self) -> int:
        return len(self.entries)

    def described_at(self, i: int) -> dict[str, Any]:
        """model.json of the network as it was at checkpoint i."""
        if i == len(self) - 1:
            return self.described
        described = self.described | {"digest": self.entries[i]["digest"]}
        return described | {"fingerprint": fingerprint(described)}

    @contextmanager
    def at(self, i: int) -> Iterator[Path]:
        """Inside, a folder as `networks.load` takes it, of the network as it was at checkpoint i."""
        if i == len(self) - 1:
            yield self.folder
            return
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            for name in ("code.py", WEIGHTS):
                if (self.folder / name).is_file():
                    shutil.copyfile(self.folder / name, folder / name)
            file = self.folder / FOLDER / f"{i}.npz"
            try:
                arrays = read_arrays(file.parent, read_moment(file), file.name)
            except InputError as error:
                raise InputError(f"{str(error).partition(';')[0]}; `make repro` brings it back") from None
            replace(folder / WEIGHTS, arrays, str(file))
            write_json(folder / "model.json", self.described_at(i))
            yield folder
