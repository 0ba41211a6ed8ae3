"""The door of causes/: what others may use, loaded when it is asked for. The rest is private."""

from .checking import check as check  # what depends on rendered filters -> files
from .deciding import Decider as Decider  # whether the filters that explain a prediction made it
from .deciding import Decision as Decision  # what came of silencing them
