"""The door of files/: what others may use, loaded when it is asked for. The rest is private."""

from . import own_code as own_code  # a file with the user's own layers
from .inputs import Given as Given  # a fixed value in the place of an input
from .kinds import SUFFIXES as SUFFIXES  # of model files
from .kinds import wrong_suffix as wrong_suffix  # what a path can't be by its name
from .reading import Read as Read  # a network from a file
from .reading import read as read  # a model file -> a network in the one form
