"""The door of predictions/: what others may use, loaded when it is asked for. The rest is private."""

from . import gradcam as gradcam  # where in an image a class score comes from
from .explaining import explain as explain  # predictions -> files
from .outputs import covered as covered  # what share of a map is covered
