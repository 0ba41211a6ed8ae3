"""The door of activations/: what others may use, loaded when it is asked for. The rest is private."""

from . import maps as maps  # feature maps of all conv layers
from . import nature as nature  # what natural images do in a layer
from .nature import Nature as Nature  # natural images in one layer
from .section import FeatureMapsSection as FeatureMapsSection  # `feature_maps` in params.yaml
from .stage import run as run  # the stage `feature_maps`
