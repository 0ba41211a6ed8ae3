"""What a rendered image depends on besides the network and the objective."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from cnnviz.files import machine
from cnnviz.objectives import Objective

FINE = 16  # pixels of receptive field up to which momentum leaves flat areas


@dataclass(frozen=True)
class Settings:
    """Lengths in pixels or as shares of the canvas, angles in degrees; docs/params.md explains each."""

    steps: int = 100
    optimizer: str = "momentum"
    learning_rate: float = 0.1
    snapshots: tuple[int, ...] = (1, 10, 32, 100)
    objective: str = "post_activation"
    parameterization: str = "fourier"
    decay: float = 1.0
    colour: str = "decorrelated"
    size: int = 128
    jitter: float = 0.06
    scale: float = 0.1
    rotate: float = 5.0
    variants: int = 1
    precision: str = "float32"
    seed: int = 0

    @property
    def snapshot_steps(self) -> list[int]:
        """Steps after which the image is kept: those asked for, 10 and 100, and the last."""
        return sorted({s for s in (*self.snapshots, 10, 100) if s < self.steps} | {self.steps})

    @property
    def traced(self) -> "Settings":
        """What the graph of a step depends on: settings that differ only in the rest share one."""
        return replace(self, steps=1, snapshots=(), jitter=0.0, scale=0.0, rotate=0.0, seed=0)


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Compute convolutions in bfloat16 inside, through TensorFlow's graph rewriter; in float32 again afterwards.

    Matrix products stay float32: they make the image out of its coefficients, where rounding would show.
    """
    os.environ["TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_ALLOWLIST_REMOVE"] = "MatMul,BatchMatMul,BatchMatMulV2,Einsum"
    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": precision == "bfloat16"})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": False})


def resolve_precision(precision: str) -> str:
    """Turn `auto` into bfloat16 where the CPU computes in it, float32 elsewhere."""
    return ("bfloat16" if machine.processor().has_bfloat16 else "float32") if precision == "auto" else precision


def canvas(receptive_field: float | None, input_size: int, max_size: int) -> int:
    """Choose a canvas in pixels: eight receptive fields wide, so that a pattern can repeat, in multiples of 16.

    At least 64 px, at most max_size and twice the size that the network was trained on: a 32-px network has nothing to
    say about larger pictures.
    """
    wanted = -(-8 * receptive_field // 16) * 16 if receptive_field else max_size
    return int(min(max(wanted, 64), max_size, max(2 * input_size, 32)))


def optimizer_for(optimizer: str, receptive_field: float | None) -> str:
    """Turn `auto` into the optimizer whose images score better at that receptive field (docs/recipe.md)."""
    if optimizer != "auto":
        return optimizer
    return "adam" if receptive_field and receptive_field <= FINE else "momentum"


def settings_for(options: Any, seed: int, receptive_field: Sequence[float] | None, input_size: int) -> Settings:
    """Turn params.yaml's `maximize` section into the settings of one layer. receptive_field: [height, width]."""
    field = max(receptive_field) if receptive_field else None
    auto = canvas(field, input_size, options.max_size)
    return Settings(
        steps=options.steps,
        optimizer=optimizer_for(options.optimizer, field),
        learning_rate=options.learning_rate,
        snapshots=tuple(sorted({*options.snapshots, options.stability_steps} - {0})),
        objective=options.objective,
        parameterization=options.parameterization,
        decay=options.decay,
        colour=options.colour,
        size=auto if options.size == "auto" else options.size,
        jitter=options.jitter,
        scale=options.scale,
        rotate=options.rotate,
        precision=resolve_precision(options.precision),
        seed=seed,
    )


def for_objective(settings: Settings, objective: Objective, input_size: int) -> Settings:
    """The settings of an objective of its own: a classifier's head wants the size it was trained with."""
    logit = any(kind == "logit" for kind, _ in objective.structure)
    return replace(settings, size=input_size) if logit else settings
