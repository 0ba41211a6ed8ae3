"""An entry of `models` in params.yaml: docs/params.md explains each key."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from cnnviz.errors import choices
from cnnviz.fields import Index, Section, no_bool
from cnnviz.sources import catalog


class ModelSection(Section):
    """One of `known` (catalogue), `application` (keras.applications) and `file` (one's own)."""

    known: str | None = None
    application: str | None = None
    file: str | None = None
    sources: Annotated[list[Literal["package", "keras"]], Field(min_length=1)] | None = None
    input_size: Annotated[int, BeforeValidator(no_bool), Field(ge=8, le=4096, strict=True)] | None = None
    preprocessing: str | None = None
    license: str = "not stated"
    trained_on: str = "not stated"
    class_names: list[str] = []
    output: str | None = None
    random_weights: Index | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "ModelSection":
        given = [name for name in ("known", "application", "file") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"expected exactly one of `known`, `application` and `file`, got {' and '.join(given) or 'none'}"
            )
        if self.known is not None and self.known not in catalog.MODELS:
            raise ValueError(f"known: unknown model {self.known!r}; {choices(self.known, catalog.MODELS)}")
        if self.application is not None and self.application not in catalog.APPLICATIONS:
            raise ValueError(
                f"application: unknown {self.application!r}; {choices(self.application, catalog.APPLICATIONS)}"
            )
        expected = len(catalog.MODELS[self.known].class_names) if self.known else 0
        if self.application not in (None, "VGG16") and self.input_size is None:
            expected = 1000  # with its own classifier: ImageNet's classes
        if self.class_names and expected and len(self.class_names) != expected:
            raise ValueError(f"class_names: {len(self.class_names)} given; the network has {expected} classes")
        if self.sources is not None:
            allowed = catalog.MODELS[self.known].sources if self.known else ()
            for source in set(self.sources) - set(allowed):
                raise ValueError(f"sources: {source!r} does not have this model; valid: {', '.join(allowed) or '-'}")
        if self.file is not None:
            if Path(self.file).suffix not in (".keras", ".h5"):
                raise ValueError(f"file: {self.file!r} is no .keras or .h5 file")
            for name in ("input_size", "preprocessing"):
                if getattr(self, name) is None:
                    raise ValueError(f"{name}: needed for a model of one's own (what the network was trained with)")
        if self.preprocessing is not None and self.preprocessing not in catalog.PREPROCESSING:
            raise ValueError(
                f"preprocessing: unknown {self.preprocessing!r}; {choices(self.preprocessing, catalog.PREPROCESSING)}"
            )
        return self
