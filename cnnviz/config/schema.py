"""params.yaml as a whole: the sections that the rooms own, and what has to agree between them."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, model_validator

from cnnviz.activations import FeatureMapsSection
from cnnviz.analysis import AnalyzeSection
from cnnviz.comparison import CompareSection
from cnnviz.config.names import meeting
from cnnviz.errors import InputError, choices, quoted, shortened
from cnnviz.fields import Key, Section, Seed
from cnnviz.filters import FixedFiltersSection, WeightsSection
from cnnviz.images import ImagesSection
from cnnviz.judging import JudgeSection
from cnnviz.maximization import Enlarged, MaximizeSection
from cnnviz.networks import ModelSection
from cnnviz.objectives import parse

LONGEST = 2000  # characters of an objective
LARGEST = 1e30  # of a weight in it: float32 has room for its product with what a network computes


class Params(Section):
    """Every section that a stage of dvc.yaml depends on is required, if only as `{}`: DVC needs it."""

    random_seed: Seed
    images: ImagesSection
    models: Annotated[dict[Key, ModelSection], Field(min_length=1)]
    weights: WeightsSection
    feature_maps: FeatureMapsSection
    fixed_filters: FixedFiltersSection
    maximize: MaximizeSection
    analyze: AnalyzeSection
    enlarge: Enlarged
    judge: JudgeSection
    compare: CompareSection

    @model_validator(mode="after")
    def _refer(self) -> "Params":
        if found := [
            *self.complaints(),
            *self._of_names(),
            *self._of_models(),
            *self.of_images(self.images.counts),
            *self._of_maps(),
        ]:
            raise ValueError("\n".join(found))
        return self

    def complaints(self) -> Iterator[str]:
        sections = {name: getattr(self, name) for name in type(self).model_fields if name != "models"}
        for path, section in (sections | {f"models.{key}": model for key, model in self.models.items()}).items():
            for line in section.complaints() if isinstance(section, Section) else ():
                yield f"{path}{': ' if line.startswith('expected') else '.'}{line}"

    def _of_names(self) -> Iterator[str]:
        yield from meeting({key: model.objectives for key, model in self.models.items()}, self.images.sets)

    def _of_models(self) -> Iterator[str]:
        """What names a model or an image set that is not there; objectives that can't be read."""
        sets = self.images.sets
        for key, model in self.models.items():
            for name, text in model.objectives.items():
                if line := _objective(text):
                    yield f"models.{key}.objectives.{name}: {line}"
            for path, chosen in (("explain", model.explain), ("labels", model.labels)):
                for name in sorted(set(chosen) - set(sets)):
                    yield f"models.{key}.{path}.{name}: no such image set; {choices(name, sets)}"
        if self.judge.network not in ("auto", *self.models):
            yield f"judge.network: no model {self.judge.network!r}; auto, or {choices(self.judge.network, self.models)}"
        for key in sorted(set(self.enlarge) - set(self.models)):
            yield f"enlarge.{key}: no such model; {choices(key, self.models)}"
        borrowed = self.fixed_filters.borrowed
        if borrowed is not None and borrowed.model not in self.models:
            there = choices(borrowed.model, self.models)
            yield f"fixed_filters.borrowed.model: no model {borrowed.model!r}; {there}; or remove `borrowed`"

    def of_images(self, sets: Mapping[str, int | None]) -> Iterator[str]:
        """What asks for an image that is not there; sets: how many each has, None where that is not known."""
        if self.maximize.start != "noise":
            name, index = self.maximize.start.split("/")
            if name not in sets:
                yield f"maximize.start: no image set {name!r}; {choices(name, sets)}"
            elif (count := sets[name]) is not None and int(index) >= count:
                yield f"maximize.start: the set {name!r} has {count} images, from 0 on"
        fixed = self.fixed_filters
        if fixed.set not in sets:
            yield f"fixed_filters.set: no image set {fixed.set!r}; {choices(fixed.set, sets)}"
        elif (count := sets[fixed.set]) is not None and fixed.images > count:
            yield f"fixed_filters.images: {fixed.images} asked, the set has {count}"

    def _of_maps(self) -> Iterator[str]:
        """Of a folder's images those that are there are shown, if it is one: `known` looks."""
        highest = max(self.feature_maps.images)
        for name, count in self.images.counts.items():
            if count is not None and highest >= count:
                yield f"feature_maps.images: {highest} is out of range; {name} has 0..{count - 1}"


def _objective(text: str) -> str | None:
    """What is wrong with an objective, None where it can be read."""
    try:
        if len(text) > LONGEST:
            raise InputError(f"over {LONGEST} characters; expected for example channel('conv1', 3)")
        terms = parse(text).terms
        weights = [weight for weight, _ in terms] + [w for _, term in terms for _, w in term.channels]
        if not all(abs(weight) <= LARGEST for weight in weights):
            raise InputError(f"{text!r}: a weight beyond {LARGEST:g}, which is no number to a network")
    except (InputError, OverflowError, MemoryError) as error:
        said = str(error).removeprefix(repr(text)).removeprefix(": ") or "too many parentheses"
        return f"{quoted(text)}: {shortened(said, 240)}"
    return None
