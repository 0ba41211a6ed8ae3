"""Real actors on a real cluster of two nodes: lost, joining late, failing. What they make is told beforehand."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cnnviz.errors import InputError
from cnnviz.maximization.execution import Handing
from cnnviz.maximization.execution.pool import Pool
from tests.maximization.execution.test_handing import Some

pytestmark = pytest.mark.pipeline
ray = pytest.importorskip("ray")


class Doing:
    """Says which filters it was given, in a file; does what a layer is named after first."""

    def __init__(self, folder: Path, seconds: float = 0.0) -> None:
        self.folder, self.seconds = folder, seconds

    def begin(self) -> dict[str, Any]:
        if (self.folder / "broken").exists():
            raise RuntimeError("no room for TensorFlow")
        return {"node": ray.get_runtime_context().get_node_id()}

    def take(self) -> None:
        pass

    def make(self, part: Some) -> dict[str, Any]:
        time.sleep(self.seconds)
        if part.layer == "dies_once" and not (self.folder / "died").exists():
            (self.folder / "died").touch()
            os._exit(1)
        if part.layer.startswith("dies_always"):
            sys.exit(3)
        if part.layer == "fails_at_2" and 2 in part.filters:
            return {"error": "its weights are odd", "lasting": False}
        if part.layer == "refuses":
            return {"error": "no such layer", "lasting": True}
        return {"seconds": self.seconds, "made": [(part.layer, k) for k in part.filters]}


@pytest.fixture(scope="module")
def here() -> Iterator[None]:
    """A cluster of one node, of two cores."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80_000_000)
    yield
    ray.shutdown()


def room() -> int:
    return sum(int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"])


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # whose imports are more than an actor needs

    def do(
        *layers: str, seconds: float = 0.0, during: Any = None, refuse: Any = lambda report: "", room: Any = room
    ) -> Any:
        actor = ray.remote(Doing).options(num_cpus=1)
        pool = Pool(lambda: actor.remote(tmp_path, seconds), room, "test")
        counts = {name: 2 if name.startswith("dies_always") else 8 for name in layers}
        whole, made = [Some(name, tuple(range(count))) for name, count in counts.items()], list[Any]()

        def take(part: Some, result: dict[str, Any]) -> None:
            made.extend(result["made"])
            if during:
                during(len(made), pool)

        queue = Handing([part for one in whole for part in one.split(4)])
        try:
            pool.muster(9)
            failed = pool.run(
                queue, refuse, lambda actor: actor.take.remote(), lambda actor, part: actor.make.remote(part), take
            )
        finally:
            for member in pool.members:
                ray.kill(member.actor)
        return sorted(made), failed, pool

    return do


def every(*layers: str) -> list[tuple[str, int]]:
    return sorted((name, k) for name in layers for k in range(8))


def test_a_worker_that_ends_in_a_part_costs_no_part(
    here: None, run: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    made, failed, pool = run("a", "dies_once", "b")
    assert made == every("a", "dies_once", "b")
    assert failed == []
    assert pool.retries == 1
    said = capfd.readouterr().err
    assert re.search(
        r"^test: dies_once (0, 1, 2|4, 5, 6), … \(4 filters\): "
        r"its worker ended: killed, crashed or out of memory \(worker \d on \w+\); again after all else$",
        said,
        re.MULTILINE,
    )
    assert "test: 1 retry\n" in said


def test_what_ends_its_only_worker_every_time_is_named_and_the_others_are_made(
    here: None, run: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    made, failed, pool = run("dies_always", "fails_at_2", "a", "refuses", room=lambda: 1)
    assert made == [one for one in every("a", "fails_at_2") if one != ("fails_at_2", 2)]
    assert {str(one) for one in failed} == {
        "dies_always 0, 1: its worker ended, exit code 3",
        "fails_at_2 2: its weights are odd",
        "refuses 0, 1, 2, … (8 filters): no such layer",
    }
    said = capfd.readouterr().err.splitlines()
    assert [line.rpartition("; ")[2] for line in said if "dies_always" in line] == [
        "again after all else",
        "each filter alone after all else",
        "given up",
    ]
    # of dies_always a part twice again, then split, two filters again; of fails_at_2 one; of refuses two split
    assert pool.retries == (3 + 2) + (3 + 1) + 2
    assert said[-1] == "test: 11 retries"


@pytest.mark.long
def test_workers_that_cannot_begin_or_are_refused_end_it_with_a_line(
    here: None, run: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"^test: no worker makes pictures: it is odd$"):
        run("a", refuse=lambda report: "it is odd")
    with pytest.raises(InputError, match=r"^test: 5 workers were lost one after the other; .*its worker ended"):
        run(*(f"dies_always_{i}" for i in range(6)))
    (tmp_path / "broken").touch()
    with pytest.raises(InputError, match=r"^test: 5 workers were lost one after the other; .*no room for TensorFlow"):
        run("a")


@pytest.mark.long
def test_a_node_that_leaves_and_one_that_joins_late(run: Callable[..., Any]) -> None:
    from ray.cluster_utils import Cluster

    ray.shutdown()
    soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": soon})
    ray.init(address=cluster.address, log_to_driver=False)
    first, nodes, late = cluster.add_node(num_cpus=1), set[str](), []

    def change(done: int, pool: Pool) -> None:
        nodes.update(member.report["node"] for member in pool.members if member.report)
        if done == 8:
            cluster.remove_node(first, allow_graceful=False)
        elif done == 16:
            late.append(cluster.add_node(num_cpus=1))

    layers = [f"layer{i}" for i in range(12)]
    made, failed, _ = run(*layers, seconds=0.8, during=change)
    assert made == every(*layers)
    assert failed == []
    assert {first.node_id, late[0].node_id} < nodes
    ray.shutdown()
    cluster.shutdown()
