"""cnnviz as a library: `cnnviz.maximize(model, "block3_conv1", [159, 41], preprocessing="caffe").images`."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnviz.activations import nature
from cnnviz.errors import InputError, choices
from cnnviz.maximization import Chunk, Judged, Rendering, Settings, Surroundings, Wishes, Workshop, rose, settings
from cnnviz.networks import digest, graph
from cnnviz.objectives import Objective, channel
from cnnviz.sources import catalog

INPUT_SIZE = 224  # of a network that takes any
LARGEST = 128  # canvas, where its size is not given


@dataclass(frozen=True)
class Result:
    """n images: uint8 `(n, h, w, channels)`; curves float32 `(n, steps)`; objectives, status, reason: n str each.

    scores: arrays `(n,)` by name, see docs/scores.md; NaN (rank 0) for what needs natural images where none are given.
    Of objectives other than the filters of one layer, only `robust_score`.
    """

    objectives: list[str]
    images: np.ndarray
    curves: np.ndarray
    status: np.ndarray
    reason: np.ndarray
    scores: dict[str, np.ndarray]


def maximize(
    model: keras.Model,
    what: str | Objective | Sequence[Objective],
    filters: Sequence[int] = (),
    *,
    preprocessing: str | tuple[float, float] | Callable[[Any], Any],
    natural: np.ndarray | None = None,
    start: np.ndarray | None = None,
    size: int | None = None,
    memory_mb: float = 1000,
    stability_steps: int = 0,
    **options: Any,
) -> Result:
    """Render filters of a layer, or any objectives, of a Keras model that is a graph of layers.

    Layers of one's own, nested models and 1, 3 or N input channels are welcome. what: the name of a layer, with
    `filters`; or objectives (cnnviz.objectives). preprocessing: a name (raw, unit, tf, torch, caffe), the range
    (lowest, highest) that the network expects, or a function from images in 0..255 to its input. natural: images
    `(m, h, w, channels)` in 0..255 to hold the results against. start: one such image to start from instead of noise.
    size: canvas in pixels, chosen by the receptive field if None. options: fields of `settings.Settings`.
    Raises InputError for a layer, filter or option that does not exist.
    """
    for name in options:
        if name not in Settings.__dataclass_fields__:
            raise InputError(f"maximize: unknown option {name!r}; {choices(name, Settings.__dataclass_fields__)}")
    layer = what if isinstance(what, str) else None
    wanted = [channel(what, k) for k in filters] if isinstance(what, str) else _listed(what)
    if not wanted:
        raise InputError("maximize: nothing is asked for; expected a layer's name and its filters, or objectives")
    depth, spec = int(model.input_shape[-1]), _preprocessing(preprocessing)
    chosen = _settings(model, wanted, size, stability_steps, options)
    shop = Workshop(model, spec, digest(model), depth)
    around = Surroundings(chosen=None if start is None else _canvas([start], chosen.size))
    if natural is not None:
        pictures = _canvas(natural, chosen.size)
        known = nature.measure(model, spec, layer, natural) if layer else None
        around = Surroundings(known, pictures, lambda row: pictures[row], around.chosen)
    parts = []
    work = Rendering("", shop.render, None, lambda done: None)
    wishes = Wishes(stability_steps=stability_steps)
    maco = around.pictures if chosen.parameterization == "maco" else None
    for _, group in groupby(wanted, key=lambda one: one.structure):
        same = list(group)
        each = shop.size(same[0], chosen, memory_mb, maco)
        for some in (same[i : i + each] for i in range(0, len(same), each)):
            if layer:
                parts.append(work.judge(layer, [_filter(one) for one in some], chosen, wishes, around))
            else:
                starts = None if around.chosen is None else np.repeat(around.chosen, len(some), 0)
                parts.append(_plainly(work.images(Chunk("", tuple(some), chosen, starts=starts, natural=maco))))
    return Result(
        objectives=[str(one) for one in wanted],
        images=np.concatenate([part.rendered.images for part in parts]),
        curves=np.concatenate([part.rendered.scores for part in parts]),
        status=np.concatenate([part.status for part in parts]),
        reason=np.concatenate([part.reason for part in parts]),
        scores={name: np.concatenate([part.measures[name] for part in parts]) for name in parts[0].measures},
    )


def _filter(one: Objective) -> int:
    return one.terms[0][1].channels[0][0]


def _listed(what: Objective | Sequence[Objective]) -> list[Objective]:
    return [what] if isinstance(what, Objective) else list(what)


def _plainly(rendered: Any) -> Judged:
    """Objectives of any kind: whether the score rose, and the robust score."""
    rising = rose(rendered)
    reason = np.where(rising, "", "its score did not rise")
    return Judged(rendered, np.where(rising, "ok", "weak"), reason, {"robust_score": rendered.robust})


def _settings(
    model: keras.Model, wanted: Sequence[Objective], size: int | None, stability_steps: int, options: dict[str, Any]
) -> Settings:
    """The default recipe at a canvas for the largest receptive field of the layers that are named."""
    side = int(model.input_shape[1] or INPUT_SIZE)
    names = list(dict.fromkeys(name for one in wanted for name in one.layers))
    logit = any(kind == "logit" for one in wanted for kind, _ in one.structure)
    field: float | None = None
    if names:
        traced = graph.trace(model, (side, side, int(model.input_shape[-1])), until=names)
        known = [graph.unit(traced, name) for name in names]
        # what a layer of one's own sees is not known
        field = max(c.receptive_field if type(c.layer).__module__.startswith("keras.") else np.inf for c in known)
    field = None if field is None or not np.isfinite(field) else field
    given: dict[str, Any] = {
        "size": size or (side if logit else settings.canvas(field, side, LARGEST)),
        "precision": settings.resolve_precision("auto"),
        "optimizer": settings.optimizer_for("auto", field),
        **options,
    }
    given["snapshots"] = tuple(sorted({*given.get("snapshots", ()), stability_steps} - {0}))
    return Settings(**given)


def _canvas(images: Any, size: int) -> np.ndarray:
    """Images in 0..255 at the canvas size, float32 in [0, 1]."""
    pixels = np.asarray(images, "float32") / 255
    if pixels.ndim != 4:
        raise InputError(f"images {pixels.shape} given; expected (m, height, width, channels)")
    return np.clip(tf.image.resize(pixels, (size, size), antialias=True).numpy(), 0, 1)


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
