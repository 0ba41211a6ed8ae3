"""The door of files/: what others may use, loaded when it is asked for. The rest is private."""

from . import machine as machine  # the kind of processor
from . import npz as npz  # npz archives with the same bytes for the same arrays
from .abreast import abreast as abreast  # independent parts of a work, on all CPUs
from .alongside import alongside as alongside  # a work in a thread beside another
from .alongside import collected as collected  # lets go of graphs, one after the other
from .alongside import threads as threads  # parts of a work that leave Python, on all CPUs
from .alongside import trim as trim  # gives freed memory back to the system
from .cards import computed_on as computed_on  # what a stage ran on, of its timings
from .disk import ARTIFACTS as ARTIFACTS  # where outputs lie
from .disk import CACHE as CACHE  # downloads and rendered filters, shared with experiments in temporary folders
from .disk import LOCAL as LOCAL  # timings and notes of this working folder
from .disk import WHOLE as WHOLE  # filters of a layer of which everything is kept
from .disk import alone as alone  # one process at a time
from .disk import fresh as fresh  # an output folder, emptied
from .disk import lfs_pointer as lfs_pointer  # what to say of a note of Git LFS in place of a file
from .disk import read_json as read_json  # a JSON file
from .disk import read_kept as read_kept  # a JSON object of a cache, empty where it can't be read
from .disk import unusable as unusable  # an error of the operating system in one line
from .disk import write_bytes as write_bytes  # a file, whole or not at all
from .disk import write_json as write_json  # the same for JSON
from .disk import writing as writing  # errors inside name the file
from .experiment import check_brought as check_brought  # files that DVC's temporary folder lacks, in a line
from .experiment import home as home  # the project's own folder, also for an experiment in a temporary one
from .interrupting import FORCE as FORCE  # the signal that ends a process by force
from .interrupting import STATUSES as STATUSES  # exit statuses of what was interrupted
from .interrupting import STOPS as STOPS  # the signals of an interruption
from .interrupting import WITHIN as WITHIN  # in the environment: another process says it
from .interrupting import end_with as end_with  # another process, however that ends
from .interrupting import exit_status as exit_status  # of a process, as a shell has it
from .interrupting import interrupted as interrupted  # what it says
from .keras_settings import use_defaults as use_defaults  # Keras with its own defaults, on what GPU= says
from .quiet import drop_chatter as drop_chatter  # TensorFlow's greetings, kept off the terminal
from .quiet import drop_retracing as drop_retracing  # no advice of TensorFlow on our own graphs
from .quiet import say as say  # a line on stderr
from .running import Stopwatch as Stopwatch  # seconds inside the network, and of each part of the work
from .running import command as command  # the frame of every command: one line for a mistake or an interruption
from .running import stage as stage  # the frame of every stage: one line for a mistake, timings
from .spool import Rows as Rows  # arrays put behind one another, in memory or in a file
from .spool import Spool as Spool  # a file that they wait in
from .table import read_csv as read_csv  # the rows of a CSV file
from .table import write_csv as write_csv  # rows as CSV
from .waiting import progress as progress  # long work that says how far it is
