"""The door of config/: what others may use, loaded when it is asked for. The rest is private."""

from .params import load as load  # params.yaml, validated
from .schema import Params as Params  # its type
