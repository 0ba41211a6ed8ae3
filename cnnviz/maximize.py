"""Activation maximization: synthesise the image that drives one filter most, for many filters in one batch.

Fourier parameterization, transforms drawn per image, the network's own preprocessing, Adam. A filter's image depends on
the seed, the network, the layer, the filter and the settings alone, never on the others in its batch. Knows no files.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnviz import graph, models, objectives, parameterization, transforms
from cnnviz.errors import InputError

LEAK_STEPS = 16  # steps during which a silent unit's gradient passes its ReLU (objective post_activation)
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Adam's own defaults


@dataclass(frozen=True)
class Settings:
    """What a filter's image depends on besides the network. Lengths in pixels, angles in degrees."""

    steps: int = 128
    learning_rate: float = 0.05
    snapshots: tuple[int, ...] = (1, 10, 32, 100)
    objective: str = "post_activation"
    size: int = 128
    jitter: float = 0.06
    scale: float = 0.1
    rotate: float = 5.0
    precision: str = "float32"
    seed: int = 0

    @property
    def snapshot_steps(self) -> list[int]:
        """Steps after which the image is kept: those asked for, 10 and 100, and the last."""
        return sorted({s for s in (*self.snapshots, 10, 100) if s < self.steps} | {self.steps})


@dataclass(frozen=True)
class Rendered:
    """Images of some filters of one layer: see docs/artifacts.md, `artifacts/maximize/`."""

    filters: np.ndarray
    images: np.ndarray
    scores: np.ndarray
    snapshot_steps: np.ndarray
    snapshots: np.ndarray
    snapshot_scores: np.ndarray
    peaks: np.ndarray


def cpu_has_bfloat16() -> bool:
    """Whether this CPU computes in bfloat16 (AVX512-BF16 or AMX)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def canvas(receptive_field: float | None, input_size: int, max_size: int) -> int:
    """Choose a canvas in pixels: eight receptive fields wide, so that a pattern can repeat, in multiples of 16.

    At least 64 px, at most max_size and twice the size that the network was trained on: a 32-px network has nothing to
    say about larger pictures.
    """
    wanted = -(-8 * receptive_field // 16) * 16 if receptive_field else max_size
    return int(min(max(wanted, 64), max_size, max(2 * input_size, 32)))


def _set_precision(precision: str) -> None:
    """Compute convolutions in bfloat16, through TensorFlow's graph rewriter, or everything in float32.

    Matrix products stay float32: they make the image out of its coefficients, where rounding would show.
    """
    os.environ["TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_ALLOWLIST_REMOVE"] = "MatMul,BatchMatMul,BatchMatMulV2,Einsum"
    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": precision == "bfloat16"})


def settings_for(options: Any, seed: int, conv: dict[str, Any], input_size: int) -> Settings:
    """Turn params.yaml's `maximize` section into the settings of one layer (`conv` as in model.json)."""
    auto = canvas(conv["receptive_field"], input_size, options.max_size)
    precision = options.precision
    if precision == "auto":
        precision = "bfloat16" if cpu_has_bfloat16() else "float32"
    return Settings(
        steps=options.steps,
        learning_rate=options.learning_rate,
        snapshots=tuple(options.snapshots),
        objective=options.objective,
        size=auto if options.size == "auto" else options.size,
        jitter=options.jitter,
        scale=options.scale,
        rotate=options.rotate,
        precision=precision,
        seed=seed,
    )


class Renderer:
    """The step for one layer of one network, traced once and used for any of its filters."""

    def __init__(
        self, network: keras.Model, preprocessing: dict[str, Any], layer: str, settings: Settings, model_digest: str
    ) -> None:
        _set_precision(settings.precision)
        shape = (settings.size, settings.size, 3)
        traced = graph.trace(network, shape, until=layer)
        if layer not in traced.convs:
            raise InputError(f"no conv layer {layer!r}")
        self.conv = traced.convs[layer]
        self.trunk = keras.Model(traced.input, self.conv.input)
        self.preprocessing, self.settings, self.digest = preprocessing, settings, model_digest
        self.fourier = parameterization.Fourier(settings.size)
        self.advance = tf.function(self._advance, autograph=False, reduce_retracing=True)
        self.measure = tf.function(self._measure, autograph=False, reduce_retracing=True)

    def _maps(self, images: tf.Tensor, kernels: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
        inputs = self.trunk(models.preprocess(images * 255.0, self.preprocessing), training=False)
        return objectives.channel_maps(self.conv, inputs, kernels, offsets)

    def _measure(self, spectra: tf.Tensor, kernels: tf.Tensor, offsets: tf.Tensor) -> tuple[tf.Tensor, ...]:
        images = self.fourier.images(spectra)
        maps = self._maps(images, kernels, offsets)
        return images, objectives.score(maps, self.settings.objective, tf.constant(0.0)), tf.reduce_max(maps, [1, 2])

    def _advance(
        self,
        state: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
        first: tf.Tensor,
        matrices: tf.Tensor,
        kernels: tf.Tensor,
        offsets: tf.Tensor,
    ) -> tuple[Any, tf.Tensor]:
        """Make one step for each row of `matrices` (steps, n, 8); return the state and the scores (steps, n)."""
        rate, steps = self.settings.learning_rate, tf.shape(matrices)[0]

        def step(i: tf.Tensor, spectra: tf.Tensor, mean: tf.Tensor, square: tf.Tensor, scores: Any) -> tuple[Any, ...]:
            leak = tf.cast(first + i < LEAK_STEPS, tf.float32)
            with tf.GradientTape() as tape:
                tape.watch(spectra)
                images = transforms.apply(self.fourier.images(spectra), matrices[i])
                score = objectives.score(self._maps(images, kernels, offsets), self.settings.objective, leak)
            gradient = tape.gradient(score, spectra)
            count = tf.cast(first + i + 1, tf.float32)
            mean = BETA1 * mean + (1 - BETA1) * gradient
            square = BETA2 * square + (1 - BETA2) * gradient**2
            unbiased = tf.sqrt(square / (1 - BETA2**count)) + EPSILON
            spectra += rate * mean / (1 - BETA1**count) / unbiased
            return i + 1, spectra, mean, square, scores.write(i, score)

        # tf.while_loop, not a Python loop: what AutoGraph makes of one differs between Python versions
        scores = tf.TensorArray(tf.float32, steps)
        _, *after, scores = tf.while_loop(lambda i, *_: i < steps, step, (tf.constant(0), *state, scores))
        return tuple(after), scores.stack()

    def render(self, filters: list[int], tick: Callable[[int], object] = lambda done: None) -> Rendered:
        """Render some filters; `tick` is called with the number of image·steps just made."""
        chosen, (kernels, offsets) = self.settings, objectives.filter_kernels(self.conv, filters)
        streams = [_stream(chosen.seed, self.digest, self.conv.name, k) for k in filters]
        spectra = np.stack([parameterization.noise(rng, chosen.size) for rng in streams])
        moves = np.stack(
            [
                transforms.draw(r, chosen.steps, chosen.size, chosen.jitter, chosen.scale, chosen.rotate)
                for r in streams
            ],
            1,
        )
        state: Any = tuple(tf.constant(a) for a in (spectra, np.zeros_like(spectra), np.zeros_like(spectra)))
        kernels, offsets = tf.constant(kernels), tf.constant(offsets)
        scores, kept, done = [], [], 0
        for stop in chosen.snapshot_steps:
            while done < stop:
                until = min(stop, done + 16)
                state, part = self.advance(state, tf.constant(done), tf.constant(moves[done:until]), kernels, offsets)
                scores.append(part.numpy())
                tick((until - done) * len(filters))
                done = until
            kept.append([a.numpy() for a in self.measure(state[0], kernels, offsets)])
        snapshots = np.stack([np.round(images * 255).astype("uint8") for images, _, _ in kept], 1)
        return Rendered(
            filters=np.asarray(filters, "int32"),
            images=snapshots[:, -1],
            scores=np.concatenate(scores).T,
            snapshot_steps=np.asarray(chosen.snapshot_steps, "int32"),
            snapshots=snapshots,
            snapshot_scores=np.stack([score for _, score, _ in kept], 1),
            peaks=kept[-1][2],
        )


def _stream(seed: int, digest: str, layer: str, filter_index: int) -> np.random.Generator:
    """A random stream that belongs to one filter of one network."""
    key = hashlib.sha256(f"{digest}/{layer}/{filter_index}".encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(key, "<u4")])
