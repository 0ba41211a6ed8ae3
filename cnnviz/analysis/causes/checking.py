"""Whether rendered filters do something: silenced, what falls? And does their picture take the way of their patches?

Definitions: docs/analysis.md; files: docs/artifacts.md, `causes/`.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnviz.analysis.causes import path, plan
from cnnviz.analysis.causes.tail import Tail
from cnnviz.analysis.files import LayerExamples, Pixels, rendered_filters
from cnnviz.analysis.observe import Observer
from cnnviz.files import collected, npz, progress, write_bytes
from cnnviz.networks import Conv, ancestors, graph, preprocess, receptive_field

TOGETHER = 4  # pictures that go through the network together
# Bytes of the checks of one pass over the images: a call of a layer in a check's graph takes CALL of them.
MEMORY, CALL = 60_000_000, 100_000
EARLIER = 12  # layers before a filter's whose responses are compared, evenly spread
True_ = tuple[int, int]  # number of an image, its true class


def check(
    observer: Observer,
    network: keras.Model,
    described: Mapping[str, Any],
    examples: Mapping[str, LayerExamples],
    means: Mapping[str, NDArray],
    labelled: Sequence[True_],
    pixels: Pixels,
    rendering: Path,
    folder: Path,
) -> None:
    """Write `causes/<layer>.npz` of the rendered filters.

    means: of the units of each layer over all images; labelled: images whose true class is known; rendering:
    `artifacts/maximize/<model>`.
    """
    rendered = {name: rendered_filters(rendering / f"{name}.npz") for name in examples}

    def boxes(name: str, positions: NDArray[np.integer]) -> NDArray[np.integer]:
        return receptive_field.boxes(observer.convs[name].output, positions)

    sizes = {name: tuple(conv.output.shape[1:3]) for name, conv in observer.convs.items()}
    subjects = plan.subjects(examples, rendered, boxes, sizes, pixels)
    if not subjects:
        return
    true = dict(labelled)
    groups = _groups(subjects, observer)
    numbers = [sorted(true.keys() | {number for one in group for number in one.numbers}) for group in groups]
    with (
        progress(sum(map(len, numbers)), "image", f"check filters of {described['name']}") as bar,
        collected() as collect,
    ):
        for group, some in zip(groups, numbers, strict=True):
            checks = [_Check(one, observer, described, means[one.layer]) for one in group]
            front = _Front(observer, checks)
            for number in some:
                seen = front(pixels.seen(number))
                profiles: dict[Any, NDArray] = {}
                for one in checks:
                    one.update(number, seen, true.get(number), profiles)
                bar.update()
            drawn = {one.layer: _pictures(rendering / f"{one.layer}.npz", one.filters) for one in group}
            ways = _Ways(network, observer.preprocessing, drawn, checks)
            for one in checks:
                arrays = one.result() | one.way(ways)
                write_bytes(folder / "causes" / f"{one.subject.layer}.npz", npz.pack(arrays, compress=True))
            del checks, front, ways, seen, one
            collect()


def _groups(subjects: Sequence[plan.Subject], observer: Observer) -> list[list[plan.Subject]]:
    """Layers whose checks fit into memory together."""
    found, room = list[list[plan.Subject]](), 0
    for one in subjects:
        behind = len(observer.graph.calls) - len(ancestors(observer.convs[one.layer].output))
        channels = sum(conv.filters for conv in _earlier(observer, one.layer).values())
        taken = CALL * behind + 4 * channels * (sum(map(len, one.tops)) + len(one.random))
        if not found or taken > room:
            found.append([])
            room = MEMORY
        found[-1].append(one)
        room -= taken
    return found


def _earlier(observer: Observer, layer: str) -> dict[str, Conv]:
    """Layers before this one whose responses are compared."""
    before = ancestors(observer.convs[layer].input)
    names = [name for name, conv in observer.convs.items() if id(conv.output) in before]
    spread = np.linspace(0, len(names) - 1, min(EARLIER, len(names))).astype(int)
    return {names[i]: observer.convs[names[i]] for i in spread}


def _pictures(path: Path, filters: Sequence[int]) -> dict[str, NDArray]:
    """Images and verdicts of these filters of a layer, in the layer's order."""
    with npz.opened(path) as stored:
        rows = np.flatnonzero(np.isin(stored["filters"], filters))
        return {name: stored[name][rows] for name in ("filters", "images", "status")}


class _Front:
    """A network up to all that the checks need, one image at a time: tensors of the graph by their id."""

    def __init__(self, observer: Observer, checks: Sequence["_Check"]) -> None:
        every = {id(tensor): tensor for one in checks for tensor in one.needed}
        self._ids, self._preprocessing = list(every), observer.preprocessing
        self._network = keras.Model(observer.graph.input, list(every.values()))
        self._run = tf.function(self._compute, autograph=False)

    def _compute(self, images: tf.Tensor) -> Any:
        return self._network(preprocess(images, self._preprocessing), training=False)

    def __call__(self, image: NDArray) -> dict[int, tf.Tensor]:
        found = self._run(tf.constant(np.asarray(image, np.float32)[None]))
        return dict(zip(self._ids, keras.tree.flatten(found), strict=True))


class _Check:
    """What is measured of some filters of one layer, image by image."""

    def __init__(self, subject: plan.Subject, observer: Observer, described: Mapping[str, Any], means: NDArray) -> None:
        self.subject, self.image = subject, described["input_shape"][:2]
        self.conv = observer.convs[subject.layer]
        self.earlier = _earlier(observer, subject.layer)
        readers = [
            conv["name"]
            for conv in described["conv_layers"]
            if subject.layer in conv.get("sources", ()) and conv["name"] in observer.convs
        ]
        later = {f"later/{name}": observer.convs[name].unit.output for name in readers}
        answer = {"scores": observer.head.scores} if observer.head.answers else {}
        self.unit = self.conv.unit.output
        self.tail = Tail(self.unit, later | answer)
        self.needed = [self.conv.input, self.unit, *self.tail.beside, *(c.unit.output for c in self.earlier.values())]
        self.means = means
        n = len(subject.filters)
        self.inputs = np.zeros((n, int(self.conv.input.shape[-1])))
        self.response, self.count = np.zeros(n), np.zeros(n, int)
        self.strong: dict[str, NDArray] = {}  # by output: (n, as it is | silenced, values), sums over images
        self.right, self.labelled = np.zeros((n, 3), np.int32), 0  # as it is | silenced | at its mean
        self.true = np.zeros((n, 3))
        self.profiles: dict[tuple[str, int, plan.Box], NDArray[np.float32]] = {}

    def update(self, number: int, seen: Mapping[int, Any], true: int | None, profiles: dict[Any, NDArray]) -> None:
        """seen: the tensors `needed`, of image `number`, by their id; true: its class; profiles: see `_profile`."""
        maps, beside = np.asarray(seen[id(self.unit)]), [seen[id(tensor)] for tensor in self.tail.beside]
        places = [
            (row, position)
            for row, tops in enumerate(self.subject.tops)
            for i, position, _ in tops[: plan.STRONGEST]
            if i == number
        ]
        if places:
            for row, position in places:
                self.count[row] += 1
                if self.subject.tops[row][0][0] == number:  # of all images, this one drives it most
                    found = given(self.conv, seen[id(self.conv.input)], position, self.subject.filters[row])
                    self.inputs[row], self.response[row] = found
            silent = [{self.subject.filters[row]: 0.0} for row, _ in places]
            for name, values in self.tail.changed(maps, beside, [{}, *silent]).items():
                sums = self.strong.setdefault(name, np.zeros((len(self.inputs), 2, values.shape[1])))
                for (row, _), after in zip(places, values[1:], strict=True):
                    sums[row] += values[0], after
        if true is not None and "scores" in self.tail.names:
            changes = [{k: value} for k in self.subject.filters for value in (0.0, float(self.means[k]))]
            scores = self.tail.changed(maps, beside, [{}, *changes])["scores"]
            after = scores[1:].reshape(len(self.inputs), 2, -1)
            every = np.concatenate([np.broadcast_to(scores[:1], (len(after), 1, after.shape[2])), after], 1)
            self.right += every.argmax(2) == true
            self.true += every[..., true]
            self.labelled += 1
        wanted = {top[2] for tops in self.subject.tops for top in tops if top[0] == number}
        wanted |= {box for i, box in self.subject.random if i == number}
        for name, conv in self.earlier.items():
            for box in wanted:
                values = seen[id(conv.unit.output)]
                part = plan.region(box, self.image, values.shape[1:3])
                if (name, part) not in profiles:
                    profiles[name, part] = _profile(values, part)
                self.profiles[name, number, box] = profiles[name, part]

    def result(self) -> dict[str, NDArray]:
        """All but the path, see docs/artifacts.md."""
        count = np.maximum(self.count, 1)
        found: dict[str, NDArray] = {
            "filters": np.array(self.subject.filters, np.int32),
            "response": self.response.astype(np.float32),
            "inputs": self.inputs.astype(np.float32),
        }
        for name, sums in self.strong.items():
            found[name] = (sums / count[:, None, None]).astype(np.float32)
        if self.labelled:
            found |= {"right": self.right, "true": (self.true / self.labelled).astype(np.float32)}
            found["labelled"] = np.array(self.labelled, np.int32)
        return found

    def way(self, ways: "_Ways") -> dict[str, NDArray]:
        """`earlier`: names of layers, `path` float32 `(n, earlier)`."""
        found = np.full((len(self.subject.filters), len(self.earlier)), np.nan, np.float32)
        for row, (k, tops) in enumerate(zip(self.subject.filters, self.subject.tops, strict=True)):
            own = {number for number, _, _ in tops}
            others = [place for place in self.subject.random if place[0] not in own]
            for column, name in enumerate(self.earlier):
                picture = ways.profile(self.subject.layer, k, name)
                if picture is not None and others:
                    top = np.stack([self.profiles[name, number, box] for number, _, box in tops])
                    random = np.stack([self.profiles[name, *place] for place in others])
                    found[row, column] = path.score(picture, top, random)
        return {"earlier": np.array(list(self.earlier), str), "path": found}


def _profile(values: tf.Tensor, part: plan.Box) -> NDArray[np.float32]:
    """The mean of each channel over a part of a map `(1, h, w, channels)`; many patches of an image are all of it."""
    top, left, bottom, right = part
    # thousands of small parts: raw operations, since Python takes longer than they do
    inside = tf.raw_ops.Slice(input=values, begin=[0, top, left, 0], size=[1, bottom - top, right - left, -1])
    return np.asarray(tf.raw_ops.Mean(input=inside, axis=[0, 1, 2]), np.float32)


def given(conv: Conv, inputs: tf.Tensor, position: tuple[int, int], k: int) -> tuple[NDArray[np.float64], float]:
    """What each input channel gives a neuron, float64 `(channels,)`: by so much its pre-activation falls without it.

    inputs: what the layer sees, `(1, h, w, channels)`; position: y, x in the map of filter k. Exact: only a convolution
    and its normalization lie between. Also returns the pre-activation.
    """
    own = graph.activation_of(conv.layer) != "linear"
    with graph.activated_by(conv.layer, keras.activations.linear) if own else nullcontext(), tf.GradientTape() as tape:
        tape.watch(inputs)
        pre = conv.layer(inputs)
        if conv.norm:
            pre = conv.norm.layer(pre, training=False)
        response = pre[0, position[0], position[1], k]
    slope = np.asarray(tape.gradient(response, inputs)[0], np.float64)
    return (slope * np.asarray(inputs[0], np.float64)).sum((0, 1)), float(response)


class _Ways:
    """What the earlier layers make of the pictures of filters, on the pictures' own canvases."""

    def __init__(
        self,
        network: keras.Model,
        preprocessing: Any,
        pictures: Mapping[str, Mapping[str, NDArray]],
        checks: Sequence[_Check],
    ) -> None:
        self._profiles: dict[tuple[str, int, str], NDArray[np.float32]] = {}
        canvases: dict[tuple[int, ...], list[_Check]] = {}
        for one in checks:
            if one.earlier:
                canvases.setdefault(pictures[one.subject.layer]["images"].shape[1:], []).append(one)
        for shape, those in canvases.items():
            traced = graph.trace(network, shape, [one.subject.layer for one in those])
            names = list(dict.fromkeys(name for one in those for name in one.earlier))
            model = keras.Model(traced.input, [traced.convs[name].unit.output for name in names])
            for one in those:
                stored, layer = pictures[one.subject.layer], one.subject.layer
                drawn = {int(k): row for row, k in enumerate(stored["filters"]) if str(stored["status"][row]) != "dead"}
                filters = [k for k in one.subject.filters if k in drawn]
                for start in range(0, len(filters), TOGETHER):
                    chosen = filters[start : start + TOGETHER]
                    images = tf.constant(stored["images"][[drawn[k] for k in chosen]], tf.float32)
                    maps = keras.tree.flatten(model(preprocess(images, preprocessing), training=False))
                    for name, each in zip(names, maps, strict=True):
                        if name in one.earlier:
                            rows = np.asarray(tf.reduce_mean(each, (1, 2)))
                            self._profiles |= {(layer, k, name): row for k, row in zip(chosen, rows, strict=True)}

    def profile(self, layer: str, k: int, earlier: str) -> NDArray[np.float32] | None:
        """The mean response of each channel of an earlier layer to a filter's picture; None where there is none."""
        return self._profiles.get((layer, k, earlier))
