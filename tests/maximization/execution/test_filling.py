"""The stage on real nodes of a Ray cluster, one of which is lost on the way: the same bytes as by one process."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnviz import maximization
from cnnviz.errors import InputError
from cnnviz.files import Stopwatch
from cnnviz.maximization import MaximizeSection
from cnnviz.maximization.execution import filling, kinds, retrying
from cnnviz.maximization.execution.pool import Pool
from cnnviz.networks import ModelSection
from tests.maximization import stored_project

pytestmark = pytest.mark.pipeline
pytest.importorskip("ray")
LAYERS = {"dilated": [11, 1, 7], "expand": [3, 0], "first": [2]}
RECIPE = {"steps": 16, "stability_steps": 4, "size": 32, "from_patches": 1}
MORE = {"steps": 200, "negatives": True, "variants": 2}  # which have graphs of their own
SMALL = {"object_store_memory": 80_000_000}
KIND, LIKE = "ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16"  # a choice of kernels, part of the kind of processor
ROOT = Path(__file__).parents[3]


def render(**options: Any) -> None:
    """Chunks of a filter or two: the network is small, and so is the memory."""
    model = ModelSection(file="inputs/models/tiny.keras", layers=LAYERS, objectives={"mixed": "channel(first, 1)"})
    section = MaximizeSection.model_validate({**RECIPE, **options})
    maximization.run("tiny", model, section, 0, stored_project.SETS, Path("artifacts"), Stopwatch())


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Callable[..., Any], rng: np.random.Generator
) -> Path:
    """By one process: `artifacts/maximize`, and the render cache in `here/render`; the next one begins with none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cnnviz.maximization.stage.CACHE", Path())
    stored_project.write(tiny(), rng)
    render(memory=4)
    Path("here").mkdir()
    Path("render").rename("here/render")
    Path("artifacts/maximize").rename("here/maximize")
    return tmp_path


@pytest.fixture
def cluster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A node with one core, or as many as the test says."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray writes a token into the user's home
    soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
    head = {"num_cpus": getattr(request, "param", 1), "include_dashboard": False, "_system_config": soon, **SMALL}
    made = Cluster(initialize_head=True, head_node_args=head)
    monkeypatch.setenv("RAY_ADDRESS", made.address)
    yield made
    made.shutdown()


def after(count: int, do: Callable[[], object]) -> threading.Thread:
    """Do something as soon as there are so many files in the render cache."""

    def wait() -> None:
        until = time.monotonic() + 120
        while len(list(Path("render").rglob("*.npz"))) < count and time.monotonic() < until:
            time.sleep(0.05)
        do()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


class Losing(Pool):
    """The first of two workers that is handed a second part, of another layer, is lost in it with its node."""

    def __init__(self, cluster: Any, *given: Any) -> None:
        super().__init__(*given)
        self.cluster, self.handed, self.lost = cluster, Counter[int](), None

    def run(self, queue: Any, refuse: Any, prepare: Any, send: Any, take: Any) -> Any:
        def sent(actor: Any, part: Any) -> Any:
            made = send(actor, part)
            process = next(one for one in self.members if one.actor is actor).report["process"]
            self.handed[process] += 1
            if self.lost is None and self.handed[process] > 1 and stopped_within(process, made):
                self.lost = part
                [node] = (one for one in self.cluster.worker_nodes if parent(process) in pids(one))
                self.cluster.remove_node(node, allow_graceful=False)
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            return made

        return super().run(queue, refuse, prepare, sent, take)


def pids(node: Any) -> set[int]:
    return {one.process.pid for every in node.all_processes.values() for one in every}


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def spent(process: int) -> int:
    """CPU time, in ticks of 10 ms."""
    return sum(map(int, Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]))


def stopped_within(process: int, made: Any) -> bool:
    """Stop a process once it has worked at something for a while; not, where that is made by then."""
    import ray

    before = spent(process)
    while spent(process) - before < 10:
        if ray.wait([made], timeout=0.01)[0]:
            return False
    os.kill(process, signal.SIGSTOP)
    if ray.wait([made], timeout=0)[0]:
        os.kill(process, signal.SIGCONT)
        return False
    return True


@pytest.mark.long
@pytest.mark.parametrize("cluster", [0], indirect=True)
def test_a_node_is_lost_in_a_part_and_the_bytes_are_the_same(
    project: Path, cluster: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = list[Losing]()
    monkeypatch.setattr(filling, "Pool", lambda *given: pools.append(Losing(cluster, *given)) or pools[0])
    for _ in range(2):
        cluster.add_node(num_cpus=1, **SMALL)
    render(memory=4, executor="ray")
    assert len(cluster.worker_nodes) == 1
    assert files(Path("render")) == files(Path("here/render"))
    assert files(Path("artifacts/maximize")) == files(Path("here/maximize"))
    said = capfd.readouterr().err
    assert "maximize tiny on Ray: " in said
    assert " 2 workers" in said
    assert f"maximize tiny: {retrying.named(pools[0].lost)}: its " in said
    assert "maximize tiny: 1 retry\n" in said
    assert "maximize tiny: files: " in said
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{taken.getsockname()[1]}")
        render(executor="ray", memory=4)  # there is nothing to make
        with pytest.raises(InputError, match=r"^maximize tiny: no Ray cluster at 127\.0\.0\.1:\d+; is it up\?"):
            render(executor="ray", steps=5)


@pytest.mark.long
@pytest.mark.parametrize("cluster", [0], indirect=True)
def test_workers_of_another_kind_are_refused_or_stay_apart(
    project: Path, cluster: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(KIND, LIKE)
        cluster.add_node(num_cpus=1)
    with pytest.raises(
        InputError, match=rf"^maximize tiny: no worker makes pictures: it has a processor that .*{LIKE}"
    ):
        render(executor="ray")
    assert not list(Path("render").rglob("*.npz"))
    assert not Path("artifacts/maximize").exists()
    render(executor="ray", other_processors="apart")
    assert "pictures by workers of another kind than this machine: " in capfd.readouterr().err
    assert not set(files(Path("render"))) & set(files(Path("here/render")))
    apart = files(Path("artifacts/maximize"))
    assert set(apart) == set(files(Path("here/maximize")))
    monkeypatch.setenv(KIND, LIKE)  # as there: all of it is found
    monkeypatch.setattr(kinds, "of_shards", lambda folder: None)
    before = files(Path("render"))
    render()
    assert files(Path("render")) == before
    assert files(Path("artifacts/maximize")) == apart


@pytest.mark.long
def test_after_a_kill_of_the_driver_what_is_made_is_not_made_again(project: Path) -> None:
    """A cluster that the stage starts itself, and that ends with it."""
    script = (
        "import sys; from pathlib import Path; from tests.maximization.execution import test_filling as t; "
        "from cnnviz.maximization import stage; stage.CACHE = Path(); t.render(memory=4, executor='ray', **t.MORE)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    environment |= {"PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment, start_new_session=True)
    after(8, lambda: os.kill(process.pid, signal.SIGKILL)).join()
    assert process.wait() == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in Path("render").rglob("*.npz")}
    assert len(kept) >= 8
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    made = files(Path("artifacts/maximize"))
    render(**MORE)
    assert files(Path("artifacts/maximize")) == made
