"""The door of report/: what others may use, loaded when it is asked for. The rest is private."""

from .asked import Asked as Asked  # what a network makes of one's own image
from .asked import write_asked as write_asked  # its page
from .pages import is_whole as is_whole  # whether a report, no preview, is complete
from .pages import render as render  # the stage `report`
