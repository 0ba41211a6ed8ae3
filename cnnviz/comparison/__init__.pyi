"""The door of comparison/: what others may use, loaded when it is asked for. The rest is private."""

from .section import CompareSection as CompareSection  # `compare` in params.yaml
from .similarity import cka as cka  # how alike layers are, from their Gram matrices
from .similarity import drift as drift  # how far kernels moved
from .stage import run as run  # the stage `compare`
