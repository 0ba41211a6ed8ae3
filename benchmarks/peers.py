"""The peers, each with its own recipe: Xplique, tf-keras-vis and the gradient ascent of the Keras example.

They run in an environment of their own and import nothing of cnnviz. All see VGG16 with the same weights, with VGG16's
own preprocessing as layers in front of it, so that the loop of each optimises the pixels that one looks at.
`render` of each returns images uint8 (n, snapshots, h, w, 3) and the seconds from the call to each snapshot's step.
"""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Rendered = tuple[np.ndarray, np.ndarray]


class Caffe(keras.layers.Layer):
    """RGB in 0..255 -> BGR minus the ImageNet mean."""

    def call(self, images: tf.Tensor) -> tf.Tensor:
        return images[..., ::-1] - tf.constant([103.939, 116.779, 123.68])


def vgg16(weights: Any, size: int, unit: bool = False) -> keras.Model:
    """Build VGG16 for RGB images in 0..255, or in [-1, 1] with `unit`; weights: of its conv layers, by name."""
    pixels = keras.Input((size, size, 3))
    scaled = keras.layers.Rescaling(127.5, 127.5)(pixels) if unit else pixels
    network = keras.applications.VGG16(weights=None, include_top=False, input_tensor=Caffe()(scaled))
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.set_weights([weights[f"{layer.name}/kernel"], weights[f"{layer.name}/bias"]])
    return network


def to_uint8(images: Any) -> np.ndarray:
    return np.rint(np.clip(np.asarray(images), 0, 255)).astype("uint8")


class Xplique:
    """`optimize` with all its defaults: Fourier image, standard transforms, Adam 0.05, 256 steps.

    canvas: its default is 512 px; None: the network's own input size, the cheapest way to use it. The transforms crop a
    third of the canvas and scale it to the network's input, so the images returned are what the network sees: the
    middle of the canvas, at that scale. As a whole a canvas scores far lower.
    """

    steps, batch = 256, 16

    def __init__(self, weights: Any, canvas: int | None = None) -> None:
        self.weights, self.canvas, self.networks = weights, canvas, {}

    def render(self, layer: str, filters: list[int], snapshots: list[int], size: int, own: bool) -> Rendered:
        from xplique import features_visualizations as xplique
        from xplique.features_visualizations.preconditioning import to_valid_rgb

        if size not in self.networks:
            self.networks[size] = vgg16(self.weights, size)
        canvas, kept, seconds, start = self.canvas or size, [], [], time.perf_counter()

        class Watched(keras.optimizers.Adam):
            """The default optimizer; keeps the variable and the time at the snapshots."""

            def apply_gradients(self, grads_and_vars: Any) -> Any:
                ((gradient, variable),) = grads_and_vars
                result = super().apply_gradients([(gradient, variable)])
                if int(self.iterations) in snapshots:
                    kept.append(tf.identity(variable))
                    seconds.append(time.perf_counter() - start)
                return result

        objective = xplique.Objective.channel(self.networks[size], layer, filters)
        xplique.optimize(
            objective, Watched(0.05), nb_steps=snapshots[-1], values_range=(0, 255), custom_shape=(canvas, canvas)
        )
        shape, scale = (len(filters), canvas, canvas, 3), xplique.get_fft_scale(canvas, canvas, decay_power=0.85)
        images = [to_valid_rgb(xplique.fft_to_rgb(shape, v, scale), "sigmoid", (0, 255)) for v in kept]
        return to_uint8(np.stack([self._seen(i, size) for i in images], 1)), np.array(seconds)

    @staticmethod
    def _seen(images: tf.Tensor, size: int) -> tf.Tensor:
        canvas = images.shape[1]
        unit = canvas // 16  # pad by 4 units a side, crop 16, scale by 0.92 to 0.96, crop 2
        crop = int(0.94 * (canvas - 8 * unit)) - 2 * unit
        whole = round(canvas * size / crop)
        resized = tf.image.resize(images, (whole, whole), "lanczos3", antialias=True)
        return tf.image.resize_with_crop_or_pad(resized, size, size)


class TfKerasVis:
    """`ActivationMaximization` with all its defaults: jitter, rotation, total variation, norm, RMSprop, 200 steps."""

    steps, batch = 200, 16

    def __init__(self, weights: Any) -> None:
        self.weights, self.tools = weights, {}

    def render(self, layer: str, filters: list[int], snapshots: list[int], size: int, own: bool) -> Rendered:
        from tf_keras_vis.activation_maximization import ActivationMaximization
        from tf_keras_vis.activation_maximization.callbacks import Callback
        from tf_keras_vis.utils.model_modifiers import ExtractIntermediateLayer, ReplaceToLinear
        from tf_keras_vis.utils.scores import CategoricalScore

        if (layer, size) not in self.tools:
            modifiers = [ExtractIntermediateLayer(layer), ReplaceToLinear()]
            self.tools[layer, size] = ActivationMaximization(vgg16(self.weights, size), modifiers, clone=False)
        kept, seconds, start = [], [], time.perf_counter()

        class Watched(Callback):
            def __call__(self, i: int, values: Any, *_: Any, **__: Any) -> None:
                if i + 1 in snapshots:
                    kept.append(np.array(values[0]))
                    seconds.append(time.perf_counter() - start)

        noise = tf.random.uniform((len(filters), size, size, 3), 0, 255)
        self.tools[layer, size](CategoricalScore(filters), seed_input=noise, steps=snapshots[-1], callbacks=[Watched()])
        return to_uint8(np.stack(kept, 1)), np.array(seconds)


class KerasExample:
    """The gradient ascent of keras.io's "Visualizing what convnets learn", written anew from its published description.

    One filter at a time; inputs in [-1, 1] that start as noise within 0.125 of grey; 30 steps of 10 times the
    L2-normalised gradient of the channel's mean without a border of 2; contrast normalised to a deviation of 0.15.
    Two changes in its favour: the step is traced once per layer, not once per filter; and only with `own` the canvas is
    25 px larger on each side, which the example cuts off.
    """

    steps, batch = 30, 1

    def __init__(self, weights: Any) -> None:
        self.weights, self.ascents = weights, {}

    def _ascent(self, layer: str, size: int) -> Any:
        network = vgg16(self.weights, size, unit=True)
        extractor = keras.Model(network.input, network.get_layer(layer).output)

        @tf.function
        def ascend(image: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(image)
                score = tf.reduce_mean(tf.gather(extractor(image)[:, 2:-2, 2:-2], index, axis=-1))
            return image + 10.0 * tf.math.l2_normalize(tape.gradient(score, image))

        return ascend

    def _images(self, ascend: Any, index: int, snapshots: list[int], size: int) -> Iterator[tf.Tensor]:
        image = (tf.random.uniform((1, size, size, 3)) - 0.5) * 0.25
        for step in range(1, snapshots[-1] + 1):
            image = ascend(image, tf.constant(index))
            if step in snapshots:
                yield image.numpy()[0]

    def render(self, layer: str, filters: list[int], snapshots: list[int], size: int, own: bool) -> Rendered:
        margin = 25 if own else 0
        canvas = size + 2 * margin
        if (layer, canvas) not in self.ascents:
            self.ascents[layer, canvas] = self._ascent(layer, canvas)
        images, seconds = [], []
        for index in filters:
            start = time.perf_counter()
            for image in self._images(self.ascents[layer, canvas], index, snapshots, canvas):
                seconds.append(time.perf_counter() - start)
                normal = (image - image.mean()) / (image.std() + 1e-5) * 0.15 + 0.5
                images.append(normal[margin : margin + size, margin : margin + size] * 255)
        shape = (len(filters), len(snapshots))
        return to_uint8(images).reshape(*shape, size, size, 3), np.reshape(seconds, shape).sum(0)


TOOLS = {
    "keras-example": KerasExample,
    "tf-keras-vis": TfKerasVis,
    "xplique": Xplique,
    "xplique-512": partial(Xplique, canvas=512),
}
