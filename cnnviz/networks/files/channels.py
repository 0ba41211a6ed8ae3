"""Networks whose images have the channels first, (n, channels, height, width), turned into such with channels last.

Kernels are the same in both. Layers that know where the channels are, are made again with channels last; in front of
all others the maps get their old order again, so that what they compute stays what it was.
"""

from typing import Any

import keras

from cnnviz.networks.files.rewiring import rewired

FIRST, LAST = (3, 1, 2), (2, 3, 1)  # of Permute: to channels first, to channels last
ALIKE: tuple[str, ...] = (
    "Activation",
    "Dropout",
    "ReLU",
    "LeakyReLU",
    "ELU",
    "Add",
    "Subtract",
    "Multiply",
    "Average",
    "Maximum",
    "Minimum",
)
ALIKE += ("Rescaling", "GaussianNoise", "GaussianDropout", "AlphaDropout", "SpatialDropout2D", "Identity")


def has_channels_first(network: keras.Model) -> bool:
    """Whether a layer of it works on (n, channels, height, width)."""
    return any(getattr(layer, "data_format", None) == "channels_first" for layer in network._flatten_layers())


def channels_last(network: keras.Model) -> keras.Model:
    """The same network on (n, height, width, channels); it has one input, of images."""
    shape = network.inputs[0].shape
    image = keras.Input((shape[2], shape[3], shape[1]), name=network.inputs[0]._keras_history.operation.name)
    turned: dict[int, Any] = {}  # by id of a tensor with channels first: the one with channels last that stands for it
    back: dict[int, Any] = {}  # and the way back
    held: list[Any] = []  # tensors are looked up by id
    made: dict[int, Any] = {}

    def first(tensor: Any) -> Any:
        if id(tensor) in back:
            return back[id(tensor)]
        return keras.layers.Permute(FIRST)(tensor) if id(tensor) in turned else tensor

    def last(tensor: Any) -> Any:
        return tensor if id(tensor) in turned else keep(keras.layers.Permute(LAST)(tensor), tensor)

    def keep(tensor: Any, other: Any = None) -> Any:
        turned[id(tensor)] = tensor
        if other is not None:
            back[id(tensor)] = other
        held.extend((tensor, other))
        return tensor

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        tensors = [t for t in keras.tree.flatten((args, kwargs)) if isinstance(t, keras.KerasTensor)]
        maps = bool(tensors) and all(len(t.shape) == 4 for t in tensors)
        config = _for_last(layer) if maps else None
        if config is not None:
            args, kwargs = keras.tree.map_structure(
                lambda t: last(t) if isinstance(t, keras.KerasTensor) else t, (args, kwargs)
            )
            if id(layer) not in made:
                made[id(layer)] = type(layer).from_config(config) if config else layer
            output = made[id(layer)](*args, **kwargs)
            if config and len(made[id(layer)].weights) and made[id(layer)] is not layer:
                made[id(layer)].set_weights(layer.get_weights())
            return keep(output) if len(output.shape) == 4 else output
        args, kwargs = keras.tree.map_structure(
            lambda t: first(t) if isinstance(t, keras.KerasTensor) else t, (args, kwargs)
        )
        return layer(*args, **kwargs)

    return rewired(network, image, [keep(image)], call, lambda t: last(t) if len(t.shape) == 4 else t)


def _for_last(layer: Any) -> dict[str, Any] | None:
    """The configuration with channels last; empty where nothing of it changes, None where the old order is needed."""
    kind = type(layer).__name__
    if type(layer).__module__.split(".")[0] != "keras":
        return None
    if getattr(layer, "data_format", None) == "channels_first" and hasattr(layer, "get_config"):
        return {**layer.get_config(), "data_format": "channels_last"}
    if kind in ("BatchNormalization", "Concatenate") and layer.axis in (1, -3):
        return {**layer.get_config(), "axis": -1}
    return {} if kind in ALIKE else None
