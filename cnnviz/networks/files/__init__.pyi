"""The door of files/: what others may use, loaded when it is asked for. The rest is private."""

from . import onnx as onnx  # initializers of an ONNX file
from . import own_code as own_code  # a file with the user's own layers
from .inputs import Given as Given  # a fixed value in the place of an input
from .kinds import SUFFIXES as SUFFIXES  # of model files
from .kinds import recognise as recognise  # what a file is, or the line with the remedy
from .reading import OWN as OWN  # classes of keras.applications that are no layers of Keras
from .reading import Read as Read  # a network from a file
from .reading import brought as brought  # a Keras model itself -> a network in the one form
from .reading import read as read  # a model file -> a network in the one form
