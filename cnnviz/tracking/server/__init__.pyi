"""The door of server/: what the rest of tracking may use, loaded when it is asked for. The rest is private."""

from .address import EXPECTED as EXPECTED  # what an address looks like, in words
from .address import fault as fault  # why an address is none
from .address import on_http as on_http  # whether it is that of an MLflow server
from .address import page as page  # without the user, for a browser
from .address import public as public  # without a password
from .asking import has as has  # whether the server has these runs
from .asking import reach as reach  # OSError where nobody answers
from .asking import runs as runs  # all whole runs, with tags and params
from .patience import Patience as Patience  # how long a store may take
from .patience import in_time as in_time  # work that a store may hold up
from .reasons import reason as reason  # what an error says in its depth
