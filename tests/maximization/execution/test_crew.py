"""Processes that fill the render cache beside the stage's own: how many, the same bytes, and what if one is lost."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from cnnviz.files import machine
from cnnviz.maximization import MaximizeSection, Request
from cnnviz.maximization.execution import crew
from cnnviz.maximization.execution.request import Given
from cnnviz.networks import ModelSection
from cnnviz.objectives import parse
from tests.maximization import stored_project

ROOT = Path(__file__).parents[3]
LAYERS = {"first": [0, 1], "expand": [0, 5], "dilated": [0, 3]}
MODEL = {"file": "inputs/models/tiny.keras", "layers": LAYERS, "objectives": {"mixed": "channel(first, 1)"}}

# The stage in a process of its own: <workers> <what happens to the other process>
RUN = f"""
import os, signal, sys
from pathlib import Path
from cnnviz import maximization
from cnnviz.files import Stopwatch
from cnnviz.maximization import MaximizeSection
from cnnviz.maximization.execution import crew
from cnnviz.networks import ModelSection

made, Crew, nexts, through = set(), crew.Crew, crew.Crew._next, crew.Crew._through
def _next(self, worker):
    if worker == crew.OWN and sys.argv[2] == "waited for" and not made - {{worker}}:
        with self._changed:
            self._changed.wait_for(lambda: made - {{worker}})
    part = nexts(self, worker)
    if worker != crew.OWN and part is not None and sys.argv[2] == "killed":
        os.kill(self._others[0][0].pid, signal.SIGKILL)
    return part
def _through(self, worker, said, *others):
    made.add(worker) if said.seconds else None
    through(self, worker, said, *others)
Crew._next, Crew._through = _next, _through
section = {{"steps": 3, "stability_steps": 2, "size": 24, "workers": int(sys.argv[1])}}
watch = Stopwatch()
maximization.run("tiny", ModelSection.model_validate({MODEL!r}), MaximizeSection.model_validate(section), 0,
                 ["shapes", "bands"], Path("artifacts"), watch)
print(len(made), *sorted(name for name, part in watch.parts.items() if part["network_seconds"] > 0))
"""


def section(**options: Any) -> MaximizeSection:
    return MaximizeSection.model_validate(options)


def asked(filters: int, side: int, **options: Any) -> tuple[Request, Given]:
    """A request for so many filters of a network of this input, half of them in each of two layers."""
    wanted = {"a": range(filters // 2), "b": range(filters - filters // 2)}
    given = Given(Path(), {"input_shape": [side, side, 3]}, wanted, {"mixed": parse("channel(a, 1)")}, {})
    return Request("net", ModelSection(file="inputs/models/net.keras"), section(**options), 0, ()), given


def test_there_are_as_many_processes_as_cores_and_memory_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_cores", lambda: 4)
    monkeypatch.setattr(machine, "memory", lambda: 64_000_000_000)
    large = asked(40, 224)
    assert crew.processes(*large) == 1  # TensorFlow is there already
    monkeypatch.setattr(crew, "sys", SimpleNamespace(platform="linux", modules={}))
    assert crew.processes(*large) == 4
    assert crew.processes(*asked(40, 224, workers=3)) == 3
    assert crew.processes(*asked(40, 224, executor="ray")) == 1
    assert crew.processes(replace(large[0], plain=True), large[1]) == 1
    assert crew.processes(*asked(5, 224)) == 3  # two layers and an objective
    assert crew.processes(*asked(40, 224, steps=1)) == 1 == crew.processes(*asked(10, 16))  # soon done
    monkeypatch.setattr(machine, "memory", lambda: 9_000_000_000)  # half of it is room for three of 1 GB beside 1000 MB
    assert crew.processes(*large) == 3
    assert crew.processes(*asked(40, 224, memory=4000)) == 1
    monkeypatch.setattr(crew, "sys", SimpleNamespace(platform="darwin", modules={}))
    assert crew.processes(*large) == 1


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Callable[..., Any], rng: np.random.Generator
) -> Path:
    monkeypatch.chdir(tmp_path)
    stored_project.write(tiny(), rng)
    return tmp_path


def run(*words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", RUN, *words], stdout=subprocess.PIPE, text=True, env=environment)


def made(project: Path, *words: str) -> tuple[str, dict[str, bytes]]:
    """What the stage says without anything in the render cache, and its files."""
    subprocess.run(["rm", "-rf", ".cache", "artifacts/maximize"], check=True)
    process = run(*words)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    folder = project / "artifacts" / "maximize" / "tiny"
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return said.strip(), files


@pytest.mark.pipeline
def test_two_processes_make_what_one_makes_and_one_that_is_lost_is_missed_by_nobody(project: Path) -> None:
    said, alone = made(project, "1", "")
    assert said == "0 dilated expand first"
    said, together = made(project, "2", "waited for")
    assert said == "2 dilated expand first"
    assert together == alone
    process = run("2", "")
    assert process.communicate(timeout=300)[0].strip() == "0"  # all is in the render cache
    assert process.returncode == 0
    said, after = made(project, "2", "killed")
    assert said == "1 dilated expand first"
    assert after == alone


@pytest.mark.pipeline
def test_no_process_outlives_the_stage(project: Path) -> None:
    process = run("2", "waited for")
    stage, others = psutil.Process(process.pid), []
    while not others and process.poll() is None:
        others = stage.children()
    process.kill()
    process.communicate()
    assert others
    _, alive = psutil.wait_procs(others, timeout=60)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


def test_what_is_done_elsewhere_counts_for_a_part() -> None:
    from cnnviz.files import Stopwatch

    watch = Stopwatch()
    watch.add("a", 3.0)
    watch.add("a", 4.0)
    for _ in watch.each({"a": 1, "b": 2}):
        pass
    assert 7 <= watch.parts["a"]["seconds"] < 7.5
    assert 7 <= watch.parts["a"]["network_seconds"] < 7.5
    assert watch.parts["b"]["network_seconds"] == 0 == watch.network_seconds
