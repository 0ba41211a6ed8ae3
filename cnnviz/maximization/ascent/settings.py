"""What a rendered image depends on besides the network and the objective."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import tensorflow as tf

from cnnviz import device
from cnnviz.errors import InputError
from cnnviz.files import machine
from cnnviz.maximization.ascent.policy import precision_of

Size = tuple[int, int]  # height and width

FINE = 16  # pixels of receptive field of the first layers: momentum leaves flat areas there, and colour is the pattern
LEGIBLE = 1.5  # times the contrast of photographs: from 2 on, more values are at the ends of the scale than in photos
LANES = 16  # float32 numbers in the widest vector register
ON_CARDS = ("float16", "tf32")  # precisions
TINY = 1e-20  # added to a mean square, so that 0 stays 0


@dataclass(frozen=True)
class Settings:
    """Lengths in pixels or as shares of the canvas, angles in degrees; docs/params.md explains each.

    size: height and width of the canvas.
    """

    steps: int = 64
    optimizer: str = "momentum"
    learning_rate: float = 0.1
    snapshots: tuple[int, ...] = (1, 10, 32, 64)
    objective: str = "post_activation"
    parameterization: str = "fourier"
    decay: float = 1.0
    colour: str = "decorrelated"
    contrast: float = 0.0
    size: Size = (128, 128)
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

    def written(self) -> dict[str, Any]:
        """As settings.json has it: one number for the size of a square canvas."""
        return asdict(self) | ({"size": self.size[0]} if self.size[0] == self.size[1] else {})

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
    """Turn `auto` into what pays on this device: of a card by policy.RULES, bfloat16 where the CPU computes in it.

    Raises InputError for what only cards compute in, on a CPU.
    """
    card = device.here()
    if precision == "auto":
        return precision_of(card) if card.gpu else "bfloat16" if machine.processor().has_bfloat16 else "float32"
    if precision in ON_CARDS and not card.gpu:
        raise InputError(
            f"maximize.precision: {precision} is for graphics cards, and TensorFlow sees none here; expected auto, "
            "float32 or bfloat16"
        )
    return precision


def first(receptive_field: Size | None) -> bool:
    """Whether a layer is among the first, whose patterns are colours and edges; unknown (None): no."""
    return receptive_field is not None and max(receptive_field) <= FINE


def optimizer_for(optimizer: str, receptive_field: Size | None) -> str:
    """Turn `auto` into the optimizer whose images score better at that receptive field (docs/recipe.md)."""
    if optimizer != "auto":
        return optimizer
    return "adam" if first(receptive_field) else "momentum"


def contrast_for(contrast: str | float, receptive_field: Size | None, parameterization: str) -> float:
    """Turn `auto` into a contrast that photographs have beyond the first layers, any (0) there (docs/recipe.md).

    Any for other parameterizations than fourier, which know no limit.
    """
    if parameterization != "fourier":
        return 0.0
    if isinstance(contrast, str):
        return 0.0 if first(receptive_field) else LEGIBLE
    return contrast


def settings_for(options: Any, seed: int, receptive_field: Size | None, size: Size) -> Settings:
    """Turn params.yaml's `maximize` section into the settings of one layer at a canvas."""
    return Settings(
        steps=options.steps,
        optimizer=optimizer_for(options.optimizer, receptive_field),
        learning_rate=options.learning_rate,
        snapshots=tuple(sorted({*options.snapshots, options.stability_steps} - {0})),
        objective=options.objective,
        parameterization=options.parameterization,
        decay=options.decay,
        colour=options.colour,
        contrast=contrast_for(options.contrast, receptive_field, options.parameterization),
        size=size,
        jitter=options.jitter,
        scale=options.scale,
        rotate=options.rotate,
        precision=resolve_precision(options.precision),
        seed=seed,
    )
