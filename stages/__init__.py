"""The scripts that DVC runs, a dozen lines each."""

import signal
import sys

if sys.argv[0] == "-m":  # as `python -m stages.…`: until `stage` begins, Ctrl-C ends it without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)
