"""The door of images/: what others may use, loaded when it is asked for. The rest is private."""

from .copies import photos as photos  # which images show the same photo
from .decoding import decode as decode  # an image file -> pixels
from .feeding import conversion as conversion  # what is done to images of so many channels, in a sentence
from .feeding import conversions as conversions  # what is done to images for a network, in words
from .feeding import converted as converted  # images with the channels that a network wants
from .feeding import fed as fed  # chosen images of a set as a network sees them
from .feeding import fits as fits  # whether images can be shown to a network of so many channels
from .feeding import load_sets as load_sets  # the stored sets that a network can see
from .own import Own as Own  # a folder of one's own images, listed
from .own import one_alone as one_alone  # a picture as a set of one's own images would hold it
from .reading import read_known as read_known  # a set of the catalogue
from .section import ImagesSection as ImagesSection  # `images` in params.yaml
from .sets import ImageSet as ImageSet  # images of any size with labels and names
from .sets import load_set as load_set  # a stored set
from .sets import resize as resize  # images at a network's size
from .sets import resized as resized  # chosen images of a set at a network's size
from .stage import run as run  # the stage `images`
from .watched import faults as faults  # files that DVC stops at, folders that are not there, in lines
