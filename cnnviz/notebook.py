"""cnnviz as a library: `cnnviz.maximize(model, "block3_conv1", [159, 41], preprocessing="caffe").images`."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnviz import catalog, graph, models, nature, rendering, settings
from cnnviz.chunks import Workshop
from cnnviz.errors import InputError, choices
from cnnviz.objectives import channel

INPUT_SIZE = 224  # of a network that takes any


@dataclass(frozen=True)
class Result:
    """Filters of one layer: images uint8 `(n, h, w, channels)`; curves float32 `(n, steps)`; status, reason str `(n,)`.

    scores: arrays `(n,)` by name, see docs/scores.md; NaN (rank 0) for what needs natural images where none are given.
    """

    filters: list[int]
    images: np.ndarray
    curves: np.ndarray
    status: np.ndarray
    reason: np.ndarray
    scores: dict[str, np.ndarray]


def maximize(
    model: keras.Model,
    layer: str,
    filters: Sequence[int],
    *,
    preprocessing: str | tuple[float, float] | Callable[[Any], Any],
    natural: np.ndarray | None = None,
    size: int | None = None,
    memory_mb: float = 1000,
    stability_steps: int = 0,
    **options: Any,
) -> Result:
    """Render filters of a conv layer of any Keras model that is a graph of layers, with 1, 3 or N input channels.

    preprocessing: a name (raw, unit, tf, torch, caffe), the range (lowest, highest) that the network expects, or a
    function from images in 0..255 to its input. natural: images `(m, h, w, channels)` in 0..255 to hold the results
    against. size: canvas in pixels, chosen by the receptive field if None. options: fields of `settings.Settings`.
    Raises InputError for a layer, filter or option that does not exist.
    """
    known = settings.Settings.__dataclass_fields__
    for name in options:
        if name not in known:
            raise InputError(f"maximize: unknown option {name!r}; {choices(name, known)}")
    depth, spec = int(model.input_shape[-1]), _preprocessing(preprocessing)
    side = int(model.input_shape[1] or INPUT_SIZE)
    traced = graph.trace(model, (side, side, depth), until=layer)
    if layer not in traced.convs:
        raise InputError(f"no conv layer {layer!r}; {choices(layer, traced.convs)}")
    canvas = size or settings.canvas(traced.convs[layer].receptive_field, side, 128)
    given: dict[str, Any] = {"size": canvas, "precision": settings.resolve_precision("auto"), "steps": 100, **options}
    given["snapshots"] = tuple(sorted({*given.get("snapshots", ()), stability_steps} - {0}))
    chosen = settings.Settings(**given)
    shop = Workshop(model, spec, models.digest(model), depth)
    around = rendering.Surroundings()
    if natural is not None:
        pictures = tf.image.resize(np.asarray(natural, "float32") / 255, (canvas, canvas), antialias=True).numpy()
        around = rendering.Surroundings(
            nature.measure(model, spec, layer, natural), pictures, lambda row: np.clip(pictures[row], 0, 1)
        )
    work = rendering.Rendering("", shop.render, None, lambda done: None)
    wishes = rendering.Wishes(stability_steps=stability_steps)
    natural_for = around.pictures if chosen.parameterization == "maco" else None
    each = shop.size(channel(layer, 0), chosen, memory_mb, natural_for)
    parts = [work.judge(layer, filters[i : i + each], chosen, wishes, around) for i in range(0, len(filters), each)]
    return Result(
        filters=[int(k) for k in filters],
        images=np.concatenate([part.rendered.images for part in parts]),
        curves=np.concatenate([part.rendered.scores for part in parts]),
        status=np.concatenate([part.status for part in parts]),
        reason=np.concatenate([part.reason for part in parts]),
        scores={name: np.concatenate([part.measures[name] for part in parts]) for name in rendering.SCORES},
    )


def _preprocessing(given: Any) -> Any:
    if callable(given):
        return given
    if isinstance(given, str):
        if given not in catalog.PREPROCESSING:
            raise InputError(f"preprocessing: unknown {given!r}; {choices(given, catalog.PREPROCESSING)}")
        return asdict(catalog.PREPROCESSING[given]) if given in ("caffe", "torch") else _plain(given)
    low, high = given
    return {"scale": [(high - low) / 255], "offset": [low], "reverse_channels": False}


def _plain(name: str) -> dict[str, Any]:
    """A preprocessing that treats all channels alike, for any number of them."""
    spec = catalog.PREPROCESSING[name]
    return {"scale": [spec.scale[0]], "offset": [spec.offset[0]], "reverse_channels": False}
