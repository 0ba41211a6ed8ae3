"""The door of head/: what others may use, loaded when it is asked for. The rest is private."""

from .ends import ancestors as ancestors  # all that a tensor is made of
from .finding import find as find  # a network's head
from .finding import stored as stored  # the one that model.json names
from .kinds import Head as Head  # what is known of it
