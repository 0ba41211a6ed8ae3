"""The door of filters/: what others may use, loaded when it is asked for. The rest is private."""

from .application import apply as apply  # the stage `fixed_filters`
from .borrowing import Borrowed as Borrowed  # filters taken out of a network
from .borrowing import borrow as borrow  # take them out
from .extraction import extract as extract  # the stage `weights`
from .fixed import lendable as lendable  # whether a model has filters that can be borrowed
from .kernels import draw as draw  # the picture of a layer's kernels
from .kernels import filters_of as filters_of  # a kernel with its filters first
from .kernels import first_inputs as first_inputs  # the first input channel of filters in groups
from .kernels import read_kernel as read_kernel  # kernel and bias of a stored layer
from .likeness import clusters as clusters  # groups of filters that are alike
from .likeness import cosines as cosines  # cosine between any two kernels
from .live import kernel_of as kernel_of  # the kernel of a layer at hand
from .section import FixedFiltersSection as FixedFiltersSection  # `fixed_filters` in params.yaml
from .section import WeightsSection as WeightsSection  # `weights` in params.yaml
