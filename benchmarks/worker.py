"""One tool in a process of its own: `python -m benchmarks.worker TOOL WEIGHTS`, commands as JSON lines on stdin.

Each line gets one line in answer: the result, or {"error": ...}. Arrays travel as npz files. WEIGHTS is the file that
the command `prepare` of the tool `scorer` writes.
"""

import importlib.metadata
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np


def peak_memory_mb() -> float:
    """The highest resident memory of this process so far (VmHWM; where there is no /proc, ru_maxrss)."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 ** (2 if sys.platform == "darwin" else 1)


class Peer:
    """A tool of benchmarks/peers.py."""

    def __init__(self, tool: str, weights: str) -> None:
        from benchmarks import peers

        with np.load(weights) as arrays:
            self.tool = peers.TOOLS[tool](dict(arrays))
        self.batch = self.tool.batch

    def describe(self) -> dict[str, Any]:
        names = ("tensorflow", "keras", "numpy", "xplique", "tf-keras-vis")
        return {"steps": self.tool.steps, "versions": {name: importlib.metadata.version(name) for name in names}}

    def render(self, layer: str, filters: list[int], snapshots: list[int], size: int, own: bool, out: str) -> Any:
        """Render in one batch, or one filter after the other if the tool can't."""
        while True:
            parts = [filters[i : i + self.batch] for i in range(0, len(filters), self.batch)]
            try:
                done = [self.tool.render(layer, part, snapshots, size, own) for part in parts]
                break
            except Exception:
                if self.batch == 1:
                    raise
                traceback.print_exc()
                self.batch = 1
        np.savez(out, images=np.concatenate([images for images, _ in done]))
        return {"seconds": sum(seconds for _, seconds in done).tolist(), "batch": min(self.batch, len(filters))}


class Ours:
    """cnnviz, float32 or with its default precision, and what only cnnviz can do: scores, the network, its FLOPs."""

    def __init__(self, precision: str) -> None:
        from benchmarks import ours

        self.ours, self.precision, self.network = ours, precision, ours.network()

    def describe(self) -> dict[str, Any]:
        names = ("tensorflow", "keras", "numpy")
        return {"steps": self.ours.STEPS, "versions": {name: importlib.metadata.version(name) for name in names}}

    def prepare(self, out: str) -> dict[str, Any]:
        np.savez(out, **self.ours.weights(self.network))
        return {}

    def render(self, layer: str, filters: list[int], snapshots: list[int], size: int, own: bool, out: str) -> Any:
        done = self.ours.render(self.network, layer, filters, snapshots[-1], size, self.precision, snapshots)
        np.savez(out, images=done["images"])
        each = {name: done[name] / len(filters) * 1000 for name in ("step", "snapshot")}
        return {"seconds": done["seconds"].tolist(), "batch": len(filters), "ms": each}

    def scores(self, layer: str, filters: list[int], images: str, snapshot: int) -> dict[str, Any]:
        with np.load(images) as arrays:
            found = self.ours.scores(self.network, layer, filters, arrays["images"][:, snapshot])
        return {name: values.tolist() for name, values in found.items()}

    def convolutions(self, layer: str, size: int) -> dict[str, Any]:
        return {"convolutions": self.ours.convolutions(self.network[0], layer, size)}

    def machine(self) -> dict[str, Any]:
        from benchmarks import machine
        from cnnviz.files.machine import processor

        bfloat16 = processor().has_bfloat16
        return {"cpu": machine.cpu(), "threads": os.cpu_count(), "peaks": machine.peaks(bfloat16)}


PRECISIONS = {"cnnviz-float32": "float32", "cnnviz": "auto", "scorer": "float32"}


def main(tool: str, weights: str) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not end up between the answers
    worker: Any = Ours(PRECISIONS[tool]) if tool in PRECISIONS else Peer(tool, weights)
    for line in sys.stdin:
        command = json.loads(line)
        name = command.pop("command")
        try:
            answer = {"mb": peak_memory_mb()} if name == "memory" else getattr(worker, name)(**command)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
