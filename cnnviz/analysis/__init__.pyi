"""The door of analysis/: what others may use, loaded when it is asked for. The rest is private."""

from . import depth as depth  # what changes with depth: frequency, chroma
from . import examples as examples  # image patches that drive a filter
from . import layers as layers  # what a pass over images found of a layer, in numbers
from . import subjects as subjects  # layers that params.yaml asks for, checked
from . import watching as watching  # show image sets to a network once, with all measures
from .causes import Masks as Masks  # what of their strongest patches filters look at
from .causes import known_masks as known_masks  # by image and box
from .causes import masked as masked  # an image as a filter looks at it
from .causes import read_masks as read_masks  # of one layer
from .examples import Extremes as Extremes  # the images that drive each channel most
from .examples import cut as cut  # of an image what a receptive field sees, without what lies beyond
from .examples import outside as outside  # what share of a receptive field lies beyond the image
from .examples import window as window  # the same for a network, grey beyond the image
from .files import Analysis as Analysis  # what one model's folder says
from .files import Pixels as Pixels  # images of several sets as a network sees them
from .files import read_analysis as read_analysis  # one model's folder, read
from .files import rendered_filters as rendered_filters  # which filters of a layer have an image
from .files import rendered_images as rendered_images  # maximized images of a layer by filter
from .files import top_patches as top_patches  # the patches that drive a filter most
from .grams import pool as pool  # maps averaged over a grid of cells
from .observe import Observer as Observer  # what every unit does, a batch at a time
from .places import LEVELS as LEVELS  # steps from 0 to a filter's highest output
from .places import Placed as Placed  # which cells a layer's places have, and what a level means
from .places import Places as Places  # where in an image which filters fire
from .places import quantised as quantised  # shares of a filter's highest output as levels
from .places import read_places as read_places  # of one model's analysis
from .places import share as share  # what a level stands for
from .places import split as split  # an image's levels by layer
from .predictions import against_labels as against_labels  # what a network said, and whether that is right
from .predictions import covered as covered  # what share of a map is covered
from .predictions import gradcam as gradcam  # where in an image a class score comes from
from .predictions import headline as headline  # the accuracy of predictions
from .section import AnalyzeSection as AnalyzeSection  # `analyze` in params.yaml
from .seen import Seen as Seen  # what a measure gets to see of one layer
from .stage import run as run  # the stage `analyze`
