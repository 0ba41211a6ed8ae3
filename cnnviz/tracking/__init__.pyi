"""The door of tracking/: what others may use, loaded when it is asked for. The rest is private."""

from . import lockfile as lockfile  # dvc.lock as a list of finished stages
from . import target as target  # which store the runs go to, and which are there
from . import timings as timings  # when a stage ran, and on what
from .links import base as base  # where the MLflow of `make ui` is now
from .links import compared as compared  # the page on which MLflow compares runs
from .picturing import log_picture as log_picture  # a picture at a step of any run
from .sync import run as run  # the stage `track`
