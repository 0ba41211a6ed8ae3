"""`analyze` in params.yaml: docs/params.md explains each key."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from cnnviz.errors import choices, quoted
from cnnviz.fields import Few, Index, Positive, Section, no_bool

# Ways to alter an image (altered/transforms.py), and how strongly one after the other
ALTERED: dict[str, list[float]] = {
    "shift": [0.05, 0.1, 0.2, 0.3],
    "darken": [0.3, 0.5, 0.7, 0.85],
    "contrast": [0.3, 0.5, 0.7, 0.85],
    "noise": [0.02, 0.05, 0.1, 0.2],
    "blur": [0.01, 0.02, 0.04, 0.08],
    "occlude": [0.1, 0.2, 0.3, 0.5],
}
STEPS = 20  # strengths of a transform at most


def _transforms(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("expected names of transforms with their strengths, such as {shift: [0.05, 0.1]}")
    for name, strengths in value.items():
        if name not in ALTERED:
            raise ValueError(f"no transform {quoted(name)}; {choices(str(name), ALTERED)}")
        numbers = strengths if isinstance(strengths, list) else []
        plain = all(isinstance(s, int | float) and not isinstance(s, bool) and 0 < s <= 1 for s in numbers)
        if not (plain and 1 <= len(numbers) <= STEPS and numbers == sorted(set(numbers))):
            raise ValueError(
                f"{name}: given {quoted(strengths)}; expected a list of up to {STEPS} rising numbers above 0, at most 1"
            )
    return value


class AlteredSection(Section):
    images: Index = 12
    shown: Index = 2
    transforms: Annotated[Mapping[str, list[float]], BeforeValidator(_transforms)] = ALTERED


class AnalyzeSection(Section):
    examples: Few = 9
    patches: Literal["rendered", "all"] = "rendered"
    batch: Annotated[int, BeforeValidator(no_bool), Field(ge=4, le=1024, strict=True)] = 20
    kept_images: Positive = 200
    mapped_images: Index = 64
    mistakes: Index = 12
    doubtful: Index = 2
    silenced_images: Index = 20
    masked_filters: Index = 16
    altered: AlteredSection = AlteredSection()
