"""The door of execution/: what others may use, loaded when it is asked for. The rest is private."""

from .crew import shared as shared  # by how many processes they are made here
from .estimating import Estimate as Estimate  # what a request would cost
from .estimating import estimate as estimate  # one, from a few steps of each layer
from .executing import Execution as Execution  # a work whose pictures are there, or made when they are asked for
from .executing import execute as execute  # one, as params.yaml asks for it
from .handing import Handing as Handing  # which part a worker makes next
from .replaying import replay as replay  # how long that takes so many workers
from .request import Request as Request  # what a stage asks of a model
from .shards import arguments as arguments  # of a stage's command line
from .shards import fill as fill  # the render cache, by a share of the pictures
from .shards import frame as frame  # the frame of a stage that may be a shard
from .work import Part as Part  # what is made together
from .work import States as States  # a work at any checkpoint of its series
from .work import Work as Work  # all of a request: canvas, settings, wishes, parts
