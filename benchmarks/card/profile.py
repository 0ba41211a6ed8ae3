"""Where the time of a step goes on this device: TensorFlow's profiler, kernels of one kind added up."""

import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.card import rows

# The first that fits the name of a kernel, or on a CPU of an operation
LAYOUT, OTHER = "layout, copies", "everything else"
PATTERNS = (
    (LAYOUT, r"nchwToNhwc|nhwcToNchw|ShuffleInTensor|SwapDimension"),
    ("pooling", r"pool"),
    ("convolution", r"conv(?!ert)|fprop|dgrad|wgrad|winograd|implicit_gemm|cudnn"),
    ("random transform", r"ProjectiveTransform|gather|scatter"),
    ("matrix products", r"gemm|gemv|matmul|cublas|nvjet|cutlass|xmma|einsum"),
    (LAYOUT, r"transpose|copy|memcpy|memset|concat|\bpad|cast|convert"),
    ("reductions", r"reduc|\bSum|\bMean"),
    ("element by element", r"fusion|loop|elementwise|eigen|relu|mul|add|sub|sigmoid|rsqrt|max|min|select|cwise|_Fused"),
)
KINDS = list(dict.fromkeys(kind for kind, _ in PATTERNS))
# Of a CPU's profile: what holds operations, and is none
CONTAINERS = r"Executor|EagerExecute|EagerLocal|EagerKernel|KernelAndDevice|TFE_|_advance|ParallelFor|ThreadPool|^$|^\$"
SHOWN = 15  # kernels, the longest first


def kind(name: str) -> str:
    return next((kind for kind, pattern in PATTERNS if re.search(pattern, name, re.IGNORECASE)), OTHER)


def shares(found: Mapping[str, float]) -> dict[str, float]:
    """Of the time of all kernels, by name, what each kind takes."""
    table, whole = dict.fromkeys([*KINDS, OTHER], 0.0), sum(found.values())
    for name, seconds in found.items():
        table[kind(name)] += seconds / whole
    return table


def kernels(space: Any, gpu: bool) -> tuple[Counter[str], float]:
    """Seconds of each kernel of a profile, and those from the first one's start to the last one's end."""
    found: Counter[str] = Counter()
    starts, ends = [], []
    for plane in space.planes:
        if ("/device:GPU" if gpu else "CPU") not in plane.name:
            continue
        for line in plane.lines:
            if gpu and not line.name.startswith("Stream"):
                continue
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if gpu or not re.search(CONTAINERS, name):
                    found[name] += event.duration_ps / 1e12
                    starts.append(line.timestamp_ns / 1e9 + event.offset_ps / 1e12)
                    ends.append(starts[-1] + event.duration_ps / 1e12)
    return found, (max(ends) - min(starts)) if ends else 0.0


def profile(layers: Sequence[str], images: int, steps: int) -> Iterator[dict[str, Any]]:
    """A row for each layer; images: computed at once."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    from benchmarks.card.settings import STORED, batches_of, settings
    from cnnviz import device
    from cnnviz.files import use_defaults
    from cnnviz.maximization import Chunk, Workshop
    from cnnviz.maximization import settings as recipe
    from cnnviz.networks import load
    from cnnviz.objectives import channel

    use_defaults()
    network, described = load(STORED)
    precision = recipe.resolve_precision("auto")
    policy = batches_of(images, precision) if device.here().gpu else None
    for layer in layers:
        shop = Workshop(network, described["preprocessing"], described["digest"], 3, described, policy)
        aims = tuple(channel(layer, k) for k in range(images))
        chunk = Chunk("", aims, settings(described, layer, precision, steps, rows.SIZE), scored=False, measured=False)
        try:
            shop.render(chunk)
            with tempfile.TemporaryDirectory() as folder:
                tf.profiler.experimental.start(folder)
                shop.render(chunk)
                tf.profiler.experimental.stop()
                space = xplane_pb2.XSpace()
                space.ParseFromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
            found, span = kernels(space, device.here().gpu)
            if not found:
                raise RuntimeError("the profile has no kernels; on a card it needs the library CUPTI of CUDA 12")
        except Exception as error:  # of one layer: the others are still of interest
            yield {"layer": layer, "failed": rows.reason(error)}
            continue
        longest = {name[:120]: round(seconds * 1e6 / steps) for name, seconds in found.most_common(SHOWN)}
        yield {"layer": layer, "images": images, "precision": precision, "shares": shares(found),
               "busy": sum(found.values()) / span if span else None, "microseconds_per_step": longest}  # fmt: skip


if __name__ == "__main__":
    rows.part(profile)
