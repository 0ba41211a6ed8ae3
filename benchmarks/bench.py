"""cnnviz against its peers: `make bench`. Writes benchmarks/results.json and the tables of docs/benchmarks.md.

Every tool is a process of its own; only one of them works at a time, in turns.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import figures, tables
from benchmarks.processes import OURS, PEERS, ROOT, Worker, Workers

# layer: (first filter, stride); 16 filters each, with 77, 159, 243 and 121 among them
LAYERS = {"block2_conv2": (5, 8), "block3_conv1": (15, 16), "block4_conv1": (19, 32), "block5_conv1": (25, 32)}
SIZE = 128
OUR_SNAPSHOTS = (2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 48, 64, 80, 100)


class Trajectory:
    """One tool's images of one layer after several numbers of steps; scored only where one asks."""

    def __init__(self, workers: Workers, tool: str, layer: str, filters: list[int], snapshots: list[int]) -> None:
        self.scorer, self.layer, self.filters, self.snapshots = workers["scorer"], layer, filters, snapshots
        workers[tool].render(layer, filters, [1, 3], SIZE)  # warm: traced for this number of filters
        done = workers[tool].render(layer, filters, snapshots, SIZE)
        self.images, self.seconds = done["images"], done["seconds"]
        if self.seconds[-1] < 10:  # short enough to take the better of two
            again = workers[tool].render(layer, filters, snapshots, SIZE)["seconds"]
            self.seconds = [min(pair) for pair in zip(self.seconds, again, strict=True)]
        self.scored: dict[int, dict[str, float]] = {}

    def scores(self, i: int) -> dict[str, float]:
        """Return the medians over the filters at snapshot i."""
        if i not in self.scored:
            found = self.scorer("scores", layer=self.layer, filters=self.filters, images=self.images, snapshot=i)
            self.scored[i] = {name: statistics.median(values) for name, values in found.items()}
        return self.scored[i]

    def reached(self, target: float) -> float | None:
        robust: list[float] = []
        for i in range(len(self.snapshots)):
            robust.append(self.scores(i)["robust"])
            if robust[-1] >= target:
                break
        return figures.time_to(target, self.seconds, robust)


def chosen(layer: str, count: int) -> list[int]:
    first, stride = LAYERS[layer]
    return [first + stride * i for i in range(16)][:: 16 // count][:count]


def speed(workers: Workers, layer: str, filters: list[int], options: argparse.Namespace) -> dict[str, Any]:
    """Time every tool in turns; a warm-up call of each is not counted, nor are the first two steps of a call.

    The peers' snapshots are copies of the images; cnnviz scores its own, in float32: they are timed apart.
    """
    tools = (*PEERS, *OURS)
    times: dict[str, list[float]] = {tool: [] for tool in tools}
    snapshots: dict[str, list[float]] = {tool: [] for tool in OURS}
    batch = {}
    for tool in tools:
        workers[tool].render(layer, filters, [1, 3], SIZE)
    for _ in range(options.rounds):
        for tool in tools:
            done = workers[tool].render(layer, filters, [2, 2 + options.timed_steps], SIZE)
            start, end = done["seconds"]
            if tool in OURS:
                times[tool].append(done["ms"]["step"])
                snapshots[tool].append(done["ms"]["snapshot"])
            else:
                times[tool].append((end - start) / options.timed_steps / len(filters) * 1000)
            batch[tool] = done["batch"]
    scored = {tool: {"snapshot_ms": figures.spread(snapshots[tool])} for tool in OURS}
    return {tool: {"ms": figures.spread(times[tool]), "batch": batch[tool]} | scored.get(tool, {}) for tool in tools}


def snapshots(steps: int) -> list[int]:
    return sorted({max(1, round(steps * share)) for share in (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)})


def to_score(
    workers: Workers, layer: str, filters: list[int], ms: dict[str, float], steps: dict[str, int], full: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the times to the peers' robust scores, and all scores at the time that the fastest peer needs.

    The target is the score of the fastest peer after its default number of steps; with `full`, each peer's in turn.
    Without `full` the other peers stop when the time of the fastest is over.
    """
    fastest = min(PEERS, key=lambda peer: ms[peer])
    made = {fastest: Trajectory(workers, fastest, layer, filters, snapshots(steps[fastest]))}
    limit = made[fastest].seconds[-1]
    for tool in (*PEERS, *OURS):
        affordable = max(1, int(limit * 1000 / ms[tool] / len(filters)))
        wanted = {s for s in OUR_SNAPSHOTS if s <= steps[tool]} if tool in OURS else set(snapshots(steps[tool]))
        if tool in PEERS and not full:
            wanted = set(snapshots(min(steps[tool], affordable)))
        if tool not in made:
            at = sorted(wanted | {min(steps[tool], affordable)})
            made[tool] = Trajectory(workers, tool, layer, filters, at)
    targets = {}
    for peer in PEERS if full else (fastest,):
        target = made[peer].scores(len(made[peer].snapshots) - 1)["robust"]
        reached = {tool: made[tool].reached(target) for tool in (*PEERS, *OURS)}
        ours, theirs = reached["cnnviz"], reached[peer]
        targets[peer] = {
            "target": target,
            "default_seconds": made[peer].seconds[-1],
            "tools": {t: {"reached": reached[t], "limit": made[t].seconds[-1]} for t in reached},
            "times_faster": theirs / ours if ours and theirs else None,
        }
    equal: dict[str, Any] = {}
    for tool in (*PEERS, *OURS):
        i = figures.at_time(limit, made[tool].seconds)
        if i is None:
            equal[tool] = None
            continue
        one = made[tool]
        equal[tool] = {"step": one.snapshots[i], "seconds": one.seconds[i], "scores": one.scores(i)}
    return targets, equal


def work(scorer: Worker, ms: dict[str, dict[str, float]], peaks: dict[str, float]) -> dict[str, Any]:
    """Say which share of the measured peak of its precision cnnviz reaches, counting only necessary operations."""
    bfloat16 = [rate for name, rate in peaks.items() if name.startswith("bfloat16")]
    peak = {"cnnviz-float32": peaks["float32 convolution"]}
    peak["cnnviz"] = max(bfloat16, default=peak["cnnviz-float32"])
    found = {}
    for layer, times in ms.items():
        gflop = figures.necessary_flops(scorer("convolutions", layer=layer, size=SIZE)["convolutions"]) / 1e9
        found[layer] = {"gflop": gflop, "share": {t: gflop / (times[t] / 1000) / peak[t] for t in OURS}}
    return found


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    layers = list(LAYERS)[: options.layers]
    results: dict[str, Any] = {"command": options.command, "speed": {}, "to_score": {}, "equal_time": {}}
    with Workers((*PEERS, *OURS), folder) as workers:
        described = {tool: workers[tool]("describe") for tool in (*PEERS, *OURS)}
        results["machine"] = workers["scorer"]("machine")
        for layer in layers:
            print(f"{layer}: speed", flush=True)
            results["speed"][layer] = speed(workers, layer, chosen(layer, options.filters), options)
        results["memory_mb"] = {tool: workers[tool]("memory")["mb"] for tool in (*PEERS, *OURS)}
        ms = {layer: {t: found["ms"]["min"] for t, found in tools.items()} for layer, tools in results["speed"].items()}
        results["speedup"] = {
            layer: {tool: min(times[p] for p in PEERS) / times[tool] for tool in OURS} for layer, times in ms.items()
        }
        results["work"] = work(workers["scorer"], ms, results["machine"]["peaks"])
        steps = {tool: found["steps"] for tool, found in described.items()}
        for layer in layers:
            print(f"{layer}: time to score", flush=True)
            filters = chosen(layer, options.score_filters)
            found = to_score(workers, layer, filters, ms[layer], steps, options.full)
            results["to_score"][layer], results["equal_time"][layer] = found
    results["versions"] = {tool: found["versions"] for tool, found in described.items()}
    results["settings"] = {
        "size": SIZE,
        "filters": {layer: chosen(layer, options.filters) for layer in layers},
        "filters_per_layer": options.filters,
        "score_filters": options.score_filters,
        "timed_steps": options.timed_steps,
        "rounds": options.rounds,
        "default_steps": steps,
        "full": options.full,
    }
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description="time cnnviz against its peers")
    parser.add_argument("--command", default="python -m benchmarks.bench", help="what the results say they come from")
    parser.add_argument("--filters", type=int, default=16, choices=(1, 2, 4, 8, 16))
    parser.add_argument("--score-filters", type=int, default=4, choices=(1, 2, 4, 8, 16))
    parser.add_argument("--timed-steps", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=len(LAYERS), help="only so many layers, from the first")
    parser.add_argument("--full", action="store_true", help="the score of every peer as a target, not the fastest's")
    parser.add_argument("--dry", action="store_true", help="print the tables and write no file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(options, Path(folder))
    text = tables.markdown(results)
    if not options.dry:
        (ROOT / "benchmarks" / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        figures.write_between_markers(ROOT / "docs" / "benchmarks.md", text)
    print(text)


if __name__ == "__main__":
    main()
