"""`make repro`: mend what an accident left, check params.yaml, a first look, DVC, MLflow. With `look`: the look only.

One at a time in a folder: a second one says so and stops.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from cnnviz.files import ARTIFACTS, STATUSES, WITHIN, alone, command, exit_status, interrupted, say
from cnnviz.repro import state

PAGE = ARTIFACTS / "report" / "index.html"
BUSY = "another make repro or make look is at work in this folder; it goes on, this one stops"


def main(words: list[str]) -> int:
    """Exit status; that of an interruption is one of STATUSES."""
    with alone("repro", BUSY, wait=False):
        state.mend()
        if status := _step("cnnviz.config"):
            return status
        if words == ["look"]:
            return _step("cnnviz.look")
        if not PAGE.exists() and (status := _step("cnnviz.look", "--first")) in STATUSES:
            return status  # where it fails, the whole follows all the same
        from cnnviz.repro import pipeline  # DVC, slow to import

        if status := pipeline.run():
            return status
        state.mend()
        if status := _step("stages.track"):
            return status
    print(f"report: {_folder()}/{PAGE}\nmodels side by side in MLflow: make ui")
    return 0


def _folder() -> str:
    """This one, as the shell calls it where links lead to it."""
    called = os.environ.get("PWD", "")
    with suppress(OSError):
        if called and Path(called).samefile(Path.cwd()):
            return called
    return str(Path.cwd())


def _step(*words: str) -> int:
    """Run a module as a process of its own: it heeds the terminal's Ctrl-C, and here is said that it did."""
    process = subprocess.Popen([sys.executable, "-m", *words])
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = exit_status(process.wait())
    finally:
        signal.signal(signal.SIGINT, handler)
    if status in STATUSES:
        say(interrupted("make repro"))
    return status


if __name__ == "__main__":
    with command("make repro", state.mend):
        os.environ[WITHIN] = "1"
        sys.exit(main(sys.argv[1:]))
