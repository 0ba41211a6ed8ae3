"""What every stage shares: one line for a user's mistake, fresh outputs, progress, timings, files written whole.

Paths are relative to the project's root, which is the working folder of every stage.
"""

import json
import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from cnnviz import keras_settings
from cnnviz.errors import InputError
from cnnviz.quiet import drop_chatter

ARTIFACTS = Path("artifacts")
PACKAGES = ("tensorflow", "keras", "numpy", "h5py", "PIL")
LOCAL = Path(".cache")  # timings, and what track noted: of this folder
# Downloads and rendered filters: the project's own also for an experiment that DVC runs in a temporary folder. Deleting
# either costs time, never results.
CACHE = Path(os.environ.get("DVC_ROOT") or ".") / LOCAL

T = TypeVar("T")


class Stopwatch:
    """Seconds spent inside the network, `with watch.network(): …` adds to it, and what each part of the work took."""

    def __init__(self) -> None:
        self.network_seconds = 0.0
        self.parts: dict[str, dict[str, float]] = {}

    @contextmanager
    def network(self) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.network_seconds += time.perf_counter() - start

    def each(self, parts: Mapping[str, T]) -> Iterator[tuple[str, T]]:
        """The items of `parts`, noting what the loop's body takes for each. Memory: the process's peak until then."""
        for name, part in parts.items():
            start, before = time.perf_counter(), self.network_seconds
            yield name, part
            self.parts[name] = {
                "seconds": time.perf_counter() - start,
                "network_seconds": self.network_seconds - before,
                "peak_memory_mb": peak_memory(),
            }


@contextmanager
def stage(name: str) -> Iterator[Stopwatch]:
    """Run a stage's body; on InputError print one line and exit 1; on success write its timings beside the outputs.

    The timings file `.cache/timings/<stage>.json` holds start and end (Unix seconds), seconds, seconds inside the
    network, CPU seconds, peak memory in MB, what each part took where there are parts, the CPU and the versions of the
    packages. It is no DVC output, since it differs from run to run.
    """
    drop_chatter()
    keras_settings.use_defaults()
    watch, started = Stopwatch(), time.time()
    try:
        yield watch
    except InputError as problem:
        sys.exit(f"error: {problem}")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    timing = {
        "stage": name,
        "started": started,
        "ended": time.time(),
        "seconds": time.time() - started,
        "network_seconds": watch.network_seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_memory_mb": peak_memory(),
        "parts": watch.parts,
        "cpu": cpu(),
        "packages": packages(),
    }
    write_json(LOCAL / "timings" / f"{name}.json", timing)


def peak_memory() -> float:
    """The most that this process has held so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def cpu() -> str:
    """The processor's name and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"


def packages() -> dict[str, str]:
    """Versions of Python and of those PACKAGES that this process has imported."""
    used = {name: str(sys.modules[name].__version__) for name in PACKAGES if name in sys.modules}
    return {"python": platform.python_version(), **used}


def fresh(folder: Path) -> Path:
    """Empty and return an output folder, so that nothing of an earlier run stays in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, data: Any) -> None:
    """Write JSON with sorted layout kept as given, floats as Python prints them, and a final newline; whole or not."""
    write_bytes(path, (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: a reader, or a run after a kill, never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def progress(total: int, unit: str, description: str) -> "tqdm[Any]":
    """A progress bar on stderr, silent where stderr is no terminal."""
    return tqdm(total=total, unit=unit, desc=description, disable=not sys.stderr.isatty(), leave=False)
