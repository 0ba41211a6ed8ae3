"""What every command and every stage shares: one line for what a user can mend and for an interruption, timings."""

import os
import platform
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from cnnviz.errors import InputError
from cnnviz.files import cards, keras_settings, machine, waiting
from cnnviz.files.disk import LOCAL, alone, emptied, unusable, write_json
from cnnviz.files.interrupting import REPRO, interruptible
from cnnviz.files.quiet import drop_chatter

PACKAGES = ("tensorflow", "keras", "numpy", "h5py", "PIL")

T = TypeVar("T")


class Stopwatch:
    """Seconds spent inside the network, `with watch.network(): …` adds to it, and what each part of the work took."""

    def __init__(self) -> None:
        self.network_seconds = 0.0
        self.parts: dict[str, dict[str, float]] = {}
        self._elsewhere: Counter[str] = Counter()

    @contextmanager
    def network(self) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.network_seconds += time.perf_counter() - start

    def add(self, name: str, seconds: float) -> None:
        """What of a part was done before `each` comes to it, by whichever process."""
        self._elsewhere[name] += seconds  # type: ignore[assignment]

    def each(self, parts: Mapping[str, T]) -> Iterator[tuple[str, T]]:
        """The items of `parts`, noting what the loop's body, and what was added, takes for each.

        Memory: the process's peak until then.
        """
        for name, part in parts.items():
            start, before = time.perf_counter(), self.network_seconds
            yield name, part
            added = self._elsewhere[name]
            self.parts[name] = {
                "seconds": time.perf_counter() - start + added,
                "network_seconds": self.network_seconds - before + added,
                "peak_memory_mb": peak_memory(),
            }


@contextmanager
def command(name: str = REPRO, tidy: Callable[[], None] | None = None) -> Iterator[None]:
    """Run a command's body; on InputError, or where disk, memory or graphics card cannot be used, print one line and
    exit 1.

    A signal to stop ends it at once, with a line that names the command that makes the rest, or all of it: `name`.
    tidy: see `interruptible`.
    """
    with interruptible(name, tidy):
        try:
            yield
        except InputError as problem:
            sys.exit(f"error: {problem}")
        except OSError as problem:
            sys.exit(f"error: {unusable(problem, name)}")
        except Exception as problem:
            if line := cards.failure(problem, name):
                sys.exit(f"error: {line}")
            raise


@contextmanager
def stage(name: str, again: str = REPRO) -> Iterator[Stopwatch]:
    """Run a stage's body as `command` of the name `again` does; on success write its timings beside the outputs.

    Where it fails, what the stage had made before is put back, see `put_back`.

    The timings file `.cache/timings/<stage>.json` holds start and end (Unix seconds), seconds, seconds inside the
    network, CPU seconds, peak memory in MB, what each part took where there are parts, the paces of waiting.py, the
    CPU, what TensorFlow computed on, the versions of the packages. It is no DVC output: it differs from run to run.
    """
    with command(again):
        drop_chatter()
        keras_settings.use_defaults()
        # of a DVC that was killed the stage works on, and would write among what this one writes
        with alone(f"stage.{name}", f"{name}: waiting for another process that runs this stage"):
            watch, started, paces = Stopwatch(), time.time(), waiting.begin(name)
            try:
                yield watch
            except Exception:
                put_back(name)
                raise
            _note(name, watch, started, paces)


def _note(name: str, watch: Stopwatch, started: float, paces: Mapping[str, float]) -> None:
    """Write a stage's timings."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    timing = {
        "stage": name,
        "started": started,
        "ended": time.time(),
        "seconds": time.time() - started,
        "network_seconds": watch.network_seconds,
        "cpu_seconds": sum(one.ru_utime + one.ru_stime for one in used),
        "peak_memory_mb": peak_memory(),
        "parts": watch.parts,
        "paces": paces,
        "cpu": machine.described(),
        "packages": packages(),
        **({"device": device} if (device := cards.used()) else {}),
    }
    write_json(LOCAL / "timings" / f"{name}.json", timing)


def put_back(name: str) -> None:
    """Bring back a stage's outputs that dvc.lock names: DVC removed them before it started, without DVC `fresh` did.

    Out of DVC's cache, by DVC itself, which lets go of its lock while a stage runs; nothing where the cache lacks them,
    or has others under their digests.
    """
    if "DVC_STAGE" in os.environ or emptied:
        quiet = subprocess.DEVNULL
        command = [sys.executable, "-m", "cnnviz.repro.objects", name]
        subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, check=False)


def peak_memory() -> float:
    """The most that this process has held so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def packages() -> dict[str, str]:
    """Versions of Python and of those PACKAGES that this process has imported."""
    used = {name: str(sys.modules[name].__version__) for name in PACKAGES if name in sys.modules}
    return {"python": platform.python_version(), **used}
