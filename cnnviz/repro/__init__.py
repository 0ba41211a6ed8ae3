"""`make repro`: DVC between what has to be true before it and what follows it. A command: nothing imports this room."""

import signal
import sys

if sys.argv[0] == "-m":  # as a command, until it can say a line; whoever imports this keeps what Ctrl-C does there
    signal.signal(signal.SIGINT, signal.SIG_DFL)
