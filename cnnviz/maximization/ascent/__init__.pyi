"""The door of ascent/: what others may use, loaded when it is asked for. The rest is private."""

from . import scores as scores  # how good images are, and how alike
from . import settings as settings  # what an image depends on besides network and objective
from .rendered import Rendered as Rendered  # images with their scores
from .renderer import Renderer as Renderer  # renders objectives of one structure
from .settings import Settings as Settings  # what an image depends on besides network and objective
