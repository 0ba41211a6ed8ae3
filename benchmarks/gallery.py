"""All 4,224 filters of VGG16 by a quick recipe, for docs/gallery.md; after `make repro`.

    python -m benchmarks.gallery render OUT --kill 120 300    # the stage, killed with -9 after so many seconds each
    python -m benchmarks.gallery site OUT                     # analysis and site of it: OUT/artifacts/report
    python -m benchmarks.gallery pages OUT                    # contact sheets and docs/gallery.md

OUT is a project of its own with a render cache of its own; what was rendered before a kill is not rendered again. For a
try: `render OUT --layers block1_conv1 --filters 8`.
"""

import argparse
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from cnnviz import look
from cnnviz.pictures import montage

ROOT = Path(__file__).parents[1]
MODEL = "vgg16"
STEPS, SIDE = 32, 64
RECIPE = {**look.PLAIN, "steps": STEPS, "max_size": SIDE}
STAGES = (
    *(("analyze_model", MODEL), ("judge_explanations", MODEL), ("follow_training", MODEL)),
    *(("enlarge_filters",), ("apply_fixed_filters",), ("compare_models",), ("render_report",)),
)
TILES, QUALITIES, LARGEST = (64, 56, 48, 40, 32, 24), (82, 68, 55, 45, 38), 150_000  # pixels; of JPEG; bytes of a file
ROW = 16  # pictures in a row; twice as many of more than 256
NOTE = "render.json"


def prepare(out: Path, layers: list[str], filters: int) -> None:
    """A project with one model, and what the stage `maximize` needs of the default run."""
    (out / "artifacts/maximize").mkdir(parents=True)
    for name in ("images", f"models/{MODEL}", f"weights/{MODEL}", f"feature_maps/{MODEL}"):
        link = out / "artifacts" / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(ROOT / "artifacts" / name)
    shutil.copytree(ROOT / "inputs", out / "inputs")
    found = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    chosen: Any = filters or "all"
    found["models"] = {MODEL: {"known": MODEL, "layers": dict.fromkeys(layers, chosen) if layers else chosen}}
    found["maximize"] |= RECIPE
    found["enlarge"] = {}
    found["fixed_filters"].pop("borrowed")
    (out / "params.yaml").write_text(yaml.safe_dump(found, sort_keys=False), encoding="utf-8")


def cached(out: Path) -> int:
    return sum(1 for _ in (out / ".cache/render").glob("*/*.npz"))


def start(out: Path, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", *command], cwd=out, env=os.environ | {"PYTHONPATH": str(ROOT)}, start_new_session=True
    )


def render(out: Path, layers: list[str], filters: int, kills: list[float]) -> None:
    """Run the stage until it ends, killed on the way."""
    if not out.exists():
        prepare(out, layers, filters)
    began, rounds = time.time(), []
    for seconds in [*kills, None]:
        before, since = cached(out), time.time()
        process = start(out, "stages.maximize_filters", MODEL)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        spent = time.time() - since
        rounds.append({"seconds": round(spent, 1), "exit": status, "cached": before, "rendered": cached(out) - before})
        print(json.dumps(rounds[-1]), flush=True)
        if status == 0:
            break
        if status != -signal.SIGKILL:
            sys.exit(f"error: the stage ended with exit status {status}")
    numbers = {"seconds": round(time.time() - began, 1), "rounds": rounds}
    (out / NOTE).write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


def site(out: Path) -> None:
    """The stages after it, as far as one model has them."""
    for name, *key in STAGES:
        if status := start(out, f"stages.{name}", *key).wait():
            sys.exit(f"error: {name}: exit status {status}")
    print(out / "artifacts/report/index.html")


def sheet(images: np.ndarray) -> bytes:
    """A contact sheet of images `(n, h, w, 3)`, as large as fits into a file of LARGEST bytes."""
    data, columns = b"", min(len(images), 2 * ROW if len(images) > ROW**2 else ROW)
    for size, quality in product(TILES, QUALITIES):
        drawn = Image.fromarray(montage.montage(montage.fit(images, size), columns, padding=0))
        buffer = io.BytesIO()
        drawn.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        data = buffer.getvalue()
        if len(data) <= LARGEST:
            break
    return data


def pages(out: Path, docs: Path) -> None:
    """`<docs>/images/gallery-<layer>.jpg` and `<docs>/gallery.md`."""
    rendered = out / "artifacts/maximize" / MODEL
    numbers = json.loads((rendered / "metrics.json").read_text(encoding="utf-8"))
    (docs / "images").mkdir(parents=True, exist_ok=True)
    parts = []
    for layer, entries in numbers["layers"].items():
        with np.load(rendered / f"{layer}.npz") as stored:
            order = np.argsort(stored["filters"])
            name = f"gallery-{layer}.jpg"
            (docs / "images" / name).write_bytes(sheet(stored["images"][order]))
        status = [one["status"] for one in entries.values()]
        counted = ", ".join(f"{status.count(state)} {state}" for state in ("ok", "weak", "dead") if state in status)
        said = f"{len(entries)} filters of {layer} of VGG16, by number from the top left"
        parts.append(f"## {layer}\n\n{len(entries)} filters: {counted}.\n\n![{said}](images/{name})\n")
    (docs / "gallery.md").write_text(_text(numbers, out, parts), encoding="utf-8")


def _text(numbers: dict[str, Any], out: Path, parts: list[str]) -> str:
    """The page. What the run took is said where `render` noted it."""
    note, took = out / NOTE, ""
    if note.is_file():
        found = json.loads(note.read_text(encoding="utf-8"))
        killed = sum(one["exit"] != 0 for one in found["rounds"])
        often = {1: "once", 2: "twice"}.get(killed, f"{killed} times")
        took = f" It took {found['seconds'] / 60:.0f} minutes on two cores"
        took += f"; killed with -9 {often} on the way, it took up what it had." if killed else "."
    head = f"{numbers['rendered_filters']:,} filters of {len(numbers['layers'])} layers, from noise in {STEPS} steps"
    return f"""# All filters of VGG16

{head} on at most {SIDE} pixels: a quick recipe
([a first look](site.md#a-first-look)), half the steps and sides of the default.
{took.strip()}

    python -m benchmarks.gallery render OUT    # `models: vgg16: layers: all`, through the stage and the render cache
    python -m benchmarks.gallery site OUT      # every filter's page
    python -m benchmarks.gallery pages OUT     # this page

A `weak` or `dead` picture does not show what its filter looks for ([verdicts](scores.md#verdicts)): after so few
steps more of them are than by the default recipe.

{chr(10).join(parts)}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("render", "site", "pages"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--kill", nargs="*", type=float, default=[], metavar="SECONDS")
    parser.add_argument("--layers", nargs="*", default=[])
    parser.add_argument("--filters", type=int, default=0)
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    asked = parser.parse_args()
    out = asked.out.absolute()
    if asked.what == "render":
        render(out, asked.layers, asked.filters, asked.kill)
    elif asked.what == "site":
        site(out)
    else:
        pages(out, asked.docs)


if __name__ == "__main__":
    main()
