"""The door of notebook/: the public functions of cnnviz."""

from .maximizing import maximize as maximize  # what filters look for
