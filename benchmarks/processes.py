"""The driver's side of benchmarks/worker.py."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
PEERS = ("keras-example", "tf-keras-vis", "xplique", "xplique-512")
OURS = ("cnnviz-float32", "cnnviz")
NAMES = {
    "keras-example": "Keras example",
    "tf-keras-vis": "tf-keras-vis",
    "xplique": "Xplique, canvas 128",
    "xplique-512": "Xplique, canvas 512 (its default)",
    "cnnviz-float32": "cnnviz float32",
    "cnnviz": "cnnviz",
}


class Worker:
    """A running tool: `worker("render", layer=…)` sends a command and waits for its answer."""

    def __init__(self, tool: str, folder: Path) -> None:
        self.tool, self.folder = tool, folder
        python = PEERS_PYTHON if tool in PEERS else Path(sys.executable)
        self.log = folder / f"{tool}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [python, "-m", "benchmarks.worker", tool, folder / "weights.npz"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def __call__(self, command: str, **arguments: Any) -> dict[str, Any]:
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("no pipes")
        try:
            stdin.write(json.dumps({"command": command, **arguments}) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        answer = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise RuntimeError(f"{self.tool}, {command}: {answer['error']}\n{tail}")
        return answer

    def render(self, layer: str, filters: list[int], snapshots: list[int], size: int, own: bool = False) -> Any:
        """Return {"seconds", "batch", "images": path of the npz file}."""
        out = self.folder / f"{self.tool}.npz"
        options = {"layer": layer, "filters": filters, "snapshots": snapshots, "size": size, "own": own}
        return self("render", out=str(out), **options) | {"images": str(out)}

    def close(self) -> None:
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait()


class Workers(dict[str, Worker]):
    """All tools, started one after the other; a context."""

    def __init__(self, tools: tuple[str, ...], folder: Path) -> None:
        super().__init__()
        self["scorer"] = Worker("scorer", folder)
        self["scorer"]("prepare", out=str(folder / "weights.npz"))
        for tool in tools:
            self[tool] = Worker(tool, folder)
            self[tool]("memory")  # answers once it is up

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.values():
            worker.close()
