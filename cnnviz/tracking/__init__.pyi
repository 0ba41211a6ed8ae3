"""The door of tracking/: what others may use, loaded when it is asked for. The rest is private."""

from . import lockfile as lockfile  # dvc.lock as a list of finished stages
from .sync import run as run  # the stage `track`
