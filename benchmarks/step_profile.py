"""Where the time of a step goes: `python -m benchmarks.step_profile` prints a table of operations per layer.

TensorFlow's own profiler, 16 images, 8 steps, the default recipe; operations of one kind are added up.
"""

import re
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from benchmarks import bench, figures, ours
from cnnviz.maximization.ascent import settings as recipe
from cnnviz.maximization.ascent import transforms
from cnnviz.maximization.ascent.renderer import Renderer
from cnnviz.objectives import channel

STEPS, IMAGES = 8, 16
KINDS = {
    "convolution forward": r"FusedConv2D$|/convolution:_MklNativeConv2D$",
    "convolution backward": r"Conv2DBackpropInput|^Conv2D(_\d+)?:",  # the latter: down to the image, ascent/trunk.py
    "max pooling backward": r"MaxPoolGrad",
    "max pooling forward": r"MaxPool",
    "ReLU backward": r"ReluGrad|Relu6Grad",
    "random transform": r"ImageProjectiveTransform",
    "matrix products (Fourier, colours, last layer)": r"MatMul",
}
CONTAINERS = r"Executor|EagerExecute|EagerLocal|EagerKernel|KernelAndDevice|TFE_|_advance|ParallelFor|ThreadPool|^$"


def events(layer: str) -> tuple[float, Counter[str]]:
    """Run steps under the profiler: milliseconds per image and step, and those of each operation by name."""
    network = ours.network()
    precision = recipe.resolve_precision("auto")
    settings = ours._settings(network, layer, bench.SIZE, precision)
    model, described = network
    renderer = Renderer(model, described["preprocessing"], channel(layer, 0), settings, described["digest"])
    data = renderer.evaluation.data([channel(layer, k) for k in range(IMAGES)])
    streams = [np.random.default_rng(i) for i in range(IMAGES)]
    start = np.stack([renderer.parameterization.noise(rng) for rng in streams])
    moves = np.stack([transforms.draw(rng, STEPS, bench.SIZE) for rng in streams], 1)
    state = tuple(tf.constant(a) for a in (start, np.zeros_like(start), np.zeros_like(start)))

    def steps() -> None:
        for i in range(STEPS):
            with recipe.computing_in(precision):
                renderer.advance(state, tf.constant(i), tf.constant(moves[i]), data)[1].numpy()

    steps()
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        steps()
        tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace()
        space.ParseFromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    found: Counter[str] = Counter()
    for plane in space.planes:
        for line in plane.lines if "CPU" in plane.name else []:
            for event in line.events:
                found[plane.event_metadata[event.metadata_id].name] += event.duration_ps / 1e9 / STEPS / IMAGES
    whole = found["_advance"]
    return whole, Counter({name: ms for name, ms in found.items() if not re.search(CONTAINERS, name)})


def shares(layer: str) -> tuple[float, dict[str, float]]:
    whole, found = events(layer)
    table = dict.fromkeys([*KINDS, "everything else"], 0.0)
    for name, ms in found.items():
        kind = next((kind for kind, pattern in KINDS.items() if re.search(pattern, name)), "everything else")
        table[kind] += ms
    return whole, table


def main() -> None:
    columns = {layer: shares(layer) for layer in bench.LAYERS}
    rows = [["whole step", *(f"{whole:.1f}" for whole, _ in columns.values())]]
    rows += [[kind, *(f"{table[kind]:.2f}" for _, table in columns.values())] for kind in [*KINDS, "everything else"]]
    print(figures.table(["ms per image and step", *columns], rows))


if __name__ == "__main__":
    main()
