"""Time and memory of every stage where all filters of a network are rendered: a network of ResNet50's form.

    python -m benchmarks.whole_network OUT                  # 26,560 filters; after `make repro`, whose images it takes
    python -m benchmarks.whole_network OUT --filters 400    # a narrow one
    python -m benchmarks.whole_network OUT --stages report track

OUT is a project of its own: the network with random weights, all filters rendered, and a second one to compare it with.
Rendering 26,560 filters takes hours, so that `--real` filters of each layer (4) are rendered, and the render cache gets
their pictures for all others, too, each moved by some pixels. What is measured then is the work of the stages on what
they find: a process each.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

ROOT = Path(__file__).parents[1]
WHOLE, OTHER = "whole", "other"
SIZE, CLASSES = 224, 10
BLOCKS, WIDTH, FULL = (3, 4, 6, 3), 64, 26_560  # of ResNet50: blocks per stage, filters of the first, of all layers
MADE = ("models", "weights", "feature_maps")
COMMANDS = {
    **{f"{kind}@{key}": (script, key) for key in (WHOLE, OTHER) for kind, script in (
        ("models", "download_model"), ("weights", "extract_weights"), ("feature_maps", "compute_feature_maps"),
        ("maximize", "maximize_filters"), ("analyze", "analyze_model"), ("epochs", "follow_training"),
        ("judge", "judge_explanations"))},
    "enlarge": ("enlarge_filters",),
    "fixed_filters": ("apply_fixed_filters",),
    "compare": ("compare_models",),
    "report": ("render_report",),
    "track": ("track",),
}  # fmt: skip


def network(width: int, seed: int) -> Any:
    """ResNet50's form with `width` filters in its first layer, and random weights."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers

    def unit(x: Any, filters: int, side: int, stride: int, name: str, active: bool = True) -> Any:
        x = layers.Conv2D(filters, side, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        return layers.ReLU(name=f"{name}_relu")(x) if active else x

    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.MaxPooling2D(3, 2, padding="same")(unit(inputs, width, 7, 2, "conv1"))
    for stage, blocks in enumerate(BLOCKS):
        for block in range(blocks):
            filters, name = width * 2**stage, f"conv{stage + 2}_block{block + 1}"
            stride = 2 if stage and not block else 1
            y = unit(unit(x, filters, 1, stride, f"{name}_1"), filters, 3, 1, f"{name}_2")
            y = unit(y, 4 * filters, 1, 1, f"{name}_3", active=False)
            x = x if block else unit(x, 4 * filters, 1, stride, f"{name}_0", active=False)
            x = layers.ReLU(name=f"{name}_out")(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x))


def params() -> dict[str, Any]:
    """The project's params, with these two networks and the quick recipe."""
    found = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    block = {"input_size": SIZE, "preprocessing": "tf"}
    found["models"] = {
        WHOLE: {"file": f"inputs/models/{WHOLE}.keras", "layers": "all", **block},
        OTHER: {"file": f"inputs/models/{OTHER}.keras", "layers": "auto", **block},
    }
    found["fixed_filters"].pop("borrowed")
    found["maximize"] |= {"steps": 32, "snapshots": [1, 10, 32], "max_size": 64, "memory": 300}
    found["analyze"]["batch"] = 4  # images: what `analyze` takes is their maps, 42 MB each
    return dict(found)


def prepare(out: Path, filters: int) -> None:
    """The project, without anything that is measured."""
    (out / "inputs/models").mkdir(parents=True)
    (out / "artifacts").mkdir()
    (out / "artifacts/images").symlink_to(ROOT / "artifacts/images")
    shutil.copytree(ROOT / "inputs/images", out / "inputs/images")
    (out / "params.yaml").write_text(yaml.safe_dump(params(), sort_keys=False), encoding="utf-8")
    width = max(1, round(WIDTH * filters / FULL))
    for seed, key in enumerate((WHOLE, OTHER)):
        network(width, seed).save(out / "inputs/models" / f"{key}.keras")


class Reusing:
    """Renders some filters of a layer; all others get their pictures, moved."""

    def __init__(self, render: Any, real: int) -> None:
        self.render, self.real = render, real
        self.known: dict[str, Any] = {}
        self.layer, self.given = "", 0

    def __call__(self, shop: Any, chunk: Any, tick: Any = lambda done: None) -> Any:
        layer, count = chunk.objectives[0].layers[0], len(chunk.objectives)
        if layer != self.layer:
            self.layer, self.known = layer, {}
        key = str((chunk.settings, chunk.attempt, chunk.scored, chunk.measured, chunk.starts is None))
        if key not in self.known:
            some, starts = chunk.objectives[: self.real], chunk.starts
            few = replace(chunk, objectives=some, starts=None if starts is None else starts[: self.real])
            self.known[key] = self.render(shop, few, tick)
            tick((count - len(some)) * chunk.settings.steps)
        else:
            tick(count * chunk.settings.steps)
        made = self.known[key]
        rows = np.arange(count) % len(made.images)
        moved: dict[str, Any] = {name: a if name == "snapshot_steps" else a[rows] for name, a in made.items()}
        for name in ("images", "snapshots"):
            shifts = range(self.given, self.given + count)
            moved[name] = np.stack([np.roll(one, k, axis=-2) for k, one in zip(shifts, moved[name], strict=True)])
        self.given += count
        return type(made)(**moved)


def fill(real: int) -> None:
    """The stage `maximize` of the whole network, in this process and folder, with few filters really rendered."""
    from cnnviz.maximization import chunks
    from stages import maximize_filters

    reusing = Reusing(chunks.Workshop.render, real)
    chunks.Workshop.render = lambda *given, **named: reusing(*given, **named)  # type: ignore[method-assign]
    maximize_filters.main(WHOLE)


def lock(out: Path) -> None:
    """dvc.lock as `track` reads it: digests are no digests, sizes are those of the files."""
    found = {}
    for name in COMMANDS:
        stage, _, model = name.partition("@")
        folder = out / "artifacts" / {"analyze": "analysis"}.get(stage, stage) / model
        if folder.is_dir():
            files = [path for path in folder.rglob("*") if path.is_file()]
            size = sum(path.stat().st_size for path in files)
            entry = {"path": str(folder.relative_to(out)), "md5": name, "size": size, "nfiles": len(files)}
            found[name] = {"cmd": name, "outs": [entry], "params": {"params.yaml": {"maximize.steps": 32}}}
    (out / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": found}), encoding="utf-8")


def memory(process: int) -> float:
    """MB of a process and all that it started, what they share counted once; 0 where it has ended."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
        started = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return 0
    own = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024
    return own + sum(memory(int(one)) for one in started)


def run(out: Path, command: Sequence[str]) -> dict[str, float]:
    """Clock and CPU seconds, and the peak of the memory of all its processes in MB. Exits where it fails."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    started, peak = time.perf_counter(), 0.0
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=out, env=env)
    while True:
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        peak = max(peak, memory(process.pid))
        time.sleep(0.2)
    if status:
        sys.exit(f"error: {' '.join(command)}: exit status {os.waitstatus_to_exitcode(status)}")
    return {"clock": time.perf_counter() - started, "cpu": used.ru_utime + used.ru_stime, "mb": peak}


def site(out: Path) -> str:
    """What the site weighs."""
    folder = out / "artifacts/report"
    files = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    alone = {folder / f"{key}.html" for key in (WHOLE, OTHER)}
    pages = {path: size for path, size in files.items() if path.suffix == ".html" and path not in alone}
    layers = [size for path, size in pages.items() if path.name == "index.html" and path.parent.parent.name == WHOLE]
    filters = sum(path.stem.isdigit() and path.parent.parent.name in (WHOLE, OTHER) for path in pages)
    index, one = files[folder / "assets/index.js"], files[folder / f"{WHOLE}.html"]
    return (
        f"site: {len(files):,} files, {sum(files.values()) / 1e6:,.0f} MB; {filters:,} pages of filters; largest page "
        f"{max(pages.values()) / 1e6:.2f} MB, of a layer {max(layers) / 1e6:.2f} MB; search {index / 1e6:.2f} MB; one "
        f"file for MLflow {one / 1e6:.1f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--filters", type=int, default=FULL)
    parser.add_argument("--real", type=int, default=4)
    parser.add_argument("--stages", nargs="+", choices=list(COMMANDS), help="only these, in a folder that is there")
    asked = parser.parse_args()
    out = asked.out.absolute()
    if not asked.stages:
        prepare(out, asked.filters)
        for name in (name for name in COMMANDS if name.partition("@")[0] in MADE):
            script, *key = COMMANDS[name]
            run(out, [f"stages.{script}", *key])
        run(out, ["benchmarks.whole_network", "--fill", str(asked.real)])
    left = asked.stages or [name for name in COMMANDS if name.partition("@")[0] not in MADE]
    for name in left:
        if name == "track":
            lock(out)
        script, *key = COMMANDS[name]
        spent = run(out, [f"stages.{script}", *key])
        print(json.dumps({"stage": name, **{key: round(value, 1) for key, value in spent.items()}}), flush=True)
    print(site(out))


if __name__ == "__main__":
    if sys.argv[1] == "--fill":
        fill(int(sys.argv[2]))
    else:
        main()
