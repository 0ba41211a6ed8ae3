"""The door of causes/: what others may use, loaded when it is asked for. The rest is private."""

from .checking import check as check  # what depends on rendered filters -> files
from .deciding import Decider as Decider  # whether the filters that explain a prediction made it
from .deciding import Decision as Decision  # what came of silencing them
from .looking import Spot as Spot  # a filter at a spot of an image
from .looking import opacities as opacities  # what it looks at there, by gradients
from .looking import write_masks as write_masks  # of the strongest patches of rendered filters -> files
from .masks import Masks as Masks  # what filters of a layer look at, read
from .masks import known_masks as known_masks  # by image and box
from .masks import masked as masked  # an image as a filter looks at it
from .masks import read_masks as read_masks  # of one layer
from .tail import Tail as Tail  # what of a network lies behind one tensor
