"""The door of config/: what others may use, loaded when it is asked for. The rest is private."""

from .names import REPORT as REPORT  # names that no model may have
from .notes import read_notes as read_notes  # inputs/notes.yaml, checked
from .params import load as load  # params.yaml, validated
from .reading import parse as parse  # its text -> plain values
from .schema import Params as Params  # its type
