"""`analyze` in params.yaml: docs/params.md explains each key."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from cnnviz.fields import Few, Index, Positive, Section, no_bool


class AnalyzeSection(Section):
    examples: Few = 9
    patches: Literal["rendered", "all"] = "rendered"
    batch: Annotated[int, BeforeValidator(no_bool), Field(ge=4, le=1024, strict=True)] = 20
    kept_images: Positive = 200
    mistakes: Index = 12
    doubtful: Index = 2
    silenced_images: Index = 20
