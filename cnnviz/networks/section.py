"""An entry of `models` in params.yaml: docs/params.md explains each key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from cnnviz.errors import choices
from cnnviz.fields import Index, Key, PerLayer, Section, no_bool
from cnnviz.sources import catalog


class ModelSection(Section):
    """One of `known` (catalogue), `application` (keras.applications) and `file` (one's own), and all that concerns one
    model alone: which of its layers are rendered, which of its predictions explained.
    """

    known: str | None = None
    application: str | None = None
    file: str | None = None
    sources: Annotated[list[Literal["package", "keras"]], Field(min_length=1)] | None = None
    input_size: Annotated[int, BeforeValidator(no_bool), Field(ge=8, le=4096, strict=True)] | None = None
    preprocessing: str | None = None
    license: str = "not stated"
    trained_on: str = "not stated"
    class_names: list[str] = []
    random_weights: Index | None = None
    layers: PerLayer = "auto"
    channels: PerLayer = "auto"
    objectives: dict[Key, str] = {}
    analyzed_layers: Annotated[list[str], Field(min_length=1)] | None = None
    explain: dict[Key, list[Index]] = {}
    explained_layer: str | None = None
    labels: dict[Key, Literal["same"] | dict[Index | str, Index | str]] = {}

    def complaints(self) -> Iterator[str]:
        given = [name for name in ("known", "application", "file") if getattr(self, name) is not None]
        if len(given) != 1:
            yield f"expected exactly one of `known`, `application` and `file`, got {' and '.join(given) or 'none'}"
        if self.known is not None and self.known not in catalog.MODELS:
            yield f"known: unknown model {self.known!r}; {choices(self.known, catalog.MODELS)}"
        if self.application is not None and self.application not in catalog.APPLICATIONS:
            yield f"application: unknown {self.application!r}; {choices(self.application, catalog.APPLICATIONS)}"
        if self.sources is not None:
            allowed = catalog.MODELS[self.known].sources if self.known in catalog.MODELS else ()
            for source in sorted(set(self.sources) - set(allowed)):
                yield f"sources: {source!r} does not have this model; valid: {', '.join(allowed) or '-'}"
        if self.file is not None:
            if Path(self.file).suffix not in (".keras", ".h5"):
                yield f"file: {self.file!r} is no .keras or .h5 file"
            for name in ("input_size", "preprocessing"):
                if getattr(self, name) is None:
                    yield f"{name}: needed for a model of one's own (what the network was trained with)"
        if self.preprocessing is not None and self.preprocessing not in catalog.PREPROCESSING:
            near = choices(self.preprocessing, catalog.PREPROCESSING)
            yield f"preprocessing: unknown {self.preprocessing!r}; {near}"
