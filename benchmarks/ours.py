"""All that the benchmark uses of cnnviz: its renderer, its scores, its network and what the network must compute."""

import dataclasses
import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from cnnviz.config import params
from cnnviz.maximization import canvas, chunks
from cnnviz.maximization.ascent import settings as recipe
from cnnviz.maximization.ascent.renderer import Renderer
from cnnviz.networks import graph, loading, store
from cnnviz.objectives import channel

STEPS = 100
STORED = Path("artifacts/models/vgg16")
CACHED = Path(".cache/benchmarks/vgg16")
Network = tuple[Any, dict[str, Any]]  # Keras model, model.json


def network() -> Network:
    """Load VGG16 as `make repro` stored it, else get it from its source and keep it in the cache."""
    chunks.keep_heap()
    for folder in (STORED, CACHED):
        if (folder / store.WEIGHTS).is_file():
            return store.load(folder)
    CACHED.mkdir(parents=True, exist_ok=True)
    store.save("vgg16", loading.get("vgg16", params.load().models["vgg16"]), CACHED)
    return store.load(CACHED)


def weights(loaded: Network) -> dict[str, np.ndarray]:
    """Return kernels and biases of the conv layers, for those that build the network themselves."""
    found = {}
    for layer in loaded[0].layers:
        if layer.weights:
            found[f"{layer.name}/kernel"], found[f"{layer.name}/bias"] = layer.get_weights()
    return found


_renderers: dict[Any, Renderer] = {}  # traced once per layer, as in a stage


def _renderer(loaded: Network, layer: str, settings: recipe.Settings) -> Renderer:
    key = (layer, settings.size, settings.precision)
    if key not in _renderers:
        model, described = loaded
        _renderers[key] = Renderer(model, described["preprocessing"], channel(layer, 0), settings, described["digest"])
    return _renderers[key]


def _settings(loaded: Network, layer: str, size: int, precision: str) -> recipe.Settings:
    """The default recipe of params.yaml for a layer, on the benchmark's canvas, of any contrast, as peers have it:
    robust scores grow with it.
    """
    chosen, described = params.load(), loaded[1]
    field = next(conv["receptive_field"] for conv in described["conv_layers"] if conv["name"] == layer)
    options = chosen.maximize.model_copy(update={"precision": precision, "contrast": 0})
    return recipe.settings_for(options, chosen.random_seed, canvas.pair(field), (size, size))


def render(
    loaded: Network, layer: str, filters: list[int], steps: int, size: int, precision: str, snapshots: list[int]
) -> dict[str, Any]:
    """Render filters of one layer with the default recipe.

    precision: float32, or auto for cnnviz's default. Returns images uint8 (n, s, h, w, 3), steps (s,), the seconds
    (s,) from the call to each snapshot's step, and the seconds of a step and of a snapshot by themselves.
    """
    settings = _settings(loaded, layer, size, precision)
    settings = dataclasses.replace(settings, steps=steps, snapshots=tuple(snapshots))
    renderer = _renderer(loaded, layer, settings)
    renderer.settings = settings
    start, done, seconds = time.perf_counter(), 0, {}

    def tick(image_steps: int) -> None:
        nonlocal done
        done += image_steps // len(filters)
        seconds[done] = time.perf_counter() - start

    rendered = renderer.render([channel(layer, k) for k in filters], scored=False, tick=tick)
    gaps = {after: seconds[after] - seconds[before] for before, after in itertools.pairwise(sorted(seconds)[1:])}
    scored = {int(step) + 1 for step in rendered.snapshot_steps}  # steps that begin after a snapshot
    clean = [gap for after, gap in gaps.items() if after not in scored]
    others = [gap for after, gap in gaps.items() if after in scored]
    wanted = [list(rendered.snapshot_steps).index(s) for s in snapshots]
    return {
        "images": rendered.snapshots[:, wanted],
        "steps": np.array(snapshots),
        "seconds": np.array([seconds[s] for s in snapshots]),
        "step": np.mean(clean).item(),
        "snapshot": np.mean(others).item() - np.mean(clean).item() if others else 0.0,
    }


def robust(loaded: Network, layer: str, filters: list[int], images: np.ndarray) -> np.ndarray:
    """Return the robust score (n,) of images uint8 (n, h, w, 3), as docs/scores.md defines it, in float32."""
    renderer = _renderer(loaded, layer, _settings(loaded, layer, images.shape[1], "float32"))
    return renderer.score(images, [channel(layer, k) for k in filters])


def scores(loaded: Network, layer: str, filters: list[int], images: np.ndarray) -> dict[str, np.ndarray]:
    """Return scores of images uint8 (n, h, w, 3), by name, each (n,)."""
    renderer = _renderer(loaded, layer, _settings(loaded, layer, images.shape[1], "float32"))
    data = renderer.evaluation.data([channel(layer, k) for k in filters])
    pixels = tf.constant(images, tf.float32) / 255.0
    plain, _ = renderer.evaluation.value(pixels, data, "pre_activation", tf.constant(0.0))
    return {"robust": robust(loaded, layer, filters, images), "activation": plain.numpy()}


def convolutions(model: Any, layer: str, size: int) -> list[tuple[int, ...]]:
    """List (kh, kw, in, out, h, w) of the convolutions up to `layer`, h and w of the output."""
    found = []
    for name, conv in graph.trace(model, (size, size, 3), until=layer).convs.items():
        kh, kw, channels, _ = conv.kernel_shape
        found.append((kh, kw, channels, conv.filters, *(int(n) for n in conv.output.shape[1:3])))
        if name == layer:
            break
    return found
