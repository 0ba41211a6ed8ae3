"""kill -9 at many moments of `make repro`, of its sync and of `make ui`; then the whole, compared byte for byte."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clone import NOT_INHERITED, VENV, Clone
from tests.servers import started

BY_NATURE = {"report-links.html"}  # names of MLflow's runs, which a store draws
TIMED = re.compile(r"seconds|memory_mb")
MADE = ("artifacts", "dvc.lock", ".dvc/cache", ".dvc/tmp", ".cache/render", ".cache/look")
PATIENCE = 2400.0  # seconds that one run may take, beside other work too
AIMS = ("time", "stage", "dvc.lock", ".dvc/tmp/rwlock", ".cache/render", "artifacts", "track")


@dataclass
class Outcome:
    """What happened: kills that hit a run, by aim; runs that went to their end; faults, which nobody wants."""

    kills: dict[str, int] = field(default_factory=dict)
    wholes: int = 0
    served: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Expected:
    """What an undisturbed clone made: digests of its outputs, what MLflow held, seconds that it took."""

    outputs: dict[str, str]
    runs: dict[str, Any]
    seconds: float


class Campaign:
    """One clone, killed again and again. env: variables of its own; made: what is taken away after each whole run."""

    def __init__(
        self,
        clone: Clone,
        expected: Expected,
        seed: int,
        env: dict[str, str] | None = None,
        made: Sequence[str] = MADE,
    ) -> None:
        self.folder, self.expected, self.random = clone.folder, expected, random.Random(seed)
        self.more, self.made, self.done = env or {}, made, Outcome()
        self.log = self.folder / ".cache" / "campaign.log"

    def run(self, kills: int, ui_every: int = 0) -> Iterator[Outcome]:
        """Kill until so many kills hit, go to the end after each few, then check. Yields after every run."""
        in_a_row = 0
        while sum(self.done.kills.values()) < kills:
            in_a_row += 1
            hit = self.killed(self.random.choice(AIMS))
            if hit and ui_every and sum(self.done.kills.values()) % ui_every == 0:
                self.ui()
            if not hit or in_a_row == 4:
                self.whole()
                in_a_row = 0
            yield self.done
        if in_a_row:
            self.whole()
        yield self.done

    def started(self, target: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """`make <target>` as the first process of a group, which is killed at the end."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(NOT_INHERITED)} | self.more
        self.log.parent.mkdir(parents=True, exist_ok=True)
        return started(["make", target], self.log, cwd=self.folder, env=env)

    def killed(self, aim: str) -> bool:
        """Start `make repro` and kill it with all its children; False: it had ended by then."""
        with self.started("repro") as run:
            self._until(run, aim)
            ended = run.poll() is not None
        if not ended:
            self.done.kills[aim] = self.done.kills.get(aim, 0) + 1
        self._look(f"kill at {aim}")
        return not ended

    def _until(self, run: subprocess.Popen[bytes], aim: str) -> None:
        """Wait for the moment."""
        more = self.random.uniform(0, 0.3)
        if aim == "time":
            end = time.monotonic() + self.random.uniform(0, self.expected.seconds)
            while run.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            return
        word = {"stage": b"Running stage", "track": b"stages.track"}.get(aim)
        before, times = self._state(aim), self.random.randint(1, 6) if aim != "track" else 1
        end = time.monotonic() + PATIENCE
        while times and run.poll() is None and time.monotonic() < end:
            if word:
                times = 0 if self.log.read_bytes().count(word) >= times else times
            elif (now := self._state(aim)) != before:
                before, times = now, times - 1
            time.sleep(0.002)
        time.sleep(more * (10 if aim == "track" else 1) if word else more / 10)

    def _state(self, aim: str) -> Any:
        path = self.folder / aim
        with suppress(OSError):
            return [(p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in (path, *sorted(path.glob("*")))]
        return None

    def whole(self) -> None:
        """Go to the end, compare with the expected, and take all away that was made."""
        with self.started("repro") as run:
            try:
                code = run.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.done.faults.append(f"a run took more than {PATIENCE:.0f} s")
                return
        self._look("whole")
        if code:
            self.done.faults.append(f"status {code}: {self.log.read_text(errors='replace')[-800:]}")
        else:
            self.done.wholes += 1
            self.compare()
        removed(self.folder, self.made)

    def compare(self) -> None:
        """Hold outputs and MLflow's runs against those of the undisturbed clone."""
        found = digests(self.folder)
        for name in sorted(found.keys() | self.expected.outputs.keys()):
            if found.get(name) != self.expected.outputs.get(name):
                self.done.faults.append(f"{name}: {'missing' if name not in found else 'other bytes or too many'}")
        held = content(self.folder, self.more)
        for name in sorted(held.keys() | self.expected.runs.keys()):
            if held.get(name) != self.expected.runs.get(name):
                self.done.faults.append(f"MLflow's run {name} differs")

    def _look(self, when: str) -> None:
        text = self.log.read_text(errors="replace")
        if "Traceback" in text:
            self.done.faults.append(f"{when}: {text[text.index('Traceback') :][:1500]}")

    def ui(self) -> None:
        """Kill `make ui` while it starts, then start it again, see that it answers, and stop it as Ctrl-C does."""
        with self.started("ui") as run:
            end = time.monotonic() + self.random.uniform(0, 8)
            while run.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
        with self.started("ui") as run:
            end = time.monotonic() + 120
            while run.poll() is None and time.monotonic() < end:
                if found := re.search(r"(http://127\.0\.0\.1:\d+)/", self.log.read_text(errors="replace")):
                    with suppress(OSError), urllib.request.urlopen(f"{found[1]}/health", timeout=5) as answer:  # noqa: S310
                        self.done.served += answer.status == 200
                        break
                time.sleep(0.1)
            else:
                said = self.log.read_text(errors="replace")
                if "nothing to show yet" not in said:
                    self.done.faults.append(f"make ui: {said[-500:]}")
            os.killpg(run.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                run.wait(20)
        self._look("ui")


def removed(folder: Path, names: Iterable[str] = MADE) -> None:
    """Take away what was made."""
    for name in names:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of all outputs, by their path."""
    files = (path for path in (folder / "artifacts").rglob("*") if path.is_file() and path.name not in BY_NATURE)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def content(folder: Path, env: dict[str, str]) -> dict[str, Any]:
    """What the current runs hold, by name: params, metrics but times, and digests of the files, read by MLflow."""
    code = "import json, sys; from tests.campaign.kills import held; json.dump(held(sys.argv[1]), sys.stdout)"
    uri = env.get("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    answer = subprocess.run(
        [VENV / "bin/python", "-c", code, uri], cwd=folder, env={**os.environ, **env, **path}, capture_output=True
    )
    if answer.returncode:
        return {"": answer.stderr.decode()[-500:]}
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def held(uri: str) -> dict[str, Any]:
    """See content."""
    import mlflow

    client, found = mlflow.MlflowClient(uri), {}
    for run in client.search_runs([e.experiment_id for e in client.search_experiments()], "tags.current = 'true'"):
        metrics = {k: v for k, v in run.data.metrics.items() if not TIMED.search(k)}
        name = str(run.info.run_name)
        if name in found:
            return {"": f"two runs named {name}"}
        found[name] = [run.info.status, run.data.params, metrics, sorted(_files(client, run.info.run_id, ""))]
    return found


def _files(client: Any, run: str, folder: str) -> Iterator[tuple[str, int]]:
    """Names and sizes; MLflow draws names for its pictures."""
    for entry in client.list_artifacts(run, folder):
        if entry.is_dir:
            yield from _files(client, run, entry.path)
        else:
            drawn = entry.path.startswith(("images/", "table_images/")) or entry.path == "image_matrix.json"
            yield "" if drawn else entry.path, 0 if entry.path.endswith((".json", ".html")) else entry.file_size
