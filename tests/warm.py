"""Processes that begin with MLflow and DVC imported: a sync of the small pipeline spends most of its time on imports.

Each is a real process with its own working folder, environment and output, forked from one that has done nothing but
import, and can be killed like any other.
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import mkdtemp

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.warm_imports"])


class Warm:
    """`python -m <module> <words>`, started."""

    def __init__(self, folder: Path, env: dict[str, str], module: str, *words: str) -> None:
        self.output = Path(mkdtemp(prefix="said-", dir=folder.parent))
        self.process: ForkServerProcess = _CONTEXT.Process(target=_run, args=(folder, env, self.output, module, words))
        self.process.start()

    def poll(self) -> int | None:
        return self.process.exitcode

    def kill(self) -> int | None:
        """SIGKILL; returns how it ended, also where it was faster."""
        self.process.kill()
        self.process.join()
        return self.process.exitcode

    def wait(self, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """What it printed and how it ended; TimeoutExpired where it goes on."""
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self.process), timeout or 0)
        said = [(self.output / name).read_text() for name in ("stdout", "stderr")]
        return subprocess.CompletedProcess([], self.process.exitcode, *said)


def _run(folder: Path, env: dict[str, str], output: Path, module: str, words: tuple[str, ...]) -> None:
    os.chdir(folder)
    imported = {
        name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")
    }  # set by cnnviz.tracking.store
    os.environ.clear()
    os.environ.update(imported | env)
    for number, name in ((1, "stdout"), (2, "stderr")):
        descriptor = os.open(output / name, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.argv = [module, *words]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
