"""The door of predictions/: what others may use, loaded when it is asked for. The rest is private."""

from . import gradcam as gradcam  # where in an image a class score comes from
from .explaining import against_labels as against_labels  # scores of each set with the true classes
from .explaining import explain as explain  # predictions -> files
from .outputs import covered as covered  # what share of a map is covered
from .outputs import headline as headline  # the accuracy of predictions
