"""`feature_maps` in params.yaml: docs/params.md explains each key."""

from typing import Annotated

from pydantic import Field

from cnnviz.fields import Index, Section


class FeatureMapsSection(Section):
    images: Annotated[list[Index], Field(min_length=1)] = [0, 1, 2]
