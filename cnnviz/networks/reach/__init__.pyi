"""The door of networks/reach/: what operations need of their inputs, a rule for each kind. The rest is private."""

from .rules import before as before  # what some of an operation's output needs of one of its inputs
from .rules import keeps as keeps  # whether an operation only changes the shape, or each number by itself
from .step import Interval as Interval  # first and last position, for each neuron
from .step import Needs as Needs  # an interval for each axis of a tensor
from .step import Step as Step  # one call of an operation
