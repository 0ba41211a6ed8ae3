"""Every network of keras.applications by random weights: `python -m tests.zoo.applications [NAME ...]`.

Each is built without its head at a small size, traced, its feature maps computed, the receptive field of three layers
held against the pixels that the gradient reaches, and a filter of its last layer maximized. Prints the table of
docs/models.md: minutes for the small ones, an hour for all.
"""

import argparse
import gc
import inspect
import time
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnviz.activations import maps
from cnnviz.analysis import Observer
from cnnviz.maximization.ascent import Renderer, Settings
from cnnviz.networks import graph, preprocess, rescaling
from cnnviz.networks.receptive_field import boxes, field
from cnnviz.networks.scaling import scaling
from cnnviz.objectives import channel

SIZE = 96
RATES = (0.02, 0.002, 0.0002)  # small: by random weights deep networks are rough


def names() -> list[str]:
    return [name for name, one in vars(keras.applications).items() if inspect.isfunction(one)]


def build(name: str, size: int) -> keras.Model:
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    return getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(size, size, 3))


def settle(model: keras.Model, images: np.ndarray) -> None:
    """Give batch normalizations the statistics of images, as training does: else MobileNet's maps fade to 1e-20."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(images, training=True)


def average(model: keras.Model) -> None:
    """Positive kernels of sum 1, poolings that average, no upper limit: nothing cancels, explodes or hides a pixel."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.ReLU):
            layer.max_value = None  # MobileNet's 6 stops the gradient of all that is brighter
        if isinstance(layer, keras.layers.MaxPooling2D):
            options = {"pool_size": layer.pool_size, "strides": layer.strides, "padding": layer.padding}
            layer.call = partial(keras.ops.average_pool, **options)
        if not isinstance(layer, keras.Model):
            for weight in layer.weights if not getattr(layer, "layers", None) else ():
                if len(weight.shape) > 1:
                    values = np.abs(weight.numpy()) + 1e-3 * np.abs(weight.numpy()).max()
                    axes = (0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else tuple(range(values.ndim - 1))
                    weight.assign(values / values.sum(axes, keepdims=True))


def reached(model: keras.Model, place: tuple[int, int] | None, size: int) -> list[int]:
    """The box of pixels that the gradient of a neuron, or of all of them, reaches."""
    images = tf.Variable(200 + tf.random.stateless_uniform((1, size, size, 3), (1, 2), dtype=tf.float64))
    with tf.GradientTape() as tape:
        output = model(images, training=False)[0, ..., :2]
        neuron = tf.reduce_sum(output if place is None else output[place])
    found = np.abs(np.asarray(tape.gradient(neuron, images))[0]).sum(-1) > 0
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    return [int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1]


def fields(name: str, size: int) -> str:
    """Boxes of three layers against the gradient, computed in double precision."""
    keras.config.set_floatx("float64")
    try:
        model = build(name, size)
        average(model)
        traced = graph.trace(model, (size, size, 3))
        convs = list(traced.convs.values())
        sizes = [field(conv.output).size for conv in convs]
        inside = [i for i, one in enumerate(sizes) if one and max(one) <= 0.8 * size] or [0]
        chosen = sorted({inside[len(inside) // 2], inside[-1], len(convs) - 1})
        wrong = []
        for conv in (convs[i] for i in chosen):
            place = int(conv.output.shape[1]) // 2, int(conv.output.shape[2]) // 2
            probe = keras.Model(traced.input, conv.output)
            top, left, bottom, right = reached(probe, None, size)  # what is padded is cut off again at the border
            box = boxes(conv.output, np.array([place]))[0].clip([top, left] * 2, [bottom, right] * 2).tolist()
            if box != (seen := reached(probe, place, size)):
                wrong.append(f"{conv.name}: box {box}, gradient {seen}")
        largest = next((one for one in reversed(sizes) if one), None)
        return "; ".join(wrong) or f"right ({len(chosen)} layers, largest {largest})"
    finally:
        keras.config.set_floatx("float32")


def check(name: str, size: int = SIZE) -> dict[str, Any]:
    """A row of the table."""
    start, row = time.monotonic(), {"name": name, "size": size}
    try:
        model = build(name, size)
    except ValueError as error:
        size = row["size"] = 160
        print(f"{name}: {' '.join(str(error).split())[:80]}; tried at {size}")
        model = build(name, size)
    assumed = scaling("raw" if rescaling.inside(graph.trace(model, (size, size, 3))) else "unit", 3)
    described = {"input_shape": [size, size, 3], "preprocessing": assumed}
    coarse = np.random.default_rng(0).uniform(0, 255, (8, SIZE // 8, SIZE // 8, 3))
    images = tf.image.resize(coarse, (size, size)).numpy()
    settle(model, preprocess(images, assumed))
    shown = maps.FeatureMaps(model, described)
    found = shown.statistics(lambda i: images[list(i)], 2, lambda done: None)
    row |= {"convolutions": len(found), "finite": all(np.isfinite(one.total).all() for one in found.values())}
    for batch in Observer(model, described).batches(lambda i: images[i], 2, 2):
        row["analysed"] = sum(np.isfinite(batch[layer].unit).all() for layer in batch)
    last = list(found)[-1]
    # no transforms, as one score is held against another
    plain = Settings(8, snapshots=(), size=(size, size), jitter=0.0, scale=0.0, rotate=0.0)
    for rate in RATES:
        renderer = Renderer(model, assumed, channel(last, 0), replace(plain, learning_rate=rate), name)
        scores = renderer.render([channel(last, 0)]).scores
        if scores[0, -1] > scores[0, 0]:
            row["rises"] = rate
            break
    del model, shown, renderer
    gc.collect()
    row["fields"] = fields(name, size)
    return row | {"seconds": round(time.monotonic() - start)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=names())
    print("| network | size | conv layers | feature maps | receptive fields against gradients | a filter rises | s |")
    print("|---|---|---|---|---|---|---|")
    for name in parser.parse_args().names:
        try:
            row = check(name)
        except Exception as error:
            print(f"| {name} | | | {type(error).__name__}: {' '.join(str(error).split())[:200]} | | | |", flush=True)
            continue
        complete = row["finite"] and row["analysed"] == row["convolutions"]
        rate = row.get("rises")
        rises = "yes" if rate == RATES[0] else f"yes, at rate {rate:g}" if rate else "no"
        cells = [name, row["size"], row["convolutions"], "all" if complete else "not finite", row["fields"]]
        print("|", " | ".join(map(str, [*cells, rises, row["seconds"]])), "|", flush=True)


if __name__ == "__main__":
    main()
