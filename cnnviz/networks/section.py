"""An entry of `models` in params.yaml: docs/params.md explains each key."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from cnnviz.errors import InputError, choices, quoted
from cnnviz.fields import Channels, Index, Key, PerLayer, Section, Seed, no_bool, too_long
from cnnviz.networks.files.kinds import wrong_suffix
from cnnviz.networks.scaling import scaling
from cnnviz.sources import catalog

MODELS = "inputs/models"
FORMED = 0.9  # similarity to a filter's last picture from which it has its form
FLOAT32 = 3e38  # the largest number that a network computes with, nearly
Side = Annotated[int, BeforeValidator(no_bool), Field(ge=8, le=4096, strict=True)]  # of an image, in pixels


def _watched(path: str) -> bool:
    """Whether a file is where a change of it makes the stages run again."""
    return path.isprintable() and ".." not in PurePosixPath(path).parts and PurePosixPath(path).is_relative_to(MODELS)


def _names(value: Any) -> Any:
    """Names of classes; whole numbers are names as well. What YAML takes for yes and no is none."""
    if not isinstance(value, list):
        return value
    if any(isinstance(name, bool) for name in value):
        raise ValueError("expected names; put yes, no, on, off, true and false in quotes")
    return [str(name) if isinstance(name, int) else name for name in value]


def _values(value: Any) -> Any:
    """Numbers for an input that is no image, in lists as deep as its shape is."""
    if isinstance(value, list):
        return [_values(one) for one in value]
    if not isinstance(value, int | float) or isinstance(value, bool) or not -FLOAT32 <= value <= FLOAT32:
        raise ValueError(f"{quoted(value)}: expected a number, or numbers in lists")
    return value


class Bands(Section):
    """How a network of other than 1, 3 or 4 channels is drawn: the channels' names, and three as red, green, blue."""

    names: list[str] = []
    rgb: Annotated[list[Index | str], Field(min_length=3, max_length=3)] | None = None


class ModelSection(Section):
    """One of `known` (catalogue), `application` (keras.applications), `file` and `checkpoints` (one's own, a network or
    its training), and all that concerns one model alone: which layers are rendered, which predictions explained.
    """

    known: str | None = None
    application: str | None = None
    file: str | None = None
    checkpoints: str | None = None
    architecture: str | None = None
    formed: Annotated[float, BeforeValidator(no_bool), Field(gt=0, le=1)] = FORMED
    sources: Annotated[list[Literal["package", "keras"]], Field(min_length=1)] | None = None
    input_size: Side | None = None
    code: str | None = None
    input_shape: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = None
    inputs: dict[str, Annotated[float | list[Any], BeforeValidator(_values)]] = {}
    bands: Bands | None = None
    preprocessing: str | dict[str, Any] | None = None
    license: str = "not stated"
    trained_on: str = "not stated"
    class_names: Annotated[list[str], BeforeValidator(_names)] = []
    output: str | None = None
    random_weights: Seed | None = None
    layers: PerLayer = "auto"
    channels: Channels = "auto"
    objectives: dict[Key, str] = {}
    analyzed_layers: Annotated[list[str], Field(min_length=1)] | None = None
    explain: dict[Key, list[Index]] = {}
    explained_layer: str | None = None
    labels: dict[Key, Literal["same"] | dict[Index | str, Index | str]] = {}

    def complaints(self) -> Iterator[str]:
        sources = ("known", "application", "file", "checkpoints")
        given = [name for name in sources if getattr(self, name) is not None]
        if len(given) != 1:
            said = "`known`, `application`, `file` and `checkpoints`"
            yield f"expected exactly one of {said}, got {' and '.join(given) or 'none'}"
        if self.known is not None and self.known not in catalog.MODELS:
            yield f"known: unknown model {quoted(self.known)}; {choices(self.known, catalog.MODELS)}"
        if self.application is not None and self.application not in catalog.APPLICATIONS:
            yield f"application: unknown {quoted(self.application)}; {choices(self.application, catalog.APPLICATIONS)}"
        expected = len(catalog.MODELS[self.known].class_names) if self.known in catalog.MODELS else 0
        if self.application not in (None, "VGG16") and self.input_size is None and self.input_shape is None:
            expected = 1000  # with its own classifier: ImageNet's classes
        if self.class_names and expected and len(self.class_names) != expected:
            yield f"class_names: {len(self.class_names)} given; the network has {expected} classes"
        if self.sources is not None:
            allowed = catalog.MODELS[self.known].sources if self.known in catalog.MODELS else ()
            for source in sorted(set(self.sources) - set(allowed)):
                yield f"sources: {source!r} does not have this model; valid: {', '.join(allowed) or '-'}"
        if self.file is not None and (reason := wrong_suffix(self.file)):
            yield f"file: {quoted(self.file)} is {reason}"
        if self.architecture is not None and (reason := wrong_suffix(self.architecture)):
            yield f"architecture: {quoted(self.architecture)} is {reason}"
        elif self.architecture is not None and not self.architecture.lower().endswith(".keras"):
            yield f"architecture: {quoted(self.architecture)}; expected a .keras file"
        for name in ("architecture", "formed"):
            if self.checkpoints is None and getattr(self, name) != type(self).model_fields[name].default:
                yield f"{name}: is for a series, beside `checkpoints`"
        if self.checkpoints is not None and self.random_weights is not None:
            yield "random_weights: is for one network, not for the checkpoints of a training"
        for name in ("file", "checkpoints", "architecture", "code"):
            if (given := getattr(self, name)) is None:
                continue
            if not given:
                yield f"{name}: is empty; expected a path in {MODELS}"
            elif line := too_long(given):
                yield f"{name}: {quoted(given)} is {line}"
            elif not _watched(given):
                yield f"{name}: {quoted(given)} is not in {MODELS}, which DVC watches; put it there, or a copy"
        for name in ("code", "inputs", "bands"):
            if getattr(self, name) and not self.own:
                yield f"{name}: is for a model of one's own, beside `file` or `checkpoints`"
        if self.code is not None and not self.code.endswith(".py"):
            yield f"code: {quoted(self.code)} is no Python file"
        if self.input_size is not None and self.input_shape is not None:
            yield "input_size: given beside input_shape; one of both"
        if self.preprocessing is not None:
            try:
                scaling(self.preprocessing, self._channels())
            except InputError as error:
                yield f"preprocessing: {error}"

    @property
    def own(self) -> bool:
        """Whether it is made from files of one's own."""
        return self.file is not None or self.checkpoints is not None

    def brought(self) -> dict[str, str]:
        """What of one's own files it is made from, by key: paths, or a pattern of paths."""
        names = ("file", "checkpoints", "architecture", "code")
        return {name: path for name in names if (path := getattr(self, name))}

    def _channels(self) -> int:
        """Of the network, as far as params.yaml tells: the file says how many there are."""
        if self.bands and self.bands.names:
            return len(self.bands.names)
        given = self.preprocessing if isinstance(self.preprocessing, dict) else {}
        lists = (value for key in ("mean", "std") if isinstance(value := given.get(key), list))
        return max((len(value) for value in lists if len(value) > 1), default=3)
