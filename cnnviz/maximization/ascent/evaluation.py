"""The numbers of objectives: one traced graph for all objectives of one structure, each image its own objective.

Channels, neurons and directions are linear in the input of their convolution: only one map per image is computed of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnviz.errors import InputError, choices
from cnnviz.maximization.ascent import channel_maps
from cnnviz.maximization.ascent.lowering import Lowered
from cnnviz.maximization.ascent.trunk import Trunk
from cnnviz.networks import filter_kernels, foldable, graph, head, preprocess
from cnnviz.objectives import Objective, Term

LINEAR = ("channel", "neuron", "direction")
Data = list[dict[str, tf.Tensor]]  # per term: `weight` (n,) and what its kind needs, first axis the images


@dataclass
class _Point:
    """Where a term looks: what is computed there, and the call itself; for a logit the last dense layer, if plain.

    count: of the channels or logits.
    """

    kind: str
    tensor: Any
    call: Any
    count: int
    folded: bool = False


class Evaluation:
    """Objectives of one structure on one network at one input shape (h, w, channels).

    preprocessing: a mapping as in model.json, or a function from images in 0..255 to the network's input.
    `group` images that follow one another belong together (for `diversity`). described: model.json, which says what
    the answer is that `logit` means. lower: on a card, what its convolutions are computed in; None as on a CPU, where
    that is no part of the graph. Raises InputError for a layer that is not there, with the nearest names.
    """

    def __init__(
        self,
        network: keras.Model,
        preprocessing: Any,
        shape: Sequence[int],
        objective: Objective,
        group: int = 1,
        described: Mapping[str, Any] | None = None,
        lower: str | None = None,
    ) -> None:
        self.structure, self.preprocessing, self.group = objective.structure, preprocessing, group
        self.lower = lower
        logit = any(kind == "logit" for kind, _ in self.structure)
        traced = graph.trace(network, shape, until=None if logit else objective.layers)
        calls = {call.name: call for call in traced.calls}
        for name in objective.layers:
            if name not in calls:
                raise InputError(f"the network has no layer {name!r}; {choices(name, traced.convs or calls)}")
        self.points = [
            _point(kind, calls[name]) if name else _logit_point(head.stored(traced, described or {}))
            for kind, name in self.structure
        ]
        last = max(
            i for i, call in enumerate(traced.calls) if logit or any(call is point.call for point in self.points)
        )
        used = traced.calls[: last + 1]
        made = [tensor for call in used for tensor in keras.tree.flatten(call.output)]
        sizes = [_size(tensor) for tensor in made if isinstance(tensor, keras.KerasTensor)]
        self.numbers = sum(sizes)  # computed per image
        self.grain = math.gcd(math.prod(shape), *sizes)  # what the sizes have in common: see Renderer._filled
        first = self.points[0]
        looked_at = [point.tensor for point in self.points]
        self.exact: Trunk | Lowered = (
            Trunk(traced, looked_at, preprocessing)
            if lower is None
            else Lowered(traced, looked_at, preprocessing, "float32")
        )
        self.trunk = self.exact
        if lower in ("bfloat16", "float16"):
            self.trunk = Lowered(traced, looked_at, preprocessing, lower)
        # what the scores compare: the whole layer, for a logit all of them
        self.features_from = first if first.kind == "logit" else None
        unit = first.call.unit if isinstance(first.call, graph.Conv) else first.call
        layer = [] if self.features_from else [unit.output]
        self.whole = keras.Model(traced.input, [point.tensor for point in self.points] + layer)

    def data(self, objectives: Sequence[Objective]) -> Data:
        """What the graph needs of each image's objective."""
        for objective in objectives:
            if objective.structure != self.structure:
                raise InputError(f"{objective}: its terms differ in kind or layer from the others of the batch")
        columns = [[objective.terms[i] for objective in objectives] for i in range(len(self.structure))]
        return [
            {"weight": tf.constant([weight for weight, _ in column], tf.float32)}
            | _term_data(point, [term for _, term in column])
            for point, column in zip(self.points, columns, strict=True)
        ]

    def _inputs(self, images: tf.Tensor) -> Any:
        return preprocess(images * 255.0, self.preprocessing)

    @property
    def count(self) -> int:
        """Of the channels or logits that the first term may mean."""
        return self.points[0].count

    @property
    def positions(self) -> int:
        """Over so many the first term is a mean at most."""
        call = self.points[0].call
        return 1 if self.features_from or call is None else math.prod(int(side) for side in call.output.shape[1:3])

    def value(
        self, images: tf.Tensor, data: Data, kind: str, leak: tf.Tensor, exact: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the objectives' values `(n,)` and the highest pre-activation that the first term sees `(n,)`.

        images: float32 `(n, h, w, channels)` in [0, 1]. kind `pre_activation`: units as they are before their
        nonlinearity; `post_activation`: after a ReLU. While `leak` is 1, and always where a weight is negative,
        silent positions still pass their gradient, so that what starts silent can wake up. exact: in float32.
        """
        return self._value((self.exact if exact else self.trunk)(images), data, kind, leak)

    def inspect(self, images: tf.Tensor, data: Data, kind: str) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return values and peaks as `value` does without leak, and the features, running the network once.

        features: mean over the positions of each channel of the first term's layer (for a logit all logits), `(n, C)`.
        """
        tensors = keras.tree.flatten(self.whole(self._inputs(images), training=False))
        value, peak = self._value(tensors[: len(self.points)], data, kind, tf.constant(0.0))
        return value, peak, self._features(tensors[0 if self.features_from else -1])

    def _value(self, tensors: list[tf.Tensor], data: Data, kind: str, leak: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        total, peak = tf.constant(0.0), None
        for point, found, given in zip(self.points, tensors, data, strict=True):
            # what a card computes in less, but for the product of one channel, which channel_maps makes of it
            tensor = found if point.folded and point.kind in LINEAR else tf.cast(found, tf.float32)
            if point.kind in LINEAR:
                maps = _maps(point, tensor, given, shifted=self.lower is not None)
                peak = tf.reduce_max(maps, [1, 2]) if peak is None else peak
                silent = tf.minimum(maps, 0.0)
                passes = tf.maximum(leak, tf.cast(given["weight"] < 0, tf.float32))[:, None, None]
                if kind == "post_activation":
                    maps = tf.nn.relu(maps) + passes * (silent - tf.stop_gradient(silent))
                value = tf.reduce_sum(maps * given["mask"], [1, 2])
            elif point.kind == "logit":
                value = tf.reduce_sum(tensor * given["columns"], 1) + given["offsets"]
            elif point.kind == "layer":
                value = tf.reduce_mean(tensor**2, [1, 2, 3])
            else:
                value = -_likeness(tensor, self.group)
            total = total + given["weight"] * value
            peak = value if peak is None else peak
        return total, peak

    def _features(self, output: tf.Tensor) -> tf.Tensor:
        if self.features_from:
            return _logits(self.features_from, output)
        channels = output.shape[-1]
        # sums along the last axis: along others, rounding depends on the place in the batch
        flat = tf.reshape(output, [-1, _size(output) // channels, channels])
        return tf.reduce_mean(tf.transpose(flat, [0, 2, 1]), -1)


def _size(tensor: Any) -> int:
    return math.prod(int(side or 1) for side in tensor.shape[1:])


def _point(kind: str, call: graph.Call) -> _Point:
    shape: Any = getattr(call.output, "shape", ())
    if len(shape) != 4 or None in shape[1:]:
        raise InputError(f"{kind}({call.name!r}): its output {tuple(shape)} is no (n, h, w, channels) of known size")
    if kind in LINEAR and (foldable(call) or channel_maps.transposed(call)):
        return _Point(kind, call.input, call, int(shape[-1]), folded=True)
    unit = call.unit if isinstance(call, graph.Conv) and kind not in LINEAR else call
    return _Point(kind, unit.output, call, int(shape[-1]))


def _logit_point(found: head.Head) -> _Point:
    if not found.answers:
        raise InputError(f"logit: the network has no class scores: {found.why}; expected channel, neuron or layer")
    count = int(found.scores.shape[-1])
    if found.dense is not None:
        return _Point("logit", found.features, found.dense, count, folded=True)
    return _Point("logit", found.scores, None, count)


def _term_data(point: _Point, terms: list[Term]) -> dict[str, tf.Tensor]:
    if point.kind == "logit":
        index = [term.index for term in terms]
        _check(index, point.count, "logit: class")
        columns, offsets = np.eye(point.count, dtype="float32")[index], np.zeros(len(index), "float32")
        if point.folded:
            layer = point.call
            columns = np.ascontiguousarray(layer.kernel.numpy().T[index])
            offsets = layer.bias.numpy()[index] if layer.use_bias else offsets
        return {"columns": tf.constant(columns), "offsets": tf.constant(offsets)}
    if point.kind not in LINEAR:
        return {}
    count = point.count
    used = sorted({k for term in terms for k, _ in term.channels})
    _check(used, count, f"{point.call.name!r}: channel")
    height, width = (int(side) for side in point.call.output.shape[1:3])
    mask = np.zeros((len(terms), height, width), "float32")
    for i, term in enumerate(terms):
        if term.kind == "neuron":
            y, x = term.position or ((height - 1) // 2, (width - 1) // 2)
            if y >= height or x >= width:
                raise InputError(f"{term}: the feature map has {height} x {width} positions at this canvas")
            mask[i, y, x] = 1
        else:
            mask[i] = 1 / (height * width)
    mixing = np.zeros((len(terms), len(used)), "float32")
    for i, term in enumerate(terms):
        for k, weight in term.channels:
            mixing[i, used.index(k)] = weight
    if not point.folded:
        columns = np.zeros((len(terms), count), "float32")
        columns[:, used] = mixing
        return {"mask": tf.constant(mask), "columns": tf.constant(columns)}
    kernels, offsets = filter_kernels(point.call, used)
    return {
        "mask": tf.constant(mask),
        "kernels": tf.constant(_mix(mixing, kernels)),
        "offsets": tf.constant(_mix(mixing, offsets)),
    }


def _mix(mixing: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weighted sums of `values` (used, …), for each image by itself: a matrix product's bits would know the batch."""
    return np.stack([np.einsum("k,k...->...", row[row != 0], values[row != 0]) for row in mixing]).astype("float32")


def _check(indices: Sequence[int], count: int, what: str) -> None:
    if indices and max(indices) >= count:
        raise InputError(f"{what} {max(indices)} is out of range; there are 0..{count - 1}")


def _maps(point: _Point, tensor: tf.Tensor, given: dict[str, tf.Tensor], shifted: bool) -> tf.Tensor:
    if point.folded:
        return channel_maps.channel_maps(point.call, tensor, given["kernels"], given["offsets"], shifted)
    columns = given["columns"][:, None, None, :]
    # a channel that is NaN is no part of others
    return tf.reduce_sum(tf.where(columns != 0, tensor * columns, 0.0), -1)


def _logits(point: _Point, tensor: tf.Tensor) -> tf.Tensor:
    if not point.folded:
        return tensor
    layer = point.call
    logits = tf.matmul(tensor[:, None, :], layer.kernel[None])[
        :, 0
    ]  # one product per image: the same bits in any batch
    return logits + layer.bias if layer.use_bias else logits


def _likeness(tensor: tf.Tensor, group: int) -> tf.Tensor:
    """Mean cosine similarity of each image's Gram matrix to those of the other images of its group, `(n,)`."""
    height, width, channels = tensor.shape[1:]
    flat = tf.reshape(tensor, [-1, height * width, channels])
    gram = tf.reshape(tf.matmul(flat, flat, transpose_a=True), [-1, group, channels * channels])
    gram = gram / tf.maximum(tf.norm(gram, axis=-1, keepdims=True), 1e-12)
    alike = tf.reduce_sum(tf.matmul(gram, gram, transpose_b=True), -1) - 1.0
    return tf.reshape(alike / max(group - 1, 1), [-1])
