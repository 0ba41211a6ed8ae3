"""The public names of cnnviz."""

from . import objectives as objectives  # what can be maximised: channel, neuron, logit, layer, direction, diversity
from .errors import InputError as InputError  # something given is wrong: one line
from .filters import Borrowed as Borrowed  # filters taken out of a network
from .filters import borrow as borrow  # take filters out of a network, put them into another
from .notebook import maximize as maximize  # what filters look for
