"""`make ui`: bring MLflow up to date, serve it on this machine only, and print the pages worth opening."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from cnnviz.errors import InputError
from cnnviz.files import ARTIFACTS, LOCAL, alone, command, unusable
from cnnviz.tracking import links, server, sync, views
from cnnviz.tracking.serving import HOST
from cnnviz.tracking.target import Target, target

PATIENCE = 90.0  # seconds that the server may take to answer


def main() -> None:
    """Serve until Ctrl-C or SIGTERM. A store that is a server already is not served again: its pages are printed."""
    first = links.asked_port()
    with command("make ui"):
        print(sync.run(), flush=True)
    experiment, where = sync.experiment(), target()
    if experiment is None:
        raise InputError("nothing to show yet: run `make repro` first")
    if where.on_server:
        _print_links(server.page(where.uri), experiment)
        return
    starting = ExitStack()  # until the server answers another make ui of this folder waits, or it took the same port
    starting.enter_context(alone("ui"))
    port = free_port(first)
    asked: list[int] = []  # to stop, while an exception would leave a server that nobody ends
    _on_stop(lambda number, frame: asked.append(number))
    process = _start(where, port)
    try:
        _on_stop(_stop)
        if asked:
            return
        base = f"http://{HOST}:{port}"
        _wait(process, port)
        starting.close()
        sync.link(base)
        _print_links(base, experiment)
        print("Ctrl-C stops the server", flush=True)
        process.wait()
        raise InputError(f"the MLflow server ended; see {log_of(port)}")
    finally:
        _on_stop(signal.SIG_IGN)
        end(process)


def free_port(first: int) -> int:
    """Return `first`, or the next port that nothing listens on."""
    for port in range(first, min(first + 100, 65536)):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left is free
            probe.bind((HOST, port))
            return port
    raise InputError(f"PORT: no free port from {first} on")


def log_of(port: int) -> Path:
    """What the server of this port says."""
    return LOCAL / f"mlflow-server-{port}.log"


def end(process: "subprocess.Popen[bytes]", patience: float = 5.0) -> None:
    """End the server and its whole process group, by force what is left after `patience` seconds."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _start(where: Target, port: int) -> "subprocess.Popen[bytes]":
    """Start the light form: without the job executor, in one process instead of fifteen. Its input ends with us."""
    files = (where.artifacts or where.root / "mlruns").as_uri()
    site = where.root / ARTIFACTS / "report"
    command = [sys.executable, "-m", "cnnviz.tracking.serving", where.uri, files, str(site), str(port)]
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with log_of(port).open("wb") as log:
        return subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open  # itself, whatever http_proxy says
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), ask(f"http://{HOST}:{port}/health", timeout=2):
            return
        time.sleep(0.1)
    raise InputError(f"the MLflow server did not start; see {log_of(port)}")


def _print_links(base: str, experiment: str) -> None:
    pages = views.links(base, experiment)
    width = max(len(name) for name in pages)
    for name, address in pages.items():
        print(f"  {name:{width}}  {address}", flush=True)


def _on_stop(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), handler)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    try:
        main()
    except InputError as problem:
        sys.exit(f"error: {problem}")
    except OSError as problem:
        sys.exit(f"error: {unusable(problem, 'make ui')}")
