"""Which pixels a filter's response at its strongest spots depends on: a gradient for each. docs/scores.md."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnviz.analysis.causes import masks
from cnnviz.analysis.files import LayerExamples, Pixels
from cnnviz.analysis.observe import Observer
from cnnviz.errors import reason
from cnnviz.files import WHOLE, collected, machine, npz, progress, say, write_bytes
from cnnviz.networks import ancestors, graph, preprocess, receptive_field, selection

MEMORY = 100_000_000  # bytes that a batch of patches may take
KEPT = 2.5  # numbers in memory at once for each number that the network computes
ALIKE = 0.03  # of the largest response: so far may that of a part be from that of the whole image; bfloat16: 0.01
HELD = 128  # images
# Batches are of few sizes, since oneDNN keeps what it makes for one: 180 MB for all those of ResNet50.
BATCHES = (8, 4, 2, 1)
SIDES, COARSE, MANY = 8, 2, 32  # lengths that a part of an image may have; of networks of more than MANY layers
Seeing = Callable[[int], NDArray[np.uint8]]
Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Spot:
    """Where a filter responds: number of the image, y and x in the layer's map, receptive field, pre-activation."""

    filter: int
    image: int
    position: tuple[int, int]
    box: tuple[int, int, int, int]
    response: float


def write_masks(
    observer: Observer,
    examples: Mapping[str, LayerExamples],
    rendered: Mapping[str, Sequence[int]],
    most: int,
    pixels: Pixels,
    folder: Path,
) -> None:
    """Write `masks/<layer>.npz`: what of their top examples rendered filters look at, `most` of each layer's first."""
    first = {name: rendered.get(name, [])[:WHOLE] for name in examples}
    wanted = {
        name: [some[i] for i in selection.evenly(most, len(some))] for name, some in first.items() if most and some
    }
    if not wanted:
        return
    total = sum(len(filters) * examples[name].top.shape[1] for name, filters in wanted.items())
    seeing, lower = lru_cache(HELD)(pixels.seen), precisions()
    with progress(total, "mask", f"mask patches of {folder.name}") as bar, collected() as collect:
        for name, filters in wanted.items():
            top, boxes = examples[name].layer.top, examples[name].top[filters]
            spots = [
                Spot(k, int(top.images[k, i]), tuple(top.positions[k, i].tolist()), tuple(box), float(top.values[k, i]))
                for k, each in zip(filters, boxes.tolist(), strict=True)
                for i, box in enumerate(each)
            ]
            found = opacities(observer, name, spots, seeing, lower)
            bar.update(len(spots))
            rows = masks.grid(boxes.reshape(-1, 4))
            seen = np.stack([np.zeros(rows, np.uint8) if one is None else one for one in found])
            arrays: dict[str, NDArray[Any]] = {
                "filters": np.array(filters, np.int32),
                "opacity": seen.reshape(*boxes.shape[:2], *rows),
                "known": np.array([one is not None for one in found]).reshape(boxes.shape[:2]),
            }
            write_bytes(folder / "masks" / f"{name}.npz", npz.pack(arrays, compress=True))
            collect()


def precisions() -> list[bool]:
    """Whether convolutions are tried in bfloat16, in this order."""
    return [True, False] if machine.processor().has_bfloat16 else [False]


def opacities(
    observer: Observer, layer: str, spots: Sequence[Spot], seeing: Seeing, lower: list[bool] | None = None
) -> list[NDArray[np.uint8] | None]:
    """What of each spot's box is seen, all of one shape, see masks.opacity; None where that is unknown.

    seeing: an image by its number, as the network sees it, uint8 `(h, w, channels)`; lower: `precisions`, shared by the
    layers of a network in their order: where one's responses are not those in bfloat16, later ones are not tried in it.
    """
    one, tried = _Layer(observer, layer), precisions() if lower is None else lower
    for precision in list(tried):
        with suppress(Exception):  # of a size that a layer does not take Keras raises almost anything
            try:
                return one.opacities(spots, seeing, one.steps, precision)
            except ArithmeticError:
                tried[:] = [False]
    try:
        return one.opacities(spots, seeing, (0, 0), False, strict=False)
    except Exception as error:  # an operation may have no gradient
        say(f"{layer}: what its filters look at is unknown: {reason(error, 160)}")
        return [None] * len(spots)


class _Layer:
    """One layer's responses, and their gradients, on parts of images that are as large as what it sees.

    steps: pixels by which a part may be moved without a change of what the layer makes of it, 0: it is not cut.
    """

    def __init__(self, observer: Observer, name: str) -> None:
        self.conv, self.preprocessing = observer.convs[name], observer.preprocessing
        height, width, self.channels = (int(n) for n in observer.graph.input.shape[1:])
        self.size = height, width
        self._front = keras.Model(observer.graph.input, self.conv.input)
        before = ancestors(self.conv.output)
        made = sum(graph.numbers(call.output) for call in observer.graph.calls if id(call.output) in before)
        self._bytes = 4 * KEPT * made / (height * width)  # of each pixel
        jumps = receptive_field.field(self.conv.output).jump or (0, 0)
        down, across = (
            int(j) if j >= 1 and j == int(j) and not side % int(j) else 0
            for j, side in zip(jumps, self.size, strict=True)
        )
        self.steps = down, across
        self._sides = SIDES if len(observer.graph.convs) <= MANY else COARSE

    def opacities(
        self, spots: Sequence[Spot], seeing: Seeing, steps: Size, lower: bool, strict: bool = True
    ) -> list[NDArray[np.uint8] | None]:
        """See above. steps: 0 for no parts; lower: compute convolutions in bfloat16.

        Where a response is not the spot's, raises ArithmeticError if `strict`, else what is seen there is unknown.
        """
        boxes, expected = np.array([spot.box for spot in spots]), np.array([spot.response for spot in spots])
        rows, far = masks.grid(boxes), ALIKE * np.abs(expected[np.isfinite(expected)]).max(initial=0)
        starts, canvas = parts(boxes, self.size, steps, self._sides)
        kinds = [tf.TensorSpec((None, *canvas, self.channels)), tf.TensorSpec((None, 4), tf.int32)]
        run = tf.function(self._compute, kinds, autograph=False)
        room = MEMORY / (self._bytes * canvas[0] * canvas[1])
        each = next((n for n in BATCHES if n <= room), 1)
        found: list[NDArray[np.uint8] | None] = [None] * len(spots)
        order = sorted(range(len(spots)), key=lambda i: spots[i].image)
        for begin in range(0, len(spots), each):
            some = order[begin : begin + each]
            cut, places = [], []
            for row, i in enumerate(some):
                (y, x), (top, left), spot = spots[i].position, starts[i].tolist(), spots[i]
                cut.append(seeing(spot.image)[top : top + canvas[0], left : left + canvas[1]])
                places.append((row, y - top // (steps[0] or 1), x - left // (steps[1] or 1), spot.filter))
            with _in_bfloat16(lower):
                responses, slopes = run(tf.constant(np.stack(cut), tf.float32), tf.constant(places, tf.int32))
            alike = np.abs(np.asarray(responses) - expected[some]) <= far  # False of NaN
            if strict and not alike.all():
                raise ArithmeticError("a part of an image gives another response than the whole")
            for i, (top, left), slope in zip(some, starts[some].tolist(), np.asarray(slopes), strict=True):
                y0, x0, y1, x1 = spots[i].box
                inside = slope[max(y0 - top, 0) : max(y1 - top, 0), max(x0 - left, 0) : max(x1 - left, 0)]
                found[i] = masks.opacity(inside, spots[i].box, self.size, rows)
            for i, known in zip(some, alike, strict=True):
                found[i] = found[i] if known else None
        return found

    def _compute(self, images: tf.Tensor, places: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Pre-activations at places (number, y, x, filter), `(n,)`, and their gradients by the pixels."""
        own = graph.activation_of(self.conv.layer) != "linear"
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            # `call`, since a model refuses images of another size than its own
            inputs = self._front.call(preprocess(images, self.preprocessing), training=False)
            with graph.activated_by(self.conv.layer, keras.activations.linear) if own else nullcontext():
                pre = self.conv.layer(inputs)
            if self.conv.norm:
                pre = self.conv.norm.layer(pre, training=False)
            responses = tf.gather_nd(pre, places)
        slopes = tape.gradient(responses, images)
        return responses, tf.zeros_like(images) if slopes is None else slopes


@contextmanager
def _in_bfloat16(lower: bool) -> Iterator[None]:
    """Convolutions in bfloat16 inside if `lower`, as those of the maximizer: masks are blurred."""
    option = "auto_mixed_precision_onednn_bfloat16"
    tf.config.optimizer.set_experimental_options({option: lower})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({option: False})


def parts(boxes: NDArray[np.integer], size: Size, steps: Size, sides: int = SIDES) -> tuple[NDArray[np.int64], Size]:
    """Where the part of an image begins that holds what of each box `(n, 4)` is in it, `(n, 2)`; the size of all parts.

    In whole steps, of about `sides` lengths; along an axis without steps (0) the part is the whole image.
    """
    starts, canvas = np.zeros((len(boxes), 2), np.int64), list(size)
    for axis, (side, step) in enumerate(zip(size, steps, strict=True)):
        if step:
            first, last = (np.clip(boxes[:, i], 0, side) for i in (axis, axis + 2))
            first, last = first // step * step, -(-last // step) * step
            span = max(step, int((last - first).max()))
            share = -(-sides * span // side)
            canvas[axis] = min(side, -(-share * side // (sides * step)) * step)
            starts[:, axis] = np.minimum(first, side - canvas[axis])
    return starts, (canvas[0], canvas[1])
