"""The door of pictures/: what others may use, loaded when it is asked for. The rest is private."""

from . import montage as montage  # tiles of equal size on a grid, colours, labels
from . import plots as plots  # matplotlib in one style
from .colours import shown as shown  # images of any number of channels as RGB
from .heat import over as over  # a map laid over an image
from .montage import Picture as Picture  # the type of a picture: uint8 (h, w[, 3])
from .montage import fit as fit  # tiles brought to a size
from .montage import label_grid as label_grid  # tiles with labels left and above
from .montage import png_bytes as png_bytes  # a picture as PNG, the same bytes every time
from .montage import to_uint8 as to_uint8  # numbers scaled to 0..255
