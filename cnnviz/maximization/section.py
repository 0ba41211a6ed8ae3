"""`maximize` in params.yaml: docs/params.md explains each key."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from cnnviz.fields import Canvas, Contrast, Index, Key, Number, Positive, Section, Start, no_bool

Steps = Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=100_000, strict=True)]
Side = Annotated[int, BeforeValidator(no_bool), Field(ge=8, le=2048, strict=True)]
Enlarged = dict[Key, dict[str, dict[Index, Side]]]  # model: layer: filter: side of its canvas in pixels


class MaximizeSection(Section):
    steps: Steps = 64
    optimizer: Literal["auto", "momentum", "adam"] = "auto"
    learning_rate: Annotated[Number, Field(gt=0, le=10)] = 0.1
    snapshots: Annotated[list[Steps], Field(max_length=1000)] = [1, 10, 32, 64]
    objective: Literal["pre_activation", "post_activation"] = "post_activation"
    neuron: Annotated[bool, Field(strict=True)] = False
    start: Start = "noise"
    parameterization: Literal["fourier", "pixel", "maco"] = "fourier"
    decay: Annotated[Number, Field(ge=0, le=4)] = 1.0
    colour: Literal["decorrelated", "rgb"] = "decorrelated"
    contrast: Contrast = "auto"
    size: Canvas = "auto"
    max_size: Annotated[int, Field(ge=8, le=2048, strict=True)] = 128
    jitter: Annotated[Number, Field(ge=0, le=0.5)] = 0.06
    scale: Annotated[Number, Field(ge=0, lt=1)] = 0.1
    rotate: Annotated[Number, Field(ge=0, le=180)] = 5
    precision: Literal["auto", "float32", "bfloat16", "float16", "tf32"] = "auto"
    stability_steps: Annotated[int, BeforeValidator(no_bool), Field(ge=0, le=100_000, strict=True)] = 10
    negatives: Annotated[bool, Field(strict=True)] = False
    variants: Annotated[int, BeforeValidator(no_bool), Field(ge=0, le=16, strict=True)] = 0
    # nine at most: those that the stage judge has explain, not ask
    from_patches: Annotated[int, BeforeValidator(no_bool), Field(ge=0, le=9, strict=True)] = 4
    memory: Positive = 1000
    executor: Literal["here", "ray"] = "here"
    workers: Literal["auto"] | Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=10_000, strict=True)] = "auto"
    worker_cpus: Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=1024, strict=True)] = 1
    other_processors: Literal["refuse", "apart"] = "refuse"
