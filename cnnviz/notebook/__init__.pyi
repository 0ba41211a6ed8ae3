"""The door of notebook/: the public functions of cnnviz."""

from .activity import FeatureMaps as FeatureMaps  # what a layer's channels do on some images
from .activity import feature_maps as feature_maps  # the same of a layer, or of all
from .bundled import BundledImages as BundledImages  # images with labels and names
from .bundled import bundled_images as bundled_images  # a set of the catalogue
from .bundled import bundled_model as bundled_model  # a model of the catalogue and its preprocessing
from .display import Shown as Shown  # what a notebook shows as captioned pictures
from .explaining import Explanation as Explanation  # where a classifier's answer comes from
from .explaining import explain as explain  # Grad-CAM, and which filters made it
from .living import Life as Life  # filters at every checkpoint of a training
from .living import life as life  # grow them
from .maximizing import maximize as maximize  # what filters look for
from .patches import Examples as Examples  # patches that drive filters most
from .patches import examples as examples  # find them
from .result import Result as Result  # maximized images, with status and scores
from .tiles import Row as Row  # pictures side by side
from .tiles import Tile as Tile  # a picture with words
from .weights import Kernels as Kernels  # weights of a layer's filters
from .weights import kernels as kernels  # read them
