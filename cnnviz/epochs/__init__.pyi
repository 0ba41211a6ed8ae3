"""The door of epochs/: what others may use, loaded when it is asked for. The rest is private."""

from .following import run as run  # the stage `epochs`
from .growing import grow as grow  # pictures of a network at hand, as of any of its states
from .watch import FilterWatch as FilterWatch  # keeps the weights while a network is trained
