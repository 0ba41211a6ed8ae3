"""A reproducible microscope for convolutional networks.

`python -c "import cnnviz; help(cnnviz.maximize)"`; every name is loaded when it is asked for: TensorFlow takes seconds.
"""

import signal
import sys

# As `python -m cnnviz.…`: until the command can say a line, Ctrl-C ends it without a traceback. Whoever imports this
# keeps what Ctrl-C does there.
_AS_COMMAND = sys.argv[:1] == ["-m"] and any(word.startswith(("cnnviz.", "-mcnnviz.")) for word in sys.orig_argv)
if _AS_COMMAND and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import lazy_loader  # noqa: E402 (takes a moment)

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the names are in __init__.pyi
