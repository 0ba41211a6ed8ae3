"""The door of report/: what others may use, loaded when it is asked for. The rest is private."""

from .asked import Asked as Asked  # what a network makes of one's own image
from .asked import write_asked as write_asked  # its page
from .data import SCORES as SCORES  # of a maximized filter, by name
from .pages import environment as environment  # templates, everything escaped
from .pages import is_whole as is_whole  # whether a report, no preview, is complete
from .pages import render as render  # the stage `report`
from .publishing import publish as publish  # the site with the docs, for a static host
