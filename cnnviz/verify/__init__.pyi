"""The door of verify/: what others may use, loaded when it is asked for. The rest is private."""

from . import arrays as arrays  # arrays of files that others made
from .notes import read_mapping as read_mapping  # a JSON object of a file that others made
from .other import find as find  # another clone, or what a commit describes
from .sides import Files as Files  # path inside an output -> where the file is
from .sides import Folder as Folder  # outputs that lie in a folder
from .sides import from_cache as from_cache  # outputs that DVC's cache has
from .sides import paths as paths  # outputs of a dvc.lock with their digests
