"""The door of maximization/: what others may use, loaded when it is asked for. The rest is private."""

from . import canvas as canvas  # on how large a canvas, out of what the network takes
from .ascent import Settings as Settings  # what an image depends on besides network and objective
from .ascent import scores as scores  # how good images are, and how alike
from .ascent import settings as settings  # what an image depends on besides network and objective
from .asking import Wishes as Wishes  # what to render of a filter besides its image
from .chunks import Chunk as Chunk  # objectives that are rendered together
from .chunks import Workshop as Workshop  # a network that renders chunks
from .enlarging import check_enlarged as check_enlarged  # whether `enlarge` asks for what is there
from .enlarging import enlarge as enlarge  # the stage `enlarge`
from .execution import Request as Request  # what a stage asks of a model
from .execution import arguments as arguments  # of a stage's command line
from .execution import estimate as estimate  # what a request would cost
from .execution import fill as fill  # the render cache, by a share of the pictures
from .execution import frame as frame  # the frame of a stage that may be a shard
from .execution import shared as shared  # by how many processes a request is met here
from .ladder import doubt as doubt  # why a picture does not show what its filter looks for
from .ladder import rose as rose  # whether a score rose
from .plain import of_series as of_series  # pictures of a series, by the first attempt alone
from .rendering import Judged as Judged  # filters with their verdicts and scores
from .rendering import Rendering as Rendering  # a network's images, rendered and scored
from .section import Enlarged as Enlarged  # `enlarge` in params.yaml
from .section import MaximizeSection as MaximizeSection  # `maximize` in params.yaml
from .stage import run as run  # the stage `maximize`
from .surroundings import Surroundings as Surroundings  # natural images around a layer
