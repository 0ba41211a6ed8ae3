"""The public names of cnnviz."""

from . import objectives as objectives  # what can be maximised: channel, neuron, logit, layer, direction, diversity
from .ask import Answer as Answer  # pages of one's own images
from .ask import ask as ask  # which filters fire in one's own image, a page for all models of params.yaml
from .epochs import FilterWatch as FilterWatch  # keeps the weights while a network is trained
from .errors import InputError as InputError  # something given is wrong: one line
from .filters import Borrowed as Borrowed  # filters taken out of a network
from .filters import borrow as borrow  # take filters out of a network, put them into another
from .notebook import BundledImages as BundledImages  # images with labels and names
from .notebook import Examples as Examples  # patches that drive filters most
from .notebook import Explanation as Explanation  # where a classifier's answer comes from
from .notebook import FeatureMaps as FeatureMaps  # what a layer's channels do on some images
from .notebook import Kernels as Kernels  # weights of a layer's filters
from .notebook import Life as Life  # filters at every checkpoint of a training
from .notebook import Result as Result  # maximized images, with status and scores
from .notebook import bundled_images as bundled_images  # images to try things with: cifar10, imagenet, …
from .notebook import bundled_model as bundled_model  # a network to try things with: vgg16, cifar10-cnn, …
from .notebook import examples as examples  # the image patches that drive filters most
from .notebook import explain as explain  # Grad-CAM of a classifier's answer, and which filters made it
from .notebook import feature_maps as feature_maps  # what the channels of a layer, or of all, do on some images
from .notebook import kernels as kernels  # the weights of a layer's filters
from .notebook import life as life  # what filters look for, checkpoint by checkpoint
from .notebook import maximize as maximize  # what filters look for
