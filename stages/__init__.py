"""The scripts that DVC runs, a dozen lines each."""

import signal
import sys

# As `python -m stages.…`: until `stage` begins, Ctrl-C ends it without a traceback
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
