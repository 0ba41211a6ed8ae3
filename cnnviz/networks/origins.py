"""Who feeds whom: channel c of a conv layer's input is channel c of its sources, the conv layers before it.

As far as only what keeps channels apart lies between. An addition has several sources, a concatenation or a dense
layer none.
"""

from typing import Any

import keras

from cnnviz.networks.graph import Call, Conv, Graph
from cnnviz.networks.nesting import snake

layers = keras.layers
_CHANNELWISE = (
    *(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU, layers.BatchNormalization),
    *(layers.Dropout, layers.SpatialDropout2D, layers.AlphaDropout, layers.GaussianNoise, layers.GaussianDropout),
    *(layers.MaxPooling2D, layers.AveragePooling2D, layers.ZeroPadding2D, layers.Cropping2D, layers.CenterCrop),
    *(layers.UpSampling2D, layers.Resizing, layers.Rescaling, layers.Normalization, layers.Identity),
    *(layers.ActivityRegularization, layers.Add, layers.Subtract, layers.Average, layers.Maximum, layers.Minimum),
)
_ELEMENTWISE = """
add subtract divide true_divide negative maximum minimum clip relu relu6 leaky_relu elu selu celu gelu silu hard_silu
sigmoid hard_sigmoid tanh softplus softsign max_pool average_pool resize
"""


def sources(graph: Graph) -> dict[str, list[str]]:
    """Conv layer -> its sources."""
    found: dict[str, list[str]] = {}
    made: dict[int, list[str]] = {}  # by the id of a tensor: whose channels its channels are
    for call in graph.calls:
        inputs = [made.get(id(tensor), []) for tensor in _inputs(call)]
        if isinstance(call, Conv):
            found[call.name] = inputs[0] if inputs else []
            origins = [call.name]
        else:
            apart = _channelwise(call.layer) and all(inputs)
            origins = list(dict.fromkeys(name for names in inputs for name in names)) if apart else []
        for tensor in keras.tree.flatten(call.output):
            made[id(tensor)] = origins
    return found


def _inputs(call: Call) -> list[Any]:
    operation, node, _ = keras.tree.flatten(call.output)[0]._keras_history
    return list(operation._inbound_nodes[node].arguments.keras_tensors)


def _channelwise(layer: Any) -> bool:
    if isinstance(layer, layers.Layer):
        return isinstance(layer, _CHANNELWISE)
    return snake(type(layer).__name__) in _ELEMENTWISE.split()
