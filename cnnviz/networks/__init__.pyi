"""The door of networks/: what others may use, loaded when it is asked for. The rest is private."""

from . import graph as graph  # a model as one flat graph of calls: trace, unit, Call, Conv, Graph
from . import head as head  # which output is the network's answer, and the scores behind it
from . import receptive_field as receptive_field  # which pixels a neuron sees
from . import rescaling as rescaling  # what a network does itself to the numbers of its images
from . import selection as selection  # layers and filters that params.yaml asks for, and memory for them, checked
from . import series as series  # the checkpoints of a training: found, read, stored
from .description import read_description as read_description  # model.json of a stored model
from .files.kinds import recognise as recognise  # what a model file is, or the line with the remedy
from .folding import filter_kernels as filter_kernels  # kernels with their batch normalization folded in
from .folding import foldable as foldable  # whether that is possible
from .graph import Conv as Conv  # a convolution with what belongs to its unit
from .graph import Graph as Graph  # a network's calls
from .head import Head as Head  # what is known of a network's answer
from .head import ancestors as ancestors  # all that a tensor is made of
from .loading import known as known  # a model of the catalogue, verified
from .opening import input_of as input_of  # height, width and channels of the images that a model takes
from .opening import opened as opened  # a model that a user names: itself, its file or its key
from .preprocessing import preprocess as preprocess  # images in 0..255 -> what a network expects
from .scaling import scaling as scaling  # `preprocessing` of params.yaml as numbers
from .section import ModelSection as ModelSection  # an entry of `models` in params.yaml
from .stage import run as run  # the stage `models`
from .store import digest as digest  # SHA-256 of all weights
from .store import load as load  # a stored model
