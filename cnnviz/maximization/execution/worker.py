"""What runs in an actor of Ray. It goes there by value: nothing of cnnviz is imported before its code is there.

Code, model, images come through the object store, once per node, into a folder of the run; no path is shared.
"""

import os
import shutil
import socket
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

WEEK = 7 * 24 * 3600  # seconds after which what a killed run left on a node is removed
Files = dict[str, Any]  # relative path: content, uint8


class Worker:
    """One network and one traced graph at a time. cpus: threads of TensorFlow; run: a name that no other run has."""

    def __init__(self, run: str, code: Files, cpus: int) -> None:
        self.run, self.cpus = run, cpus
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        for old in _home().iterdir():
            with suppress(OSError):
                if time.time() - old.stat().st_mtime > WEEK:
                    shutil.rmtree(old)
        sys.path.insert(0, str(self._unpacked("code", code)))

    def _unpacked(self, name: str, files: Files) -> Path:
        """Files in a folder of this name on this node, written by the first worker that comes."""
        home = _home() / self.run
        home.mkdir(exist_ok=True)
        if not (home / name).is_dir():
            with tempfile.TemporaryDirectory(dir=home) as place:
                whole = Path(place, name)
                for path, content in files.items():
                    (whole / path).parent.mkdir(parents=True, exist_ok=True)
                    (whole / path).write_bytes(content)
                with suppress(OSError):  # another worker was faster
                    whole.rename(home / name)
        return home / name

    def begin(self) -> dict[str, Any]:
        """Import what computes. Returns what this worker is."""
        from cnnviz.files import use_defaults

        use_defaults()
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(self.cpus)
        tf.config.threading.set_inter_op_parallelism_threads(self.cpus)
        from cnnviz.maximization import cache
        from cnnviz.maximization.ascent import settings

        precision = settings.resolve_precision("auto")
        return {"node": socket.gethostname(), "process": os.getpid(), "kind": cache.here(), "precision": precision}

    def take(self, request: Any, digest: str, artifacts: Files) -> None:
        """Prepare for the parts of a request. digest: of the artifacts."""
        from cnnviz.maximization.execution.work import States, Work

        self.states = States(Work(request, self._unpacked(digest, artifacts)))

    def make(self, part: Any, known: dict[str, bytes]) -> dict[str, Any]:
        """Files of the render cache, by name, for a part; known: those that are there. Or the error, in a line."""
        from cnnviz.errors import InputError, reason
        from cnnviz.maximization import chunks

        started = time.monotonic()
        try:
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                for name, content in known.items():
                    (folder / name).parent.mkdir(exist_ok=True)
                    (folder / name).write_bytes(content)
                here = self.states.at(part.state)
                here.make(part, here.rendering(folder, chunks.render, lambda done: None))
                found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.npz"))}
                files = {name: path.read_bytes() for name, path in found.items() if name not in known}
        except Exception as error:
            traceback.print_exc()  # Ray keeps it in this worker's log
            said = str(error).rsplit("\nNode: ", 1)[-1]  # TensorFlow puts its stack before what is wrong
            said = reason(Exception(said or type(error).__name__), 160)
            return {"error": said, "lasting": isinstance(error, InputError)}
        return {"files": files, "seconds": time.monotonic() - started}

    def leave(self) -> None:
        """Remove what came to this node."""
        shutil.rmtree(_home() / self.run, ignore_errors=True)


def _home() -> Path:
    """A folder of this user's alone: code is run from it."""
    home = Path(tempfile.gettempdir()) / f"cnnviz-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.is_symlink() or home.stat().st_uid != os.getuid() or home.stat().st_mode & 0o077:
        raise PermissionError(f"{home}: is not this user's alone; remove it")
    return home
