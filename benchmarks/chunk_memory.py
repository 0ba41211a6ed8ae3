"""Memory of rendering 4 and 16 filters together, each in a process of its own: `python -m benchmarks.chunk_memory`.

What one more image costs, by what `Renderer.bytes_per_image` expects: the constant KEPT of renderer.py comes from here.
"""

import json
import subprocess
import sys

from benchmarks import bench, figures

CASES = [(layer, precision) for layer in ("block2_conv2", "block5_conv3") for precision in ("float32", "auto")]
FEW, MANY = 4, 16


def measure(layer: str, precision: str, count: int) -> dict[str, float]:
    """Render `count` filters of VGG16 for two steps; peak memory of this process and the expected bytes per image."""
    from benchmarks import ours, worker

    network = ours.network()
    ours.render(network, layer, list(range(count)), 2, bench.SIZE, precision, [1, 2])
    (renderer,) = ours._renderers.values()
    return {"mb": worker.peak_memory_mb(), "expected": renderer.bytes_per_image / 2**20}


def main() -> None:
    rows = []
    for layer, precision in CASES:
        found = []
        for count in (FEW, MANY):
            command = [sys.executable, "-m", "benchmarks.chunk_memory", layer, precision, str(count)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
        few, many = found
        each = (many["mb"] - few["mb"]) / (MANY - FEW)
        rows.append([f"{layer}, {precision}", f"{few['mb']:.0f}", f"{many['mb']:.0f}", f"{each:.1f}",
                     f"{many['expected']:.1f}", f"{each / many['expected']:.2f}"])  # fmt: skip
    print(figures.table(["", f"MB, {FEW} images", f"MB, {MANY} images", "MB per image", "expected", "ratio"], rows))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
    else:
        main()
