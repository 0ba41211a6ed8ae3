"""params.yaml as a whole: the sections that the rooms own, and what has to agree between them."""

from typing import Annotated

from pydantic import Field, model_validator

from cnnviz.activations import FeatureMapsSection
from cnnviz.analysis import AnalyzeSection
from cnnviz.comparison import CompareSection
from cnnviz.errors import choices
from cnnviz.fields import Index, Key, Section
from cnnviz.filters import FixedFiltersSection, WeightsSection
from cnnviz.images import ImagesSection
from cnnviz.maximization import MaximizeSection
from cnnviz.networks import ModelSection


class Params(Section):
    random_seed: Index
    images: ImagesSection
    models: Annotated[dict[Key, ModelSection], Field(min_length=1)]
    weights: WeightsSection = WeightsSection()
    feature_maps: FeatureMapsSection
    fixed_filters: FixedFiltersSection
    maximize: MaximizeSection
    analyze: AnalyzeSection = AnalyzeSection()
    compare: CompareSection = CompareSection()

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
            if (count := self.images.counts[name]) is not None and int(index) >= count:
                raise ValueError(f"maximize.start: the set {name!r} has {count} images, from 0 on")
        for path, chosen in (("analyze.explain", self.analyze.explain), ("analyze.labels", self.analyze.labels)):
            for model, sets in chosen.items():
                for key in sorted(set(sets) - set(self.images.sets)):
                    raise ValueError(f"{path}.{model}.{key}: no such image set; {choices(key, self.images.sets)}")
        if (given := self.fixed_filters.borrowed.model) not in self.models:
            raise ValueError(f"fixed_filters.borrowed.model: no model {given!r}; {choices(given, self.models)}")
        if (given := self.fixed_filters.set) not in self.images.sets:
            raise ValueError(f"fixed_filters.set: no image set {given!r}; {choices(given, self.images.sets)}")
        have = self.images.counts[self.fixed_filters.set]
        if have is not None and self.fixed_filters.images > have:
            raise ValueError(f"fixed_filters.images: {self.fixed_filters.images} asked, the set has {have}")
        for name, count in self.images.counts.items():
            if count is not None and max(self.feature_maps.images) >= count:
                raise ValueError(
                    f"feature_maps.images: {max(self.feature_maps.images)} is out of range; {name} has 0..{count - 1}"
                )
        return self
