"""What params.yaml may say: its sections as frozen pydantic models. docs/params.md explains each key."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from cnnviz import catalog, objectives
from cnnviz.errors import InputError, choices
from cnnviz.fields import Canvas, Few, Index, Key, Number, PerLayer, Positive, Start, no_bool


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Images(Section):
    source: Literal["package", "keras", "folder"] = "package"
    folder: str = "inputs/images"
    sets: Annotated[dict[Key, Positive], Field(min_length=1)]

    @model_validator(mode="after")
    def _enough(self) -> "Images":
        if self.source == "folder":
            return self
        have = (
            {name: images.count for name, images in catalog.IMAGE_SETS.items()}
            if self.source == "package"
            else catalog.KERAS_SETS
        )
        more = (
            "`source: keras` has 10000 images of cifar10, `source: folder` as many as you put there"
            if self.source == "package"
            else "`source: folder` has as many as you put there"
        )
        for name, count in self.sets.items():
            if name not in have:
                raise ValueError(f"sets.{name}: unknown for `source: {self.source}`; {choices(name, have)}")
            if count > have[name]:
                raise ValueError(f"sets.{name}: {count} images asked, `source: {self.source}` has {have[name]}; {more}")
        return self


class Model(Section):
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
    random_weights: Index | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Model":
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


class Weights(Section):
    filters_shown: Positive = 32
    inputs_shown: Positive = 16


class FeatureMaps(Section):
    images: Annotated[list[Index], Field(min_length=1)]
    channels: dict[Key, PerLayer]


class Gabor(Section):
    size: Annotated[int, Field(ge=1, le=63, strict=True)]
    wavelength: Annotated[Number, Field(gt=0)]
    orientation: Number
    sigma: Annotated[Number, Field(gt=0)]


class Borrowed(Section):
    model: Key
    layer: str
    filters: Annotated[list[Index], Field(min_length=1)]


class FixedFilters(Section):
    set: Key
    images: Positive
    kernels: dict[Key, list[list[Number]]]
    gabor: dict[Key, Gabor] = {}
    borrowed: Borrowed
    pool_size: Positive = 2

    @model_validator(mode="after")
    def _rectangular(self) -> "FixedFilters":
        for name, rows in self.kernels.items():
            widths = {len(row) for row in rows}
            if len(widths) != 1 or 0 in widths:
                raise ValueError(f"kernels.{name}: expected rows of one length, got lengths {[len(r) for r in rows]}")
            if len(rows) % 2 == 0 or widths.pop() % 2 == 0:
                raise ValueError(f"kernels.{name}: expected an odd number of rows and columns")
        for name in self.gabor:
            if name in self.kernels:
                raise ValueError(f"gabor.{name}: `kernels` has this name already")
            if self.gabor[name].size % 2 == 0:
                raise ValueError(f"gabor.{name}.size: expected an odd number, got {self.gabor[name].size}")
        return self


class Maximize(Section):
    steps: Positive
    optimizer: Literal["auto", "momentum", "adam"] = "auto"
    learning_rate: Annotated[Number, Field(gt=0, le=10)] = 0.1
    snapshots: list[Positive] = []
    objective: Literal["pre_activation", "post_activation"] = "post_activation"
    neuron: Annotated[bool, Field(strict=True)] = False
    start: Start = "noise"
    parameterization: Literal["fourier", "pixel", "maco"] = "fourier"
    decay: Annotated[Number, Field(ge=0, le=4)] = 1.0
    colour: Literal["decorrelated", "rgb"] = "decorrelated"
    size: Canvas = "auto"
    max_size: Annotated[int, Field(ge=8, le=2048, strict=True)] = 128
    jitter: Annotated[Number, Field(ge=0, le=0.5)] = 0.06
    scale: Annotated[Number, Field(ge=0, lt=1)] = 0.1
    rotate: Annotated[Number, Field(ge=0, le=180)] = 5
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    stability_steps: Index = 16
    negatives: Annotated[bool, Field(strict=True)] = False
    variants: Annotated[int, BeforeValidator(no_bool), Field(ge=0, le=16, strict=True)] = 0
    memory: Positive = 1000
    objectives: dict[Key, dict[Key, str]] = {}
    layers: dict[Key, PerLayer]

    @model_validator(mode="after")
    def _readable(self) -> "Maximize":
        for model, named in self.objectives.items():
            for name, text in named.items():
                try:
                    objectives.parse(text)
                except InputError as error:
                    raise ValueError(f"objectives.{model}.{name}: {error}") from None
        return self


class Analyze(Section):
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


class Compare(Section):
    matches: Few = 12
    changed: Few = 6


class Params(Section):
    random_seed: Index
    images: Images
    models: Annotated[dict[Key, Model], Field(min_length=1)]
    weights: Weights = Weights()
    feature_maps: FeatureMaps
    fixed_filters: FixedFilters
    maximize: Maximize
    analyze: Analyze = Analyze()
    compare: Compare = Compare()

    @model_validator(mode="after")
    def _refer(self) -> "Params":
        for path, keys, example in (
            ("feature_maps.channels", self.feature_maps.channels, "8"),
            ("maximize.layers", self.maximize.layers, "auto"),
            ("maximize.objectives", self.maximize.objectives, None),
            ("analyze.layers", self.analyze.layers, None),
            ("analyze.explain", self.analyze.explain, None),
            ("analyze.explained_layer", self.analyze.explained_layer, None),
            ("analyze.labels", self.analyze.labels, None),
        ):
            for key in sorted(set(keys) - set(self.models)):
                raise ValueError(f"{path}.{key}: no such model; {choices(key, self.models)}")
            for key in sorted(set(self.models) - set(keys)) if example else ():
                raise ValueError(f"{path}: the model {key!r} is missing; add `{key}: {example}`")
        if self.maximize.start != "noise":
            name, index = self.maximize.start.split("/")
            if name not in self.images.sets:
                raise ValueError(f"maximize.start: no image set {name!r}; {choices(name, self.images.sets)}")
            if int(index) >= self.images.sets[name]:
                raise ValueError(f"maximize.start: the set {name!r} has {self.images.sets[name]} images, from 0 on")
        for path, chosen in (("analyze.explain", self.analyze.explain), ("analyze.labels", self.analyze.labels)):
            for model, sets in chosen.items():
                for key in sorted(set(sets) - set(self.images.sets)):
                    raise ValueError(f"{path}.{model}.{key}: no such image set; {choices(key, self.images.sets)}")
        if (given := self.fixed_filters.borrowed.model) not in self.models:
            raise ValueError(f"fixed_filters.borrowed.model: no model {given!r}; {choices(given, self.models)}")
        if (given := self.fixed_filters.set) not in self.images.sets:
            raise ValueError(f"fixed_filters.set: no image set {given!r}; {choices(given, self.images.sets)}")
        have = self.images.sets[self.fixed_filters.set]
        if self.fixed_filters.images > have:
            raise ValueError(f"fixed_filters.images: {self.fixed_filters.images} asked, the set has {have}")
        for name, count in self.images.sets.items():
            if max(self.feature_maps.images) >= count:
                raise ValueError(
                    f"feature_maps.images: {max(self.feature_maps.images)} is out of range; {name} has 0..{count - 1}"
                )
        return self
