"""The render cache filled by the workers of a Ray cluster, after which the stage finds all pictures there."""

import logging
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from cnnviz.errors import InputError, reason
from cnnviz.files import progress, say, write_bytes
from cnnviz.maximization.execution import kinds, worker
from cnnviz.maximization.execution.handing import Handing
from cnnviz.maximization.execution.pool import Pool
from cnnviz.maximization.execution.request import Request
from cnnviz.maximization.execution.retrying import Failure
from cnnviz.maximization.execution.work import Part, Work, lacking

PACKAGE = Path(__file__).parents[2]
SHOWN = 3  # failures in a line
FAREWELL, ANSWER = 10, 10  # seconds: to say goodbye to workers, until a cluster answers


def fill(request: Request, artifacts: Path, folder: Path, name: str) -> tuple[Work, kinds.Kind | None]:
    """Have all that is not in the render cache `folder` made by workers. name: of the stage, for lines.

    Returns the work, and the kind of machine that its pictures are of, where that is another one than this. Raises
    InputError where Ray or workers are not to be had, and, after all else is made, for what can't be made.
    """
    work, section = Work(request, artifacts), request.section
    if not (parts := list(lacking(work, work.parts(), folder))):
        return work, None
    with _connected(name) as ray:
        ray.cloudpickle.register_pickle_by_value(worker)
        gpus, cpus, run = _gpus(ray), section.worker_cpus, uuid4().hex
        actor = ray.remote(worker.Worker).options(num_cpus=cpus, num_gpus=int(gpus > 0))
        code = ray.put(_files(PACKAGE.parent, [path for end in ("py", "pyi") for path in PACKAGE.rglob(f"*.{end}")]))

        def room() -> int:
            return section.workers if section.workers != "auto" else _room(ray, cpus)

        pool = Pool(lambda: actor.remote(run, code, cpus), room, name)
        found = [_kind(report) for report in pool.muster(len(parts))]
        kind, own = kinds.chosen(found, section.other_processors), kinds.here()
        foreign = None if kind == own else kind
        if foreign:
            say(f"{name}: pictures by workers of another kind than this machine: {kind}")
            request = kind.of(request)
            work = Work(request, artifacts)
            parts = list(lacking(work, work.parts(), folder, list(foreign.parts)))
        failed = _run(ray, pool, work, parts, folder, foreign, kind, name) if parts else []
        nodes = {member.report["node"]: member for member in pool.members if member.report}
        with suppress(ray.exceptions.RayError):
            ray.get([member.actor.leave.remote() for member in nodes.values()], timeout=FAREWELL)
    if failed:
        lines = [str(one) for one in failed[:SHOWN]]
        more = f" and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
        raise InputError(f"{name}: could not be made: {'; '.join(lines)}{more}; all else is kept in {folder}")
    return work, foreign


def _run(
    ray: Any, pool: Pool, work: Work, parts: list[Part], folder: Path, foreign: Any, kind: kinds.Kind, name: str
) -> list[Failure]:
    """Have parts made, and keep their files."""
    request, artifacts = work.request, work.artifacts
    content = _files(artifacts, [artifacts / path for path in request.files(artifacts)])
    digest, sent = _digest(content), ray.put(content)
    steps, effort = sum(part.steps for part in parts), sum(part.effort for part in parts)
    what = f"{len(parts)} parts, {steps:,} image·steps, {len(pool.members)} workers"
    bar, started = progress(steps, "image·step", f"{name} on Ray", what, effort), time.monotonic()

    def refuse(report: dict[str, Any]) -> str:
        other = kind.unlike(_kind(report))
        remedy = "" if work.request.section.other_processors == "apart" else f"; {kinds.KEY}: apart"
        return f"it has {other}{remedy}" if other else ""

    def send(actor: Any, part: Part) -> Any:
        return actor.make.remote(part, _known(work, part, folder, foreign))

    def take(part: Part, result: dict[str, Any]) -> None:
        for path, content in reversed(result["files"].items()):  # a filter's own picture last: it is asked for first
            write_bytes(folder / path, content)
        bar.each = part.effort / part.steps
        bar.update(part.steps)
        bar.note(f"{len(pool.members)} workers")

    with bar:
        failed = pool.run(Handing(parts), refuse, lambda actor: actor.take.remote(request, digest, sent), send, take)
    took = time.monotonic() - started
    say(f"{name}: {pool.seconds:.0f} s of work by {len(pool.members)} workers in {took:.0f} s")
    return failed


def _known(work: Work, part: Part, folder: Path, kind: kinds.Kind | None) -> dict[str, bytes]:
    """What is in a folder of a part, as a worker takes it; nothing where its own pictures are not."""
    cache, found = work.named(part.state).cache(folder, list(kind.parts) if kind else None), dict[str, bytes]()
    for chunk in work.asked(part):
        paths = [cache.there(chunk, i) for i in range(len(chunk.objectives))]
        found |= {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path}
        if not found:
            break
    return found


def _kind(report: Mapping[str, Any]) -> kinds.Kind:
    return kinds.Kind(tuple(report["kind"]), report["precision"])


def _files(top: Path, paths: list[Path]) -> dict[str, np.ndarray]:
    """The content of files by their paths below a folder."""
    return {path.relative_to(top).as_posix(): np.fromfile(path, np.uint8) for path in sorted(paths)}


def _digest(files: Mapping[str, np.ndarray]) -> str:
    sha = sha256()
    for path, content in files.items():
        sha.update(f"{path}\0{len(content)}\0".encode() + content.tobytes())
    return sha.hexdigest()


def _gpus(ray: Any) -> int:
    return int(ray.cluster_resources().get("GPU", 0))


def _room(ray: Any, cpus: int) -> int:
    """How many workers the nodes have room for: one on each GPU, where there are any."""
    each = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if gpus := sum(int(one.get("GPU", 0)) for one in each):
        return gpus
    return sum(int(one.get("CPU", 0) // cpus) for one in each)


@contextmanager
def _connected(name: str) -> Iterator[Any]:
    """Ray, connected to RAY_ADDRESS, to a cluster that runs on this machine, or to one that it starts here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise InputError(f"{name}: maximize.executor is ray, which is not installed; pip install ray") from None
    terminate, where = signal.getsignal(signal.SIGTERM), os.environ.get("RAY_ADDRESS", "")
    try:
        if place := re.fullmatch(r"(?:ray://)?([^:/]+):(\d+)", where):  # Ray itself tries for minutes, with much said
            socket.create_connection((place[1], int(place[2])), timeout=ANSWER).close()
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        begin = (
            f"no Ray cluster at {where}; is it up? is RAY_AUTH_MODE set as there?" if where else "Ray does not start"
        )
        raise InputError(f"{name}: {begin} ({reason(error, 200)})") from None
    try:
        signal.signal(signal.SIGTERM, terminate)  # Ray sets its own
        yield ray
    finally:
        sys.stderr.flush()
        ray.shutdown()
