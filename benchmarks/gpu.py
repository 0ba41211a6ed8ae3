"""cnnviz on a graphics card: `python -m benchmarks.gpu OUT.json`, under eight minutes with what sets a machine up.

    python -m benchmarks.gpu found.json --artifacts artifacts        # the networks and images of `make repro`
    python -m benchmarks.gpu found.json                              # random weights: they take as long
    python -m benchmarks.gpu found.json --device cpu --quick         # on a CPU, everything smaller: does it run?
    python -m benchmarks.gpu found.json --tables                     # the tables of what was found, again

Is an image the same in any company (same)? How fast is a step, against PyTorch (speed)? How long do a whole VGG16
(whole) and 50,000 small images (analyze) take? Where does the time go (profile)? Needs no network; beside what the
library needs Pydantic, tqdm, filelock and Matplotlib, and PyTorch for the peer. OUT.json is written after every row.
"""

import argparse
import importlib.util
import json
import os
import platform
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.card import tables
from benchmarks.card.rows import LAYERS

ROOT = Path(__file__).parents[1]
NEEDED = ("tensorflow", "keras", "numpy", "scipy", "PIL", "h5py", "lazy_loader", "pydantic", "tqdm", "filelock",
          "matplotlib")  # fmt: skip
PARTS = ("same", "speed", "whole", "analyze", "profile")
LAST = 20  # seconds that are kept for tables and for ending processes
TWO = ["block3_conv1", "block5_conv1"]
FEW = {"block1_conv2": 2, "block3_conv1": 2}  # of `whole` in quick


class Bench:
    """What was found so far, written at once; every part gets at most what is left of the time."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.given, self.folder, self.end = given, folder, time.monotonic() + 60 * given.minutes
        self.found: dict[str, Any] = {"about": about(given), "parts": {}}
        self.alone = threading.Lock()

    def left(self) -> float:
        return self.end - time.monotonic() - LAST

    def write(self) -> None:
        with self.alone:
            self.found["about"]["seconds"] = round(60 * self.given.minutes - (self.end - time.monotonic()), 1)
            self.given.out.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")

    def environment(self, device: str = "") -> dict[str, str]:
        cards = {"GPU": "1" if (device or self.given.device) == "gpu" else "0"}
        return os.environ | cards | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}

    @contextmanager
    def process(self, module: str, words: dict[str, Any], device: str, place: str) -> Iterator[Any]:
        """A part at work, ended with all that it started when one leaves."""
        python = self.given.torch if module == "peer" else sys.executable
        command = [python, "-m", f"benchmarks.card.{module}", json.dumps(words)]
        log = (self.folder / "log").open("ab")
        one = subprocess.Popen(
            command, cwd=self.folder / place, env=self.environment(device), stdout=subprocess.PIPE, stderr=log,
            start_new_session=True, text=True,
        )  # fmt: skip
        try:
            yield one
        finally:
            with suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()
            log.close()

    def rows(
        self, name: str, module: str, words: dict[str, Any], device: str = "", place: str = "", **more: Any
    ) -> None:
        """Run a part to its end, or to that of the time; more: is put into each of its rows."""
        started = time.perf_counter()
        kept: list[dict[str, Any]] = self.found["parts"].setdefault(name, [])
        with self.process(module, words, device, place) as one:
            lines: queue.Queue[str] = queue.Queue()
            threading.Thread(target=_read, args=(one.stdout, lines), daemon=True).start()
            while True:
                try:
                    line = lines.get(timeout=max(0.1, self.left()))
                except queue.Empty:
                    kept.append({"failed": "out of time", **more, "seconds": time.perf_counter() - started})
                    break
                if line:
                    with suppress(ValueError, TypeError):  # another library's words
                        kept.append({**json.loads(line), **more})
                    self.write()
                    continue
                status, took = one.wait(), time.perf_counter() - started
                failed = {"failed": f"status {status}: {self.last_words()}"} if status else {}
                kept.append({"process": module, **more, **failed, "seconds": round(took, 2)})
                break
        self.write()

    def last_words(self) -> str:
        lines = (self.folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")[:300]


def _read(stream: Any, lines: "queue.Queue[str]") -> None:
    """Hand over line after line, and at the end an empty one."""
    for line in stream:
        lines.put(line)
    lines.put("")


def about(given: argparse.Namespace) -> dict[str, Any]:
    def said(*command: str) -> str:
        with suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
            return done.stdout.strip() if done.returncode == 0 else ""
        return ""

    card = said("nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.max.sm", "--format=csv,noheader")
    commit = said("git", "describe", "--always", "--dirty")
    found = {"device": given.device, "quick": given.quick, "card": card, "commit": commit, "started": time.time()}
    return found | {"python": platform.python_version(), "cpus": len(os.sched_getaffinity(0))}


def same(bench: Bench) -> None:
    """Every case of same.py by each device; the processor at the same time as the card: nobody times it."""
    devices = ("gpu", "cpu") if bench.given.device == "gpu" else ("cpu",)
    with ThreadPoolExecutor() as both:
        for done in [both.submit(same_on, bench, device) for device in devices]:
            done.result()


def same_on(bench: Bench, device: str) -> None:
    """By one process in every company; by another process; after kill -9 in the middle."""
    few = bench.given.quick or device != bench.given.device  # a CPU takes its time
    count, steps, layers = (4, 4, TWO[:1]) if few else (16, 64, TWO)
    words = {"layers": layers, "steps": steps, "count": count, "file": str(bench.folder / f"same-{device}.npz")}
    for write in (True, False):
        bench.rows("same", "same", {**words, "write": write}, device, on=device)
    if device == "cpu":
        other = words | {"file": str(bench.folder / "same-batches.npz"), "batch": count + 2, "write": True}
        bench.rows("same", "same", other, device, on="cpu, batches as on a card")
    known = [row["auto"] for row in bench.found["parts"]["same"] if row.get("on") == device and "auto" in row]
    words |= {"layers": layers[:1], "precision": known[0] if known else "float32", "cache": f"kept-{device}"}
    with bench.process("same", words | {"file": ""}, device, "") as one:
        while one.poll() is None and not list((bench.folder / words["cache"]).rglob("*.npz")) and bench.left() > 0:
            time.sleep(0.01)
    bench.rows("same", "same", words, device, on=device)


def peer_words(bench: Bench, layers: list[str], warm: bool) -> dict[str, Any]:
    quick = bench.given.quick
    counts, steps = ([4], (1, 3)) if quick else ([16, 128], (30, 90))
    seconds = min(bench.left(), 60)
    words = {"layers": layers, "counts": counts, "steps": steps, "file": str(bench.folder / "weights.npz")}
    return words | {"kind": "cuda" if bench.given.device == "gpu" else "cpu", "seconds": seconds, "warm": warm}


def speed(bench: Bench) -> None:
    quick = bench.given.quick
    layers = list(LAYERS)[:2] if quick else list(LAYERS)
    counts, steps = ([4], (1, 3)) if quick else ([16, 128], (30, 90))
    bench.rows("speed", "speed", {"layers": layers, "counts": counts, "steps": steps, "auto": True})
    if has_torch(bench.given.torch):
        bench.rows("speed", "peer", peer_words(bench, layers, warm=False))
    else:
        bench.found["parts"]["speed"].append({"tool": "torch", "failed": f"no PyTorch in {bench.given.torch}"})


def has_torch(python: str) -> bool:
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
    return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0


@contextmanager
def compiling(bench: Bench) -> Iterator[None]:
    """While the parts inside run, which nobody times, PyTorch compiles what it needs, a layer in each process."""
    if bench.given.device == "cpu" or "speed" not in bench.given.parts or not has_torch(bench.given.torch):
        yield
        return
    with ExitStack() as stack:
        words = [peer_words(bench, [layer], warm=True) for layer in LAYERS]
        others = [stack.enter_context(bench.process("peer", one, "", "")) for one in words]
        yield
        for one in others:
            with suppress(subprocess.TimeoutExpired):
                one.communicate(timeout=max(1.0, min(60.0, bench.left() / 4)))


def whole(bench: Bench) -> None:
    """All filters of VGG16, the default recipe, all scores: from the start of Python to the last file."""
    layers, steps = (FEW, 4) if bench.given.quick else ("all", 0)
    words = {"name": "maximize", "key": "vgg16", "layers": layers, "steps": steps}
    bench.rows("whole", "stages", words)


def analyze(bench: Bench) -> None:
    steps = 4 if bench.given.quick else 0
    key = {"key": "cifar10-cnn", "layers": 2, "steps": steps}
    for name in ("feature_maps", "maximize"):
        bench.rows("before", "stages", {"name": name, **key})
    bench.rows("analyze", "stages", {"name": "analyze", **key}, place="many")


def profile(bench: Bench) -> None:
    quick = bench.given.quick
    layers, images, steps = (list(LAYERS)[:1], 4, 2) if quick else (["block2_conv2", "block4_conv1"], 128, 8)
    bench.rows("profile", "profile", {"layers": layers, "images": images, "steps": steps})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--quick", action="store_true", help="every part scaled down")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--artifacts", type=Path, help="of `make repro`: networks and images; else random ones")
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON", help="that has PyTorch; this one")
    parser.add_argument("--minutes", type=float, default=6.0, help="after which it ends with what there is; 6")
    parser.add_argument("--tables", action="store_true", help="only print the tables of OUT")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    if given.tables:
        print(tables.of(json.loads(given.out.read_text(encoding="utf-8"))))
        return
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        sys.exit(f"error: not installed: {', '.join(missing)}; docs/gpu.md says what is needed")
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(given, Path(place))
        many = 500 if given.quick else 50_000
        source = str(given.artifacts.absolute()) if given.artifacts else ""
        bench.rows("before", "project", {"folder": place, "given": source, "many": many})
        if problem := bench.found["parts"]["before"][-1].get("failed"):
            sys.exit(f"error: {problem}")
        with compiling(bench):
            if "same" in given.parts:
                same(bench)
            if "whole" in given.parts:
                bench.rows("before", "stages", {"name": "feature_maps", "key": "vgg16", "layers": "auto", "steps": 0})
        for name, do in (("speed", speed), ("whole", whole), ("analyze", analyze), ("profile", profile)):
            if name in given.parts:
                do(bench)
        bench.write()
        print(tables.of(bench.found))


if __name__ == "__main__":
    main()
