"""The door of words/: what others may use, loaded when it is asked for. The rest is private."""

from .files import rows as rows  # the rows of words.csv
from .responses import Responses as Responses  # what every filter did on labelled images
from .responses import tellable as tellable  # whether a set's labels say anything
