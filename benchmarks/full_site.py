"""Time, memory and sizes of two sites: the default one, and VGG16 with all its 4,224 filters rendered.

    python -m benchmarks.full_site          # after `make repro`

The second is made from prepared artifacts: those of the default pipeline, where every filter of a layer has the arrays
of one that was rendered, its pictures shifted so that no two are the same file. Rendering it for real takes hours; the
site does not know the difference.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnviz.config import params
from cnnviz.files import WHOLE
from cnnviz.files.disk import ARTIFACTS
from cnnviz.networks import selection

MODEL = "vgg16"
PICTURES = ("images", "snapshots", "negatives", "variants")
SOME = (*PICTURES[1:], "from_patches", "from_patches_of")  # of the first filters only


def every_filter(stored: dict[str, NDArray], filters: list[int]) -> dict[str, NDArray]:
    """Arrays of a layer's npz file as they are where all its filters were rendered."""
    rows = np.arange(len(filters)) % len(stored["filters"])
    common = {"snapshot_steps", "filters"}
    found = {
        name: values if name in common else values[rows[:WHOLE] if name in SOME else rows]
        for name, values in stored.items()
    }
    found["filters"] = np.array(filters, np.int32)
    for name in PICTURES:
        if name in found:
            found[name] = np.stack([np.roll(one, k, axis=-2) for k, one in enumerate(found[name])])
    return found


def prepare(folder: Path) -> Path:
    """Artifacts in `folder`: links to the default ones, all filters of MODEL rendered."""
    for path in ARTIFACTS.iterdir():
        if path.is_dir() and path.name not in ("maximize", "report"):
            (folder / path.name).symlink_to(path.resolve())
    made = folder / "maximize" / MODEL
    made.mkdir(parents=True)
    described = json.loads((ARTIFACTS / "models" / MODEL / "model.json").read_text())
    for path in (ARTIFACTS / "maximize" / MODEL).iterdir():
        if path.suffix != ".npz":
            (made / path.name).symlink_to(path.resolve())
    for layer, filters in selection.filters("all", described, "").items():
        with np.load(ARTIFACTS / "maximize" / MODEL / f"{layer}.npz") as stored:
            arrays: dict[str, NDArray] = every_filter({key: stored[key] for key in stored.files}, filters)
        np.savez(made / f"{layer}.npz", **arrays)  # type: ignore[arg-type]
    return folder


def render(artifacts: str, out: str, models: list[str]) -> None:
    """Write the report of these models; print seconds and the peak of this process in MB as JSON."""
    from cnnviz.report import pages as report

    chosen = params.load()
    kept = {key: value for key, value in chosen.models.items() if key in models}
    started = time.perf_counter()
    report.render(Path(artifacts), chosen.model_copy(update={"models": kept}), Path(out))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    tensorflow = "tensorflow" in sys.modules
    spent = {"seconds": time.perf_counter() - started, "cpu": time.process_time(), "mb": peak}
    print(json.dumps(spent | {"tensorflow": tensorflow}))


def measure(title: str, artifacts: Path, models: list[str]) -> None:
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "benchmarks.full_site", str(artifacts), out, *models]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ)
        found = json.loads(done.stdout.splitlines()[-1])
        files = [path for path in Path(out).rglob("*") if path.is_file()]
        own = {f"{key}.html" for key in models}
        pages = [path.stat().st_size for path in files if path.suffix == ".html" and path.name not in own]
        alone = max((Path(out) / name).stat().st_size for name in own)
        total = sum(path.stat().st_size for path in files)
    print(
        f"{title}: {found['seconds']:.1f} s, {found['cpu']:.1f} s of CPU, {found['mb']:.0f} MB; {len(pages)} pages, "
        f"the largest {max(pages) / 1e6:.2f} MB; {len(files)} files, {total / 1e6:.0f} MB; one file for MLflow at "
        f"most {alone / 1e6:.1f} MB; TensorFlow {'imported' if found['tensorflow'] else 'not imported'}"
    )


def main() -> None:
    measure("default site", ARTIFACTS, list(params.load().models))
    with tempfile.TemporaryDirectory() as folder:
        measure(f"{MODEL}, every filter rendered", prepare(Path(folder)), [MODEL])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        render(sys.argv[1], sys.argv[2], sys.argv[3:])
    else:
        main()
