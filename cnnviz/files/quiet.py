"""Keep TensorFlow's greetings off the terminal, and its advice out of notebooks.

TensorFlow 2.21 writes them from C++ to file descriptor 2 and heeds no TF_CPP_MIN_LOG_LEVEL. What Python itself writes
(messages, progress, tracebacks) goes past the filter.
"""

import atexit
import logging
import os
import re
import sys
import threading

_CHATTER = re.compile(
    rb"WARNING: All log messages before absl|[IW]\d{4} \d\d:|E\d{4} .*(cuda|cuInit)"
    rb"|To enable the following instructions"
)


def drop_retracing() -> None:
    """From now on leave out TensorFlow's advice on our own graphs, of which each layer needs one; all else passes."""
    logging.getLogger("tensorflow").addFilter(_is_no_advice)  # the second time does nothing


def _is_no_advice(record: logging.LogRecord) -> bool:
    said = record.getMessage()
    return not ("triggered tf.function retracing" in said and "<cnnviz." in said)


def drop_chatter() -> None:
    """From now on leave out TensorFlow's informational lines on file descriptor 2; everything else passes."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it takes a graph per layer for a mistake
    terminal = os.dup(2)
    read, write = os.pipe()
    os.dup2(write, 2)
    os.close(write)
    sys.stderr = os.fdopen(terminal, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)

    def pump() -> None:
        with os.fdopen(read, "rb") as lines:
            for line in lines:
                if not _CHATTER.match(line):
                    os.write(terminal, line)

    thread = threading.Thread(target=pump, daemon=True)
    thread.start()

    def finish() -> None:
        os.dup2(terminal, 2)  # closes the pipe's only writing end, so that the thread ends
        thread.join(timeout=1)

    atexit.register(finish)


def say(line: str) -> None:
    """A line on stderr."""
    print(line, file=sys.stderr, flush=True)
