"""The door of judging/: what others may use, loaded when it is asked for. The rest is private."""

from .section import JudgeSection as JudgeSection  # `judge` in params.yaml
from .stage import run as run  # the stage `judge`
