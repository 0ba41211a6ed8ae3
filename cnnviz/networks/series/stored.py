"""The checkpoints of a stored model: `<model>/checkpoints/<index>.npz`, and each as a stored model by itself."""

import gc
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

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
    for layer in network._flatten_layers(include_self=False):
        if isinstance(layer, keras.Model):
            continue
        shapes = [list(weight.shape) for weight in layer.weights]
        found.append([type(layer).__name__, _settings(layer), shapes, layer.name])
    graphs = [one for one in network._flatten_layers() if isinstance(one, keras.Model) and hasattr(one, "operations")]
    return [*found, *([type(one).__name__, {}, _reads(one), "what layers read"] for one in graphs)]


def _settings(layer: keras.Layer) -> Any:
    if IDLE_LAYER.fullmatch(type(layer).__name__):
        return {}
    try:
        found = json.dumps(layer.get_config(), default=lambda one: getattr(one, "__name__", type(one).__name__))
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


def _reads(network: keras.Model) -> list[list[list[int]]]:
    """What each call of a layer reads: numbers of a call and of its output; no names, which differ between builds."""
    by_depth = getattr(network, "_nodes_by_depth", {})
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    made = {id(tensor): [i, j] for i, node in enumerate(nodes) for j, tensor in enumerate(node.output_tensors)}
    return [[made.get(id(tensor), []) for tensor in node.arguments.keras_tensors] for node in nodes]


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
            return "its layers read others"
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

    @contextmanager
    def at(self, i: int) -> Iterator[Path]:
        """Inside, a folder as `networks.load` takes it, of the network as it was at checkpoint i."""
        if i == len(self) - 1:
            yield self.folder
            return
        described = self.described | {"digest": self.entries[i]["digest"]}
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            for name in ("code.py", WEIGHTS):
                if (self.folder / name).is_file():
                    shutil.copyfile(self.folder / name, folder / name)
            file = self.folder / FOLDER / f"{i}.npz"
            replace(folder / WEIGHTS, read_arrays(file.parent, read_moment(file), file.name), str(file))
            write_json(folder / "model.json", described | {"fingerprint": fingerprint(described)})
            yield folder
