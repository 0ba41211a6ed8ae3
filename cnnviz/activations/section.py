"""`feature_maps` in params.yaml: docs/params.md explains each key."""

from typing import Annotated

from pydantic import Field

from cnnviz.fields import Index, Key, PerLayer, Section


class FeatureMapsSection(Section):
    images: Annotated[list[Index], Field(min_length=1)]
    channels: dict[Key, PerLayer]
