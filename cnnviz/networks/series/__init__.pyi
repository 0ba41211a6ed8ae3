"""The door of series/: what others may use, loaded when it is asked for. The rest is private."""

from .absent import content as content  # what is in a folder, in words
from .absent import without as without  # which files of a series are gone, in words
from .composing import whole as whole  # a checkpoint as a model file
from .copies import bring as bring  # a copy of a watched training's folder up to date
from .copies import differs as differs  # whether it is one of another training
from .kept import NOISE as NOISE  # what all checkpoints of all series start from
from .kept import Moment as Moment  # one state of a network: when it was, and where each of its arrays lies
from .kept import from_weights as from_weights  # the arrays of a weights file of Keras
from .kept import keep as keep  # write what of them changed
from .kept import read_arrays as read_arrays  # all arrays of a state
from .kept import read_moment as read_moment  # what a file says of its state
from .kept import state as state  # one digest of all weights
from .listing import Checkpoint as Checkpoint  # a file of a series
from .listing import files_of as files_of  # all files that a series depends on
from .listing import find as find  # the checkpoints of a series in their order
from .listing import kept_in as kept_in  # those of a watched training's folder
from .listing import missing as missing  # files of a watched training that were written and are gone
from .listing import natural as natural  # a key by which names sort as people count
from .listing import place as place  # epochs and steps in the name of such a file
from .listing import set_aside as set_aside  # files of an earlier training
from .listing import whole_in as whole_in  # those that are whole, and what is wrong with others
from .record import NETWORK as NETWORK  # the file of a watched training's folder that has the architecture
from .record import SEEN as SEEN  # the file of what was seen
from .record import WATCH as WATCH  # the file of what a watched training is of
from .record import Seen as Seen  # a state that a training went through, kept or not
from .record import see as see  # note one
from .record import seen_in as seen_in  # all that were noted
from .record import watch_in as watch_in  # what a folder knows of its training: architecture, preprocessing
from .record import write_seen as write_seen  # note all again
from .record import write_watch as write_watch  # note that
from .stored import Stored as Stored  # the checkpoints of a stored model
from .stored import Twice as Twice  # finds a state that is there twice
from .stored import check as check  # that a network's signature is that of the first checkpoint
from .stored import difference as difference  # between two signatures, in words
from .stored import let_go as let_go  # free the networks of earlier checkpoints
from .stored import put as put  # the weights of one network into another of the same signature
from .stored import signature as signature  # what all checkpoints of a series have in common
from .stored import store as store  # write them
from .telling import configured as configured  # a digest of layers, settings and wiring of a .keras file
