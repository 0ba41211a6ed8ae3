"""A network wired again: on one input of images, with layers in the place of others, nested networks opened."""

from collections.abc import Callable
from typing import Any

import keras

from cnnviz.networks.nesting import is_graph

Call = Callable[..., Any]


def rewired(
    network: keras.Model, image: Any, fed: list[Any], call: Call, end: Call = lambda tensor: tensor
) -> keras.Model:
    """The same network from `image` on.

    fed: what each of its inputs gets. call: (layer, *args, **kwargs) -> what it gives in the new network. end: what
    is applied to each output.
    """

    def walk(nested: Any, tensors: Any) -> Any:
        if isinstance(nested, keras.Sequential):
            for layer in nested.layers:
                tensors = step(layer, tensors)
            return tensors
        return nested._run_through_graph(
            tensors,
            operation_fn=lambda layer: layer,
            call_fn=lambda layer, *args, **kwargs: step(layer, *args, **kwargs),
        )

    def step(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return walk(layer, args[0]) if is_graph(layer) else call(layer, *args, **kwargs)

    outputs = keras.tree.map_structure(end, walk(network, fed[0] if isinstance(network, keras.Sequential) else fed))
    return keras.Model(image, outputs, name=network.name)  # `trainable` of the layers stays what it is
