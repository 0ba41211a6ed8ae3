"""The checkpoints of a stored model: `<model>/checkpoints/<index>.npz`, and each as a stored model by itself."""

import gc
import hashlib
import json
import re
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

FOLDER, WEIGHTS = "checkpoints", "weights.weights.h5"
HEAVY = 1 << 23  # weights: 32 MB
# Settings and layers that change nothing of what a trained network answers
IDLE = re.compile(
    r"name|trainable|dtype|seed|batch_shape|batch_input_shape|build_config|.*(initializer|regularizer|constraint)"
    r"|momentum|renorm.*|synchronized|dropout|recurrent_dropout|unroll|use_cudnn|flash_attention|implementation"
)
IDLE_LAYER = re.compile(
    r"(Spatial|Gaussian|Alpha)?Dropout(\dD)?|GaussianNoise|ActivityRegularization|Random(?!Crop)\w+|RandAugment|AugMix"
    r"|CutMix|MixUp"
)


def store(
    key: str,
    checkpoints: Sequence[Checkpoint],
    first: Checkpoint,
    network: keras.Model,
    read: Callable[[Checkpoint], keras.Model],
    digest: Callable[[keras.Model], str],
    folder: Path,
) -> list[dict[str, Any]]:
    """Write the weights of checkpoints below a stored model's folder, one in memory at a time.

    network: that of the series' first one, as it is stored; it gets the weights of the last; read: gives that of
    another one in the same form. Returns their entries for model.json. Raises InputError, naming the file, for one of
    another architecture.
    """
    wanted, before, entries, found = signature(network), None, [], network
    with progress(len(checkpoints), "checkpoint", f"models {key}") as bar:
        for i, checkpoint in enumerate(checkpoints):
            found = network if checkpoint == first else read(checkpoint)
            check(signature(found), wanted, checkpoint, first, f"params.yaml: models.{key}.checkpoints")
            with tempfile.TemporaryDirectory() as place:
                found.save_weights(Path(place) / WEIGHTS)
                arrays = from_weights(Path(place) / WEIGHTS)
            moment = Moment(checkpoint.moment.epoch, checkpoint.moment.step, checkpoint.moment.logs)
            before = keep(folder / FOLDER, str(i), arrays, before, moment)
            entries.append(
                {
                    "name": checkpoint.name,
                    "file": checkpoint.path.name,
                    "epoch": moment.epoch,
                    "step": moment.step,
                    "logs": moment.logs,
                    "digest": digest(found),
                }
            )
            let_go(found.count_params())
            bar.update()
    network.set_weights(found.get_weights())
    for layer in network._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()  # Normalization computes with what it makes of its weights
    return entries


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
        found.append([type(layer).__name__, _settings(layer), shapes, layer.name])
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
    return _telling(json.loads(found))


def _telling(settings: Any) -> Any:
    """Without what is idle, in layers that a layer wraps, too."""
    if isinstance(settings, list):
        return [_telling(one) for one in settings]
    if not isinstance(settings, dict):
        return settings
    return {key: _telling(value) for key, value in settings.items() if not IDLE.fullmatch(key)}


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
            if here[1][name] != there[1][name]:
                return f"{name} of {here[3]} is {str(here[1][name])[:40]}, not {str(there[1][name])[:40]}"
    return ""


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
            replace(folder / WEIGHTS, read_arrays(file.parent, read_moment(file), file.name), str(file))
            write_json(folder / "model.json", self.described_at(i))
            yield folder
