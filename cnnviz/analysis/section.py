"""`analyze` in params.yaml: docs/params.md explains each key."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from cnnviz.fields import Few, Index, Key, Positive, Section, no_bool


class AnalyzeSection(Section):
    examples: Few = 9
    patches: Literal["rendered", "all"] = "rendered"
    batch: Annotated[int, BeforeValidator(no_bool), Field(ge=4, le=1024, strict=True)] = 20
    kept_images: Positive = 200
    layers: dict[Key, Annotated[list[str], Field(min_length=1)]] = {}
    mistakes: Index = 12
    doubtful: Index = 2
    explain: dict[Key, dict[Key, list[Index]]] = {}
    explained_layer: dict[Key, str] = {}
    labels: dict[Key, dict[Key, Literal["same"] | dict[Index | str, Index | str]]] = {}
