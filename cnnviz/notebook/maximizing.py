"""cnnviz as a library: `cnnviz.maximize(model, "block3_conv1", [159, 41], preprocessing="caffe").images`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cnnviz.activations import nature
from cnnviz.errors import InputError
from cnnviz.images import resize
from cnnviz.maximization import (
    Chunk,
    Judged,
    Rendering,
    Settings,
    Surroundings,
    Wishes,
    Workshop,
    canvas,
    doubt,
    rose,
    settings,
)
from cnnviz.networks import digest, graph, receptive_field, selection
from cnnviz.notebook import given, pixels
from cnnviz.notebook.options import checked
from cnnviz.notebook.result import Result
from cnnviz.objectives import Objective, channel

LARGEST = 128  # canvas, where its size is not given
CANVAS = 2048  # the largest, as params.yaml has it


@contextmanager
def _in_float32() -> Iterator[None]:
    """Keras's default for numbers may be another one (`keras.json`), in which renderings do not fit together."""
    before = keras.config.floatx()
    keras.config.set_floatx("float32")
    try:
        yield
    finally:
        keras.config.set_floatx(before)


def maximize(
    model: given.Model,
    what: str | Objective | Sequence[Objective],
    filters: Sequence[int] = (),
    *,
    preprocessing: given.Preprocessing | None = None,
    natural: Any = None,
    start: Any = None,
    size: int | tuple[int, int] | None = None,
    memory_mb: float = 1000,
    stability_steps: int = 0,
    **options: Any,
) -> Result:
    """Render filters of a layer, or any objectives, of a Keras model that is a graph of layers.

    model: a Keras model, a .keras or .h5 file, or the name of a model in artifacts/models. Layers of one's own, nested
    models and 1, 3 or N input channels are welcome. what: the name of a layer, with `filters`; or objectives
    (cnnviz.objectives). preprocessing: a name (raw, unit, tf, torch, caffe), the range (lowest, highest) that the
    network expects, or a function from images in 0..255 to its input; a stored model knows its own, nothing is guessed.
    natural: images in 0..255 to hold the results against, as `feature_maps` takes them. start: one such image to start
    from instead of noise. size: canvas in pixels, one number or (height, width); chosen by the receptive field if None,
    or what the network takes. options: fields of `settings.Settings`. Raises InputError for a layer, filter or option
    that does not exist, and for a size that the network does not take.
    """
    checked(options)
    given.whole(stability_steps, "stability_steps", lowest=0)
    given.number(memory_mb, "memory_mb", 1, np.inf)
    of = given.subject(model)
    spec = given.preprocessing(preprocessing, of)
    layer = what if isinstance(what, str) else None
    numbers = _filters(of, layer, filters) if layer else []
    wanted = [channel(layer, k) for k in numbers] if layer else _listed(what, filters)
    chosen = _settings(of, wanted, size, stability_steps, options)
    shop = Workshop(of.network, spec, of.stored.get("noise") or digest(of.network), of.channels, of.stored)
    if chosen.parameterization == "maco" and natural is None:
        raise InputError("natural: not given; the parameterization 'maco' takes its spectrum from natural images")
    parts = []
    with _in_float32():
        around = _around(of, spec, layer, natural, start, chosen.size)
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
                    made = work.images(Chunk("", tuple(some), chosen, starts=starts, natural=maco))
                    parts.append(_plainly(made, some))
    return Result(
        objectives=[str(one) for one in wanted],
        images=np.concatenate([part.rendered.images for part in parts]),
        curves=np.concatenate([part.rendered.scores for part in parts]),
        status=np.concatenate([part.status for part in parts]),
        reason=np.concatenate([part.reason for part in parts]),
        scores={name: np.concatenate([part.measures[name] for part in parts]) for name in parts[0].measures},
        layer=layer or "",
        filters=tuple(numbers),
    )


def _filter(one: Objective) -> int:
    return one.terms[0][1].channels[0][0]


def _filters(of: given.Subject, layer: str, filters: Sequence[int]) -> list[int]:
    return selection.numbers(filters, graph.unit(of.trace(until=layer), layer).filters, layer)


def _listed(what: Any, filters: Sequence[int]) -> list[Objective]:
    listed = [what] if isinstance(what, Objective) else list(what) if isinstance(what, list | tuple) else []
    if not listed or not all(isinstance(one, Objective) for one in listed):
        raise InputError(f"what: {given.said(what)} given; expected a layer's name and its filters, or objectives")
    if len(filters):
        raise InputError("filters: given with objectives; expected with a layer's name only")
    return listed


def _plainly(rendered: Any, wanted: Sequence[Objective]) -> Judged:
    """Objectives of any kind: whether the score rose, and the robust score; its sign where they are filters, added."""
    rising, finite = rose(rendered), rendered.finite
    doubts = np.array([doubt(float(r)) if _adds(one) else "" for r, one in zip(rendered.robust, wanted, strict=True)])
    cases = [~finite, ~rising, doubts != ""]
    reason = np.select(cases, ["its score is NaN or infinite: not rendered", "its score did not rise", doubts], "")
    status = np.select(cases, ["dead", "weak", "weak"], "ok")
    return Judged(rendered, status, reason, {"robust_score": rendered.robust})


def _adds(one: Objective) -> bool:
    """Whether all that an objective is made of are filters that it wants active."""
    return all(weight > 0 and term.kind in ("channel", "neuron") for weight, term in one.terms)


def _settings(
    of: given.Subject, wanted: Sequence[Objective], size: Any, stability_steps: int, options: dict[str, Any]
) -> Settings:
    """The default recipe at a canvas for the largest receptive field of the layers that are named."""
    names = list(dict.fromkeys(name for one in wanted for name in one.layers))
    logit = any(kind == "logit" for one in wanted for kind, _ in one.structure)
    field: Any = None
    if names:
        traced = of.trace(until=names)
        known = [graph.unit(traced, name) for name in names]
        sizes = [_seen(one) for one in known]
        field = tuple(np.max(np.array(sizes, float), axis=0).tolist()) if all(sizes) else None
    asked = None if size is None else _sides(size)
    fitting = canvas.Fitting(of.network, (*of.size, of.channels))
    if logit:
        chosen = canvas.Chosen(asked or of.size)
    else:
        chosen = fitting.layers(names, asked, canvas.wanted(field, of.size, LARGEST))
    resolved = {
        "size": chosen.size,
        "precision": settings.resolve_precision(options.get("precision", "auto")),
        "optimizer": settings.optimizer_for(options.get("optimizer", "auto"), field),
        "contrast": settings.contrast_for(
            options.get("contrast", "auto"), field, options.get("parameterization", "fourier")
        ),
        "snapshots": tuple(sorted({*options.get("snapshots", ()), stability_steps} - {0})),
    }
    return Settings(**{**options, **resolved})


def _seen(unit: graph.Conv) -> list[int] | None:
    """Height and width of what a unit sees; of a layer of one's own that is not known."""
    return receptive_field.field(unit.output).size if type(unit.layer).__module__.startswith("keras.") else None


def _sides(size: Any) -> tuple[int, int]:
    """One whole number for both sides, or two."""
    both = size if isinstance(size, list | tuple) and len(size) == 2 else (size, size)
    height, width = (given.whole(side, "size") for side in both)
    if max(height, width) > CANVAS:
        raise InputError(f"size: {given.said(size)} given; expected at most {CANVAS} pixels")
    return height, width


def _around(
    of: given.Subject, spec: Any, layer: str | None, natural: Any, start: Any, size: tuple[int, int]
) -> Surroundings:
    """Natural images, measured at the network's size and held against the results at the canvas size."""
    chosen = None if start is None else _canvas(pixels.alone(pixels.listed(start, of.channels, "start"), "start"), size)
    if natural is None:
        return Surroundings(chosen=chosen)
    pictures = _canvas(pixels.listed(natural, of.channels, "natural"), size)
    seen = pixels.images(natural, of, name="natural")
    known = nature.measure(of.network, spec, layer, seen) if layer else None
    return Surroundings(known, pictures, lambda row: pictures[row], chosen=chosen)


def _canvas(images: Sequence[NDArray], size: tuple[int, int]) -> NDArray[np.float32]:
    """Images in 0..255 at the canvas size, float32 in [0, 1]."""
    return resize(images, size) / np.float32(255)
