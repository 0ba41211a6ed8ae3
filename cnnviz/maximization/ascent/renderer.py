"""Activation maximization: gradient ascent on an image until it drives what an objective names, many images at once.

The step: variables -> image -> transforms drawn per image -> the network's own preprocessing -> objective -> gradient.
An image depends on the seed, the network, the objective and the settings alone, never on the others in its batch.
Knows no files.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnviz.errors import InputError
from cnnviz.maximization.ascent import parameterization, scores, transforms
from cnnviz.maximization.ascent.evaluation import Data, Evaluation
from cnnviz.maximization.ascent.settings import LANES, TINY, Settings, computing_in
from cnnviz.networks.series import NOISE
from cnnviz.objectives import Objective

LEAK_STEPS = 16  # steps during which a silent unit's gradient passes its ReLU (objective post_activation)
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Adam's own defaults; BETA1 also for momentum
KEPT = 2.5  # float32 numbers in memory at once for each number that the network computes, measured (docs/benchmarks.md)
ALONE = 2**30  # bytes that images may take which only fill a batch up; each is rendered by itself where it were more
GREY = 128  # of the image of what is no number


@dataclass(frozen=True)
class Rendered:
    """n images: see docs/artifacts.md, `artifacts/maximize/`. Arrays as long as the images, but for snapshot_steps.

    features: float32 `(n, s, C)`, mean over the positions of each channel of the layer, for each snapshot. Where a
    score is NaN or infinite, since a weight is, the image is grey. Where the images were not measured, peaks are NaN,
    snapshot_scores `(n, 0)` and features `(n, 0, 0)`.
    """

    images: np.ndarray
    scores: np.ndarray
    snapshot_steps: np.ndarray
    snapshots: np.ndarray
    snapshot_scores: np.ndarray
    peaks: np.ndarray
    robust: np.ndarray
    features: np.ndarray

    @property
    def finite(self) -> np.ndarray:
        """Whether all scores on the way are numbers, bool `(n,)`."""
        return np.isfinite(self.scores).all(1) & np.isfinite(self.snapshot_scores).all(1)

    def part(self, start: int, stop: int) -> "Rendered":
        """Images start..stop-1."""
        return Rendered(*(a if n == "snapshot_steps" else a[start:stop] for n, a in self.items()))

    def items(self) -> list[tuple[str, np.ndarray]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


def join(parts: Sequence[Rendered]) -> Rendered:
    """Put images that were rendered with the same settings behind one another."""
    return Rendered(
        *(a if n == "snapshot_steps" else np.concatenate([getattr(p, n) for p in parts]) for n, a in parts[0].items())
    )


class Renderer:
    """The step for objectives of one structure on one network, traced once and used for any of them.

    `like`: an objective of that structure; natural: images float32 `(m, h, w, channels)` in [0, 1] for MaCo;
    described: as Evaluation takes it.
    """

    def __init__(
        self,
        network: keras.Model,
        preprocessing: Any,
        like: Objective,
        settings: Settings,
        model_digest: str,
        channels: int = 3,
        natural: np.ndarray | None = None,
        described: Mapping[str, Any] | None = None,
    ) -> None:
        if settings.parameterization == "maco" and (natural is None or not len(natural)):
            raise InputError("parameterization maco: needs natural images, whose magnitudes it keeps")
        shape = (*settings.size, channels)
        self.evaluation = Evaluation(network, preprocessing, shape, like, settings.variants, described)
        self.settings, self.digest = settings, model_digest
        self.parameterization = parameterization.choose(settings, channels, natural)
        example = self.parameterization.noise(np.random.default_rng(0))
        grain = math.gcd(self.evaluation.grain, example.size)
        self.bytes_per_image = 4 * (KEPT * self.evaluation.numbers + 8 * (example.size + math.prod(shape)))
        # objectives until no tensor of a batch ends in the middle of a vector register: see _filled
        self.fill = LANES // math.gcd(LANES, settings.variants * grain)
        self.alone = self.fill > 1 and self.fill * settings.variants * self.bytes_per_image > ALONE
        self.fill = 1 if self.alone else self.fill
        # one graph for batches of any size: graphs made for different sizes may round differently
        images, data = tf.TensorSpec([None, *shape]), _any_batch(self.evaluation.data([like] * settings.variants))
        variables = _any_batch(tf.constant(example[None]))
        moves = [(variables,) * 3, tf.TensorSpec([], tf.int32), tf.TensorSpec([None, 8])]
        self.advance = tf.function(self._advance, [*moves, data], autograph=False, reduce_retracing=True)
        self.inspect = tf.function(self._inspect, [variables, data], autograph=False, reduce_retracing=True)
        self.show = tf.function(self._show, [variables, data], autograph=False, reduce_retracing=True)
        self.robust = tf.function(self._robust, [images, data], autograph=False, reduce_retracing=True)

    def _show(self, variables: tf.Tensor, data: Data) -> tuple[tf.Tensor]:
        return (self.parameterization.images(variables),)

    def _inspect(self, variables: tf.Tensor, data: Data) -> tuple[tf.Tensor, ...]:
        images = self.parameterization.images(variables)
        return images, *self.evaluation.inspect(images, data, self.settings.objective)

    def _robust(self, images: tf.Tensor, data: Data) -> tf.Tensor:
        def before_nonlinearity(moved: tf.Tensor) -> tf.Tensor:
            return self.evaluation.value(moved, data, "pre_activation", tf.constant(0.0))[0][:, None, None]

        return scores.robust(images, before_nonlinearity)

    def _advance(
        self, state: tuple[tf.Tensor, tf.Tensor, tf.Tensor], number: tf.Tensor, matrices: tf.Tensor, data: Data
    ) -> tuple[Any, tf.Tensor]:
        """Make step `number` with the transforms `matrices` (n, 8); return the state and the scores (n,) before it.

        One graph per step and no loop in it: in a loop oneDNN's layout pass may meet the gradient of a pooling before
        the pooling, leave it to Eigen (30 times slower), and do so in one trace and not in the next.
        """
        variables, mean, square = state
        leak = tf.cast(number < LEAK_STEPS, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(variables)
            images = transforms.apply(self.parameterization.images(variables), matrices)
            value, _ = self.evaluation.value(images, data, self.settings.objective, leak)
        gradient = tape.gradient(value, variables)
        return self._ascend(variables, mean, square, gradient, tf.cast(number + 1, tf.float32)), value

    def _ascend(self, variables: Any, mean: Any, square: Any, gradient: Any, count: Any) -> tuple[Any, Any, Any]:
        """One update: momentum on gradients of unit root mean square per image, or Adam."""
        rate = self.settings.learning_rate
        if self.settings.optimizer == "momentum":
            every = list(range(1, len(gradient.shape)))
            mean_square = tf.reduce_mean(gradient**2, every, keepdims=True)
            # rsqrt of one number rounds unlike that of a whole vector register: fill one for each image
            ones = tf.ones([*[1] * (len(every)), LANES])
            length = tf.math.rsqrt(mean_square * ones + TINY)[..., :1]
            mean = BETA1 * mean + (1 - BETA1) * gradient * length
            return variables + rate * mean, mean, square
        mean = BETA1 * mean + (1 - BETA1) * gradient
        square = BETA2 * square + (1 - BETA2) * gradient**2
        unbiased = tf.sqrt(square / (1 - BETA2**count)) + EPSILON
        return variables + rate * mean / (1 - BETA1**count) / unbiased, mean, square

    def render(
        self,
        objectives: Sequence[Objective],
        starts: np.ndarray | None = None,
        attempt: int = 0,
        scored: bool = True,
        measured: bool = True,
        tick: Callable[[int], object] = lambda done: None,
    ) -> Rendered:
        """Render each objective `settings.variants` times, variants of one behind one another.

        starts: images to start from, float32 `(n, h, w, channels)` in [0, 1], instead of noise. attempt: another
        number is another seed. `scored`: whether to compute the robust score (else NaN); `measured`: whether to show
        the snapshots to the network, for their scores, peaks and features. `tick` is called with the number of
        image·steps just made. Scores of the images are computed in float32.
        """
        if self.alone and len(objectives) > 1:
            rows = [None if starts is None else starts[i : i + 1] for i in range(len(objectives))]
            ways = zip(objectives, rows, strict=True)
            return join([self.render([one], row, attempt, scored, measured, tick) for one, row in ways])
        chosen, groups, wanted = self.settings, self.settings.variants, len(objectives) * self.settings.variants
        objectives = self._filled(objectives)
        every = [objective for objective in objectives for _ in range(groups)]
        data = self.evaluation.data(every)
        streams = [
            stream(chosen.seed, attempt, self.digest, objective, i % groups) for i, objective in enumerate(every)
        ]
        variables = np.stack([self.parameterization.noise(rng) for rng in streams])
        if starts is not None:
            images = np.repeat(self._filled(starts), groups, 0)
            variables = np.stack([self.parameterization.encode(image) for image in images])
        amounts = (chosen.steps, chosen.size, chosen.jitter, chosen.scale, chosen.rotate)
        moves = np.stack([transforms.draw(rng, *amounts) for rng in streams], 1)
        state: Any = tuple(tf.constant(a) for a in (variables, np.zeros_like(variables), np.zeros_like(variables)))
        curve, kept, look = [], [], self.inspect if measured else self.show
        for number in range(chosen.steps):
            with computing_in(chosen.precision):
                state, value = self.advance(state, tf.constant(number), tf.constant(moves[number]), data)
            curve.append(value.numpy())
            tick(wanted)
            if number + 1 in chosen.snapshot_steps:
                kept.append([a.numpy() for a in look(state[0], data)])
            if number == 0 and not np.isfinite(curve[0]).any():  # nothing to climb
                curve *= chosen.steps
                kept = [[a.numpy() for a in look(state[0], data)]] * len(chosen.snapshot_steps)
                tick(wanted * (chosen.steps - 1))
                break
        images, *found = (np.stack(each, 1) for each in zip(*kept, strict=True))
        n = len(every)
        values, peaks, features = found or [np.full(one, np.nan, "float32") for one in ((n, 0), (n, 1), (n, 0, 0))]
        snapshots = np.round(np.nan_to_num(images) * 255).astype("uint8")
        made = Rendered(
            images=snapshots[:, -1],
            scores=np.stack(curve, 1),
            snapshot_steps=np.asarray(chosen.snapshot_steps, "int32"),
            snapshots=snapshots,
            snapshot_scores=values,
            peaks=peaks[:, -1],
            robust=np.full(n, np.nan, "float32"),
            features=features,
        )
        snapshots[~made.finite] = GREY
        if scored and made.finite.any():
            made.robust[:] = np.where(made.finite, self.score(snapshots[:, -1], every), np.nan)
        return made.part(0, wanted)

    def score(self, images: np.ndarray, objectives: Sequence[Objective]) -> np.ndarray:
        """Robust scores of images uint8 `(n, h, w, channels)`, each for its objective, float32 `(n,)`."""
        pixels = np.stack(self._filled(images)).astype("float32") / np.float32(255)
        found: np.ndarray = self.robust(pixels, self.evaluation.data(self._filled(objectives))).numpy()
        return found[: len(images)]

    def _filled(self, items: Any) -> list[Any]:
        """Repeat the last item until no tensor of the batch ends in the middle of a vector register.

        What is left over there is computed one by one, and rounds otherwise: an image would depend on its company.
        """
        return [*items, *[items[-1]] * (-len(items) % self.fill)]


def _any_batch(tensors: Any) -> Any:
    """The shapes of tensors, their first axis of any length."""
    return tf.nest.map_structure(lambda tensor: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype), tensors)


def stream(seed: int, attempt: int, digest: str, objective: Objective, variant: int) -> np.random.Generator:
    """A random stream that belongs to one image: of one objective on one network, for one seed, attempt and variant."""
    named = objective.nameless if digest == NOISE else objective  # two trainings may call one layer otherwise
    key = hashlib.sha256(f"{digest}/{named}/{variant}".encode()).digest()
    return np.random.default_rng([seed, attempt, *np.frombuffer(key, "<u4")])
