"""Activation maximization: gradient ascent on an image until it drives what an objective names, many images at once.

The step: variables -> image -> transforms drawn per image -> the network's own preprocessing -> objective -> gradient.
An image depends on the seed, the network, the objective and the settings alone, never on the others in its batch.
Knows no files.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnviz import device
from cnnviz.errors import InputError
from cnnviz.files import threads
from cnnviz.maximization.ascent import parameterization, scores, transforms
from cnnviz.maximization.ascent.drawing import begun
from cnnviz.maximization.ascent.evaluation import Data, Evaluation
from cnnviz.maximization.ascent.policy import Batch, Policy, batches, policy_for
from cnnviz.maximization.ascent.rendered import Rendered, join, put_together
from cnnviz.maximization.ascent.repeating import Repeatable
from cnnviz.maximization.ascent.settings import LANES, Settings, computing_in
from cnnviz.maximization.ascent.updates import ascend, started
from cnnviz.objectives import Objective

LEAK_STEPS = 16  # steps during which a silent unit's gradient passes its ReLU (objective post_activation)
KEPT = 2.5  # float32 numbers in memory at once for each number that the network computes, measured (docs/benchmarks.md)
ALONE = 2**30  # bytes that images may take which only fill a batch up; each is rendered by itself where it were more
TOGETHER = 64  # steps: a card takes the transforms of a multiple of so many, and is compiled once for most recipes


class Renderer:
    """The step for objectives of one structure on one network, traced once and used for any of them.

    `like`: an objective of that structure; natural: images float32 `(m, h, w, channels)` in [0, 1] for MaCo;
    described: as Evaluation takes it; policy: of this process's device, if none is given.
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
        policy: Policy | None = None,
    ) -> None:
        if settings.parameterization == "maco" and (natural is None or not len(natural)):
            raise InputError("parameterization maco: needs natural images, whose magnitudes it keeps")
        more: dict[str, Any] = {"channels": channels, "natural": natural, "described": described}
        self._made_of = (network, preprocessing, like), model_digest, more
        shape, card = (*settings.size, channels), device.here()
        fixed = card.gpu if policy is None else policy.fixed
        lower = settings.precision if fixed else None
        self.evaluation = Evaluation(network, preprocessing, shape, like, settings.variants, described, lower)
        self.settings, self.digest = settings, model_digest
        self.parameterization = parameterization.choose(settings, channels, natural)
        self.parameterization.fused = fixed
        example = self.parameterization.noise(np.random.default_rng(0))
        grain = math.gcd(self.evaluation.grain, example.size)
        self.bytes_per_image = 4 * (KEPT * self.evaluation.numbers + 8 * (example.size + math.prod(shape)))
        # objectives until no tensor of a batch ends in the middle of a vector register; 0: each by itself
        self.fill = LANES // math.gcd(LANES, settings.variants * grain)
        if self.fill > 1 and self.fill * settings.variants * self.bytes_per_image > ALONE:
            self.fill = 0
        self.policy = policy or policy_for(
            card, settings.precision, self.bytes_per_image, settings.variants, self.evaluation.count
        )
        # one graph for batches of any size: graphs made for different sizes may round differently
        size = self.policy.batch or None
        images, data = tf.TensorSpec([size, *shape]), _batched(self.evaluation.data([like] * settings.variants), size)
        state = _batched(started(settings.optimizer, tf.constant(example[None])), size)
        number, moves = tf.TensorSpec([], tf.int32), tf.TensorSpec([size, 8])
        if fixed:
            number, moves = tf.TensorSpec([]), tf.TensorSpec([None, size, 8])
        self.advance = self._function(self._step if fixed else self._advance, [state, number, moves, data], lower)
        self.inspect = self._function(self._inspect, [state[0], data])
        self.show = self._function(self._show, [state[0], data])
        self.robust = self._function(self._robust, [images, data])

    def _function(self, function: Callable[..., Any], signature: list[Any], precision: str | None = None) -> Any:
        if self.policy.fixed:
            return Repeatable(function, signature, self.policy.compiled, precision or "float32")
        return tf.function(function, signature, autograph=False, reduce_retracing=True)

    def ready(self) -> None:
        """On a card, have all that `render` calls compiled, at the same time: before it is called, in a thread."""
        if self.policy.fixed:
            with ThreadPoolExecutor() as pool:
                every = self.advance, self.inspect, self.show, self.robust
                list(pool.map(lambda one: one.ready(TOGETHER), every))

    def _show(self, variables: tf.Tensor, data: Data) -> tuple[tf.Tensor]:
        return (self._shown(self.parameterization.images(variables)),)

    def _inspect(self, variables: tf.Tensor, data: Data) -> tuple[tf.Tensor, ...]:
        images = self.parameterization.images(variables)
        return self._shown(images), *self.evaluation.inspect(images, data, self.settings.objective)

    def _shown(self, images: tf.Tensor) -> tf.Tensor:
        """On a card, pictures come back as they are kept."""
        if not self.policy.fixed:
            return images
        return tf.cast(tf.round(tf.where(tf.math.is_nan(images), 0.0, images) * 255.0), tf.uint8)

    def _robust(self, images: tf.Tensor, data: Data) -> tf.Tensor:
        def before_nonlinearity(moved: tf.Tensor) -> tf.Tensor:
            value, _ = self.evaluation.value(moved, data, "pre_activation", tf.constant(0.0), exact=True)
            return value[:, None, None]

        return scores.robust(
            images, before_nonlinearity, transforms.gathered if self.policy.fixed else transforms.apply
        )

    def _advance(self, state: Any, number: tf.Tensor, matrices: tf.Tensor, data: Data) -> tuple[Any, tf.Tensor]:
        """Make step `number` with the transforms `matrices` (n, 8); return the state and the scores (n,) before it.

        One graph per step and no loop in it: in a loop oneDNN's layout pass may meet the gradient of a pooling before
        the pooling, leave it to Eigen (30 times slower), and do so in one trace and not in the next.
        """
        leak = tf.cast(number < LEAK_STEPS, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(state[0])
            images = transforms.apply(self.parameterization.images(state[0]), matrices)
            value, _ = self.evaluation.value(images, data, self.settings.objective, leak)
        gradient = tape.gradient(value, state[0])
        return ascend(self.settings, state, gradient, tf.cast(number + 1, tf.float32)), value

    def _step(self, state: Any, number: tf.Tensor, moves: tf.Tensor, data: Data) -> tuple[Any, ...]:
        """The same on a card, where all that a step needs lies: float32 `number`, transforms of all steps `(s, n, 8)`.

        Returns the state, the next number, the scores before the step and whether these and the gradient are sound,
        `(n,)` each: in float16, gradients are scaled by a power of two, so that they do not vanish on their way.
        """
        leak, half = tf.cast(number < LEAK_STEPS, tf.float32), self.settings.precision == "float16"
        scale = 2.0 ** round(math.log2(self.evaluation.positions)) if half else 1.0
        with tf.GradientTape() as tape:
            tape.watch(state[0])
            matrices = tf.gather(moves, tf.cast(number, tf.int32))
            images = transforms.gathered(self.parameterization.images(state[0]), matrices)
            value, _ = self.evaluation.value(images, data, self.settings.objective, leak)
            scaled = value * scale
        gradient = tape.gradient(scaled, state[0]) / scale
        sound = tf.ones_like(value, bool)
        if half:
            length = tf.reduce_sum(tf.abs(gradient), list(range(1, len(gradient.shape))))
            sound = tf.math.is_finite(value) & tf.math.is_finite(length) & (length > 0)
        return ascend(self.settings, state, gradient, number + 1), number + 1, value, sound

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
        group, found = self.settings.variants, dict[int, Rendered]()
        for batch in batches(objectives, self.policy, group, self.fill):
            made, sound = self._render(batch, objectives, starts, attempt, scored, measured, tick)
            for place, (i, fills) in enumerate(batch):
                rows = slice(place * group, (place + 1) * group)
                if not fills and sound[rows].all():
                    found[i] = made.part(rows.start, rows.stop)
        if lost := [i for i in range(len(objectives)) if i not in found]:
            self.exactly.settings = replace(self.settings, precision="float32")
            again, some = [objectives[i] for i in lost], None if starts is None else starts[lost]
            made = self.exactly.render(again, some, attempt, scored, measured)
            found |= {i: made.part(place * group, (place + 1) * group) for place, i in enumerate(lost)}
        return join([found[i] for i in range(len(objectives))])

    @cached_property
    def exactly(self) -> "Renderer":
        """The same in float32, for images whose numbers float16 can't hold."""
        first, digest, more = self._made_of
        plain, policy = replace(self.settings, precision="float32"), replace(self.policy, placed=True)
        return Renderer(*first, plain, digest, **more, policy=policy)

    def _render(
        self,
        batch: Batch,
        objectives: Sequence[Objective],
        starts: np.ndarray | None,
        attempt: int,
        scored: bool,
        measured: bool,
        tick: Callable[[int], object],
    ) -> tuple[Rendered, np.ndarray]:
        """A batch, with what fills it up; and whether each image is sound, bool `(n,)`."""
        chosen, groups, fixed = self.settings, self.settings.variants, self.policy.fixed
        wanted = groups * sum(not fills for _, fills in batch)
        data = self.evaluation.data([objectives[i] for i, _ in batch for _ in range(groups)])
        drawn = {}

        def draw(i: int) -> None:
            own = objectives[i], None if starts is None else starts[i], attempt
            drawn[i] = begun(self.parameterization, chosen, self.digest, *own)

        each = {i for i, _ in batch}
        threads(draw, each) if fixed else list(map(draw, each))
        variables, moves = (np.concatenate([drawn[i][which] for i, _ in batch]) for which in (0, 1))
        moves = np.ascontiguousarray(moves.swapaxes(0, 1))
        state: Any = started(chosen.optimizer, tf.constant(variables))
        if fixed:
            number = tf.constant(0.0)
            moves = tf.constant(np.pad(moves, [(0, -chosen.steps % TOGETHER), (0, 0), (0, 0)]))
        curve: list[Any] = []
        trust: list[Any] = []
        kept: list[Any] = []
        look = self.inspect if measured else self.show
        for i in range(chosen.steps):
            if fixed:  # nothing comes back before a picture is kept: steps wait for one another on the card alone
                state, number, value, sound = self.advance(state, number, moves, data)
                trust.append(sound)
            else:
                with computing_in(chosen.precision):
                    state, value = self.advance(state, tf.constant(i), tf.constant(moves[i]), data)
            curve.append(value)
            tick(wanted)
            if i + 1 in chosen.snapshot_steps:
                kept[-1:] = [[np.asarray(a) for a in one] for one in kept[-1:]]
                kept.append(look(state[0], data))
            if i == 0 and not fixed and not np.isfinite(curve[0]).any():  # nothing to climb
                curve *= chosen.steps
                kept = [look(state[0], data)] * len(chosen.snapshot_steps)
                tick(wanted * (chosen.steps - 1))
                break
        made = put_together([np.asarray(a) for a in curve], [[np.asarray(a) for a in one] for one in kept], chosen)
        if scored and made.finite.any():
            made.robust[:] = np.where(made.finite, self._scores(made.images, data), np.nan)
        trusted = chosen.precision != "float16" or not fixed or np.stack(trust, 1).all(1)
        return made, np.broadcast_to(trusted, len(made.images))

    def _scores(self, images: np.ndarray, data: Data) -> np.ndarray:
        found: np.ndarray = self.robust(images.astype("float32") / np.float32(255), data).numpy()
        return found

    def score(self, images: np.ndarray, objectives: Sequence[Objective]) -> np.ndarray:
        """Robust scores of images uint8 `(n, h, w, channels)`, each for its objective, float32 `(n,)`."""
        found = np.zeros(len(images), "float32")
        for batch in batches(objectives, self.policy, 1, self.fill or 1):
            rows = [i for i, _ in batch]
            scored = self._scores(images[rows], self.evaluation.data([objectives[i] for i in rows]))
            for place, (i, fills) in enumerate(batch):
                found[i] = found[i] if fills else scored[place]
        return found


def _batched(tensors: Any, size: int | None) -> Any:
    """The shapes of tensors, their first axis of this length, or of any."""
    return tf.nest.map_structure(lambda tensor: tf.TensorSpec([size, *tensor.shape[1:]], tensor.dtype), tensors)
