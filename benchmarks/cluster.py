"""What many workers are worth, on this machine: each of these takes less than ten minutes, after `make repro`.

    python -m benchmarks.cluster here      # two one-core workers against one process with both cores
    python -m benchmarks.cluster ray       # the same work by Ray's workers and by bare processes: what Ray costs
    python -m benchmarks.cluster plan      # what cnnviz.plan foretells, and what it then takes
    python -m benchmarks.cluster analyze   # what the pass over all images is made of
    python -m benchmarks.cluster trace     # seconds of real chunks of each layer, by one core -> cluster_trace.json
    python -m benchmarks.cluster report    # that trace replayed for 8, 16 and 64 workers

`--quick` makes a few steps only and prints; without it all but `trace` write docs/clusters.md.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import figures, gallery
from cnnviz import config, maximization
from cnnviz.files import ARTIFACTS, LOCAL, Stopwatch, use_defaults
from cnnviz.maximization import Request
from cnnviz.maximization.execution import replay
from cnnviz.networks import read_description

MODEL, SMALL = "vgg16", "cifar10-cnn"
LAYERS = ("block2_conv2", "block4_conv1", "block5_conv1")
ROOT = Path(__file__).parent
TRACE, PAGE = ROOT / "cluster_trace.json", ROOT.parent / "docs" / "clusters.md"
WORKERS = (8, 16, 64)
CORES = 2


def request(layers: dict[str, Any], **recipe: Any) -> Request:
    """Of MODEL as params.yaml has it, with these filters and changes of the recipe; no objectives."""
    params = config.load()
    model = params.models[MODEL].model_copy(update={"layers": layers, "objectives": {}})
    section = params.maximize.model_copy(update=recipe)
    return Request(MODEL, model, section, params.random_seed, tuple(params.images.sets))


def spread(filters: int, layers: Sequence[str] = LAYERS) -> dict[str, Any]:
    """The first so many filters of each layer."""
    return {layer: list(range(filters)) for layer in layers}


# One process: `_make <request> <shard or ""> <threads>` prints the seconds that its pictures took


def make(given: dict[str, Any], shard: str, threads: int) -> None:
    """Render in this process with so many threads, into no cache that stays; `go` is waited for on stdin."""
    use_defaults()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    from cnnviz.maximization import chunks
    from cnnviz.maximization.execution import shards
    from cnnviz.maximization.execution.work import Work

    asked = request(given["layers"], **given["recipe"])
    print("ready", flush=True)
    sys.stdin.readline()
    started, found = time.monotonic(), []
    work = Work(asked, ARTIFACTS)
    parts = shards.share(work.parts(), *shards.parse(shard)) if shard else work.parts()
    with tempfile.TemporaryDirectory() as folder:
        for part in parts:
            before = time.monotonic()
            work.make(part, work.rendering(Path(folder), chunks.render, lambda done: None))
            found.append([part.layer, len(part.filters), part.effort, time.monotonic() - before])
    print(json.dumps({"seconds": time.monotonic() - started, "parts": found}), flush=True)


class Maker:
    """Such a process, on the cores given."""

    def __init__(self, given: dict[str, Any], shard: str, cores: Sequence[int]) -> None:
        words = [sys.executable, "-m", "benchmarks.cluster", "_make", json.dumps(given), shard, str(len(cores))]
        pinned = ["taskset", "-c", ",".join(map(str, cores)), *words]
        self.process = subprocess.Popen(pinned, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._read("ready")

    def _read(self, begin: str) -> str:
        assert self.process.stdout is not None  # noqa: S101
        for line in self.process.stdout:
            if line.startswith(begin):
                return line
        raise SystemExit("a process of the benchmark failed")

    def go(self) -> None:
        assert self.process.stdin is not None  # noqa: S101
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def done(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._read("{"))
        self.process.wait()
        return found


def together(given: dict[str, Any], groups: Sequence[tuple[str, Sequence[int]]]) -> tuple[float, list[dict[str, Any]]]:
    """Seconds until all of these processes are done, which begin at once; what each said."""
    makers = [Maker(given, *group) for group in groups]
    started = time.monotonic()
    for maker in makers:
        maker.go()
    found = [maker.done() for maker in makers]
    return time.monotonic() - started, found


def per_filter(found: dict[str, Any]) -> float:
    """Seconds, without the first part, in which the graph is traced."""
    rest = found["parts"][1:]
    return sum(part[-1] for part in rest) / sum(part[1] for part in rest)


def here(quick: bool) -> None:
    """Two one-core processes, half of the filters each, against one with both cores; a layer by itself."""
    recipe, rows, whole = gallery.RECIPE | ({"steps": 4} if quick else {}), [], [0.0, 0.0]
    for layer in LAYERS[: 1 if quick else None]:
        _, (both,) = together({"layers": {layer: list(range(32))}, "recipe": recipe}, [("", range(CORES))])
        _, each = together({"layers": {layer: list(range(64))}, "recipe": recipe}, [("1/2", [0]), ("2/2", [1])])
        one, two = per_filter(both), sum(map(per_filter, each)) / CORES / CORES
        rows.append([layer, f"{one:.2f}", f"{two:.2f}", f"{one / two:.2f}"])
        whole = [whole[0] + one, whole[1] + two]
    rows.append(["all", *(f"{seconds:.2f}" for seconds in whole), f"{whole[0] / whole[1]:.2f}"])
    heads = ["seconds for a filter", "one process, two cores", "two workers of one core", "throughput"]
    written("here", figures.table(heads, rows), quick)


def ray(quick: bool) -> None:
    """The same parts by two of Ray's workers and by two bare processes, one core each, from when all are there."""
    recipe = gallery.RECIPE | ({"steps": 4} if quick else {})
    given = {"layers": spread(16 if quick else 128), "recipe": recipe}
    bare, _ = together(given, [("1/2", [0]), ("2/2", [1])])
    words = [sys.executable, "-m", "benchmarks.cluster", "_fill", json.dumps(given)]
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    started = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    took = time.monotonic() - started
    found = re.search(r": (\d+) s of work by 2 workers in ([\d.]+) s", done.stderr)
    if found is None:
        raise SystemExit(done.stderr)
    busy, by_ray = float(found[1]), float(found[2])
    rows = [
        ["two bare processes", f"{bare:.0f}", ""],
        ["Ray, two workers", f"{by_ray:.0f}", f"{by_ray / bare - 1:+.1%}"],
        ["of these at parts", f"{busy / 2:.0f}", f"{busy / 2 / by_ray:.1%} of the time"],
        ["Ray with its start and end", f"{took:.0f}", ""],
    ]
    written("ray", figures.table(["", "s", ""], rows), quick)


def fill(given: dict[str, Any]) -> None:
    from cnnviz.maximization.execution.filling import fill as by_workers

    use_defaults()
    with tempfile.TemporaryDirectory() as folder:
        asked = request(given["layers"], **given["recipe"] | {"executor": "ray", "workers": 2})
        by_workers(asked, ARTIFACTS, Path(folder), f"maximize {MODEL}")


def plan(quick: bool) -> None:
    """What is foretold for some filters of each layer, and what the stage then takes, imports and files included."""
    names = [conv["name"] for conv in read_description(ARTIFACTS / "models" / MODEL)["conv_layers"]]
    given = {"layers": spread(4, LAYERS if quick else names), "recipe": gallery.RECIPE | {"steps": 4} if quick else {}}
    found = {}
    with tempfile.TemporaryDirectory() as place:
        for word in ("_plan", "_stage"):
            words = [sys.executable, "-m", "benchmarks.cluster", word, json.dumps(given), place]
            started = time.monotonic()
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
            found[word] = (done.stdout.strip().splitlines() or [""])[-1], time.monotonic() - started
    told, took = float(found["_plan"][0]), found["_stage"][1]
    told_in = found["_plan"][1]
    rows = [["foretold", f"{told:.0f}", f"{told / took - 1:+.0%}"], ["taken", f"{took:.0f}", ""]]
    rows.append(["to foretell it", f"{told_in:.0f}", ""])
    count = sum(map(len, given["layers"].values()))
    written("plan", figures.table([f"{count} filters of {MODEL}", "s", ""], rows), quick)


def foretell(given: dict[str, Any], folder: Path) -> None:
    use_defaults()
    asked = request(given["layers"], **given["recipe"])
    asked, *shared = maximization.shared(asked, asked.read(ARTIFACTS))  # before TensorFlow comes with the rest
    print(maximization.estimate(asked, ARTIFACTS, folder / "render", lambda layer: None, *shared).seconds)


def stage(given: dict[str, Any], folder: Path) -> None:
    from cnnviz.maximization import stage as real

    use_defaults()
    real.CACHE = folder
    artifacts = folder / "artifacts"
    artifacts.mkdir()
    for name in ("models", "images", "feature_maps"):
        (artifacts / name).symlink_to((ARTIFACTS / name).resolve())
    asked = request(given["layers"], **given["recipe"])
    real.run(asked.key, asked.model, asked.section, asked.seed, asked.sets, artifacts, Stopwatch())


def analyze(quick: bool) -> None:
    """By one core: of the pass over all images, what the network takes and what the measures take; of the stage, what
    the pass takes and what takes as long for any number of images. The stage's own time is that of its last run.
    """
    heads = ("the network, ms", "all measures, ms", "the maps, MB", "the pass over 40 images, s", "all else, s")
    rows: list[list[str]] = [[head] for head in heads]
    for model, images in ((MODEL, 40), (SMALL, 40 if quick else 800)):
        words = [sys.executable, "-m", "benchmarks.cluster", "_pass", model, str(images)]
        done = subprocess.run(["taskset", "-c", "0", *words], stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.strip().splitlines()[-1])
        timing = json.loads((LOCAL / "timings" / f"analyze@{model}.json").read_text(encoding="utf-8"))
        measures, whole = found["watched"] - found["network"], 40 * found["watched"]
        cells = (found["network"] * 1000, measures * 1000, found["maps"] / 1e6, whole, timing["cpu_seconds"] - whole)
        for row, cell in zip(rows, cells, strict=True):
            row.append(f"{cell:.3g}")
    written("analyze", figures.table(["an image, and the stage, by one core", MODEL, SMALL], rows), quick)


def passing(model: str, count: int) -> None:
    """CPU seconds of this process for each of `count` images: the network alone, and all that `analyze` watches."""
    use_defaults()
    from cnnviz.analysis import observe, watching
    from cnnviz.images import fed, load_sets
    from cnnviz.networks import load, selection

    params = config.load()
    network, described = load(ARTIFACTS / "models" / model)
    shape, section = described["input_shape"], params.analyze
    sets = load_sets(ARTIFACTS, list(params.images.sets), shape[2])
    images = {f"{name}{i}": one for i in range(count // sum(map(len, sets.values()))) for name, one in sets.items()}
    observer = observe.Observer(network, described, [conv["name"] for conv in described["conv_layers"]])
    amounts = watching.Amounts(section.examples, section.batch, section.kept_images, section.mapped_images)
    seconds = []
    for measured in (False, False, True):  # the first one traces
        started = time.process_time()
        if measured:
            watching.watch(observer, images, shape, amounts, lambda done: None)
        else:
            for one in images.values():
                for batch in observer.batches(lambda i, one=one: fed(one, i, shape), len(one), section.batch):
                    for name in batch:
                        batch[name]
                    batch.release()
        seconds.append((time.process_time() - started) / sum(map(len, images.values())))
    print(json.dumps({"network": seconds[1], "watched": seconds[2], "maps": selection.of_maps(described)}))


def trace(quick: bool) -> None:
    """By one core and the gallery's recipe: of each layer the seconds of two chunks, the first of which traces."""
    recipe = gallery.RECIPE | ({"steps": 2} if quick else {})
    convs = read_description(ARTIFACTS / "models" / MODEL)["conv_layers"]
    given = {"layers": {conv["name"]: list(range(32)) for conv in convs}, "recipe": recipe}
    _, (found,) = together(given, [("", [0])])
    layers: dict[str, Any] = {conv["name"]: {"filters": conv["filters"], "chunks": []} for conv in convs}
    for layer, count, effort, seconds in found["parts"]:
        layers[layer]["chunks"].append({"filters": count, "effort": effort, "seconds": round(seconds, 3)})
    kept = {"model": MODEL, "recipe": recipe, "layers": layers}
    if quick:
        print(json.dumps(kept)[:400])
    else:
        TRACE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def report(quick: bool) -> None:
    """All filters of the network: each chunk takes what one of the recorded ones of its layer took."""
    from cnnviz.maximization.execution.work import Part

    recorded = json.loads(TRACE.read_text(encoding="utf-8"))["layers"]
    parts, tracing = [], {}
    for layer, one in recorded.items():
        first, *rest = one["chunks"]
        warm = [chunk["seconds"] / chunk["filters"] for chunk in rest]
        tracing[layer] = max(0.0, first["seconds"] - first["filters"] * sum(warm) / len(warm))
        whole = Part(layer, tuple(range(one["filters"])), one["filters"], float(one["filters"]))
        cut = whole.split(first["filters"])
        parts += [replace(p, effort=len(p.filters) * warm[i % len(warm)]) for i, p in enumerate(cut)]
    alone, rows = replay(parts, lambda part: tracing[part.layer], 1), []
    for n in WORKERS:
        took = replay(parts, lambda part: tracing[part.layer], n)
        rows.append([str(n), f"{took / 60:.1f}", f"{alone / took / n:.0%}"])
    heads = [f"workers of one core ({alone / 3600:.1f} h by one)", "minutes", "efficiency"]
    written("report", figures.table(heads, rows), quick)


def written(name: str, table: str, quick: bool) -> None:
    """Print a table; into docs/clusters.md between its markers, unless it is a quick one."""
    print(table)
    if quick:
        return
    start, end = f"<!-- {name}: benchmarks/cluster.py -->", f"<!-- end of {name} -->"
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(start)
    PAGE.write_text(f"{before}{start}\n{table}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def main(words: list[str]) -> None:
    hidden = {
        "_make": lambda given, shard, threads: make(json.loads(given), shard, int(threads)),
        "_fill": lambda given: fill(json.loads(given)),
        "_pass": lambda model, count: passing(model, int(count)),
        "_plan": lambda given, folder: foretell(json.loads(given), Path(folder)),
        "_stage": lambda given, folder: stage(json.loads(given), Path(folder)),
    }
    if words and words[0] in hidden:
        hidden[words[0]](*words[1:])
        return
    commands = {"here": here, "ray": ray, "plan": plan, "analyze": analyze, "trace": trace, "report": report}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=commands)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(words)
    commands[given.command](given.quick)


if __name__ == "__main__":
    main(sys.argv[1:])
