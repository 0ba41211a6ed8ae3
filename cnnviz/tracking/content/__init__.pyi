"""The door of content/: what the rest of tracking may use, loaded when it is asked for. The rest is private."""

from .holding import Content as Content  # numbers, curves, params, files, pictures, inputs, tags
from .holding import legal as legal  # what MLflow takes as a name
from .holding import rounded as rounded  # what its tables show well
from .inputs import Input as Input  # a model or a set of images, by digest
from .stages import STAGES as STAGES  # what a model's own run is made from
from .stages import of_model as of_model  # what stands for a whole model
from .stages import of_stage as of_stage  # one stage's outputs
