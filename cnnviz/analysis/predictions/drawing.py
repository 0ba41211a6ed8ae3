"""What a network that gives pictures makes of the first images of each set: autoencoders, segmentation.

Files: docs/artifacts.md, `outputs/`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis.files import Pixels
from cnnviz.analysis.predictions.trial import Read
from cnnviz.files import npz, write_bytes
from cnnviz.networks import Graph, Head, preprocess
from cnnviz.pictures import plots

IMAGES = 8  # of each set
CHANNELS = 6  # shown side by side where they are neither colours nor classes
RANGES = {"sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}


def draw(graph: Graph, head: Head, preprocessing: Mapping[str, Any], pixels: Pixels, read: Read, folder: Path) -> None:
    """Write `outputs/<set>.npz` and `.png`: what goes in beside what comes out."""
    network = keras.Model(graph.input, head.tensor)
    for number, (name, one) in enumerate(pixels.sets.items()):
        indices = list(range(min(IMAGES, len(one))))
        made = [network(preprocess(read(name, [i]), preprocessing), training=False) for i in indices]
        outputs = np.concatenate([np.asarray(each, np.float32) for each in made])
        arrays = {"images": np.array(indices, np.int32), "outputs": outputs}
        write_bytes(folder / "outputs" / f"{name}.npz", npz.pack(arrays, compress=True))
        seen = [pixels[int(pixels.starts[number]) + i] for i in indices]
        write_bytes(folder / "outputs" / f"{name}.png", sheet(seen, outputs, head))


@plots.alone
def sheet(seen: Sequence[NDArray[np.uint8]], outputs: NDArray[np.float32], head: Head) -> bytes:
    """A column per image: what goes in on top, what comes out below; how numbers became colours stands above."""
    if head.ends_in == "softmax" and outputs.shape[-1] > 1:
        return _classes(seen, outputs.argmax(-1), outputs.shape[-1], head)
    low, high = RANGES.get(head.ends_in) or _extent(outputs)
    channels = outputs.shape[-1]
    shown = np.clip((outputs - low) / (high - low if high > low else 1), 0, 1)
    pictures = [shown] if channels in (1, 3) else [shown[..., k : k + 1] for k in range(min(CHANNELS, channels))]
    figure, axes = plots.panels(1 + len(pictures), len(seen), 1.5, 1.65)
    end = "no activation" if head.ends_in == "linear" else head.ends_in
    which = "" if channels in (1, 3) else f"; the first {len(pictures)} of {channels} channels"
    dark, bright = ("black", "white") if channels != 3 else ("0", "255")
    figure.suptitle(f"{head.output} ({end}): {dark} is {low:.4g}, {bright} is {high:.4g}{which}", fontsize=9)
    _row(axes[0], seen, "in")
    for k, (row, each) in enumerate(zip(axes[1:], pictures, strict=True)):
        _row(row, each, "out" if len(pictures) == 1 else f"channel {k}", cmap="gray", vmin=0, vmax=1)
    return plots.png(figure)


def _extent(outputs: NDArray) -> tuple[float, float]:
    finite = outputs[np.isfinite(outputs)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def colours(count: int) -> NDArray[np.float64]:
    """Colours told apart easily, `(count, 3)` in 0..1: the first eight for colour-blind people too, then around."""
    from matplotlib import colors

    first = [colors.to_rgb(one) for one in plots.COLORS]
    turn = [colors.hsv_to_rgb(((k * 0.618) % 1, 0.55 + 0.4 * (k % 2), 0.95 - 0.3 * (k % 3))) for k in range(count)]
    return np.array([*first, *turn][:count])


def _classes(seen: Sequence[NDArray], classes: NDArray[np.intp], count: int, head: Head) -> bytes:
    """The most likely class of every place, a colour each, with a legend of those that occur."""
    from matplotlib.patches import Patch

    table = colours(count)
    figure, axes = plots.panels(2, len(seen), 1.5, 1.9)
    _row(axes[0], seen, "in")
    _row(axes[1], table[classes], "most likely class")
    there = np.unique(classes)[:24]
    patches = [Patch(color=table[k], label=head.names[k] if k < len(head.names) else str(k)) for k in there]
    figure.suptitle(f"{head.output}: the most likely of {count} classes at every place", fontsize=9)
    figure.legend(handles=patches, loc="outside lower center", ncols=min(6, len(patches)), fontsize=8)
    return plots.png(figure)


def _row(axes: Any, pictures: Any, title: str, **options: Any) -> None:
    for i, (axis, picture) in enumerate(zip(axes, pictures, strict=True)):
        axis.set_axis_off()
        axis.imshow(picture, interpolation="nearest", **options)
        if i == 0:
            axis.set_title(title, fontsize=8)
