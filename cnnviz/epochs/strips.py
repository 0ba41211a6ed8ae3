"""A strip of chosen filters while a network is trained: a process of its own makes it, one at a time."""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from operator import index
from pathlib import Path
from typing import Any

from cnnviz.errors import InputError

FOLDER = "strip"
ROOT = Path(__file__).parents[2]  # of the package, which may be known to the training's process alone
START = "import runpy, sys; sys.path.append(sys.argv.pop(1)); runpy.run_module('cnnviz.strip', run_name='__main__')"
PATIENCE = 60.0  # seconds that the last one is waited for when the training ends


class Strip:
    """Starts `python -m cnnviz.strip` after a checkpoint, unless an earlier one still runs: then the newest waits."""

    def __init__(self, folder: Path, filters: Mapping[str, Collection[int]], steps: int, preprocessing: Any) -> None:
        """filters: by layer. Raises InputError for what is no such mapping."""
        try:
            chosen = {layer: [index(k) for k in ks] for layer, ks in filters.items()}
        except (AttributeError, TypeError):
            chosen = {}
        every = [k for ks in chosen.values() for k in ks]
        if not every or min(every) < 0 or not all(isinstance(layer, str) for layer in chosen):
            raise InputError(f"FilterWatch: strip: {filters!r} given; expected {{layer: [filters]}}")
        self.folder, self.options = folder, ["--steps", str(steps), "--preprocessing", json.dumps(preprocessing)]
        self.words = [f"{layer}:{','.join(map(str, ks))}" for layer, ks in chosen.items() if ks]
        self.process: subprocess.Popen[bytes] | None = None
        self.waiting: tuple[str, int] | None = None

    def after(self, name: str, step: int) -> None:
        """A checkpoint of this name is there. Raises InputError, once, where the process before failed."""
        self.waiting = (name, step)
        self._next()

    def close(self) -> None:
        """Make the last one, and wait for it, a minute at most: then it goes on by itself. Raises as `after` does."""
        with suppress(subprocess.TimeoutExpired):
            for _ in range(2):
                if self.process is not None:
                    self.process.wait(PATIENCE)
                self._next()

    def _next(self) -> None:
        if self.process is not None:
            status = self.process.poll()
            if status is None:
                return
            said = self.process.stderr.read().decode(errors="replace") if self.process.stderr else ""
            self.process = None
            if status:
                last = said.strip().splitlines()[-1:] or [f"status {status}"]
                raise InputError(f"strip: {last[0]}")
        if self.waiting is None:
            return
        (name, step), self.waiting = self.waiting, None
        run = active_run()
        words = [str(self.folder), name, *self.words, *self.options]
        words += ["--run", run[0], "--at", str(step)] if run else []
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **({"MLFLOW_TRACKING_URI": run[1]} if run else {})}
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, str(ROOT), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C of the training is not for it
        )


def active_run() -> tuple[str, str] | None:
    """Id and tracking address of MLflow's active run, where the training's own process has one."""
    mlflow = sys.modules.get("mlflow")  # not imported here: a training without MLflow needs none
    run = mlflow.active_run() if mlflow else None
    return (run.info.run_id, mlflow.get_tracking_uri()) if mlflow and run else None
