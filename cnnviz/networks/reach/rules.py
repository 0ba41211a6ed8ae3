"""What an operation needs of its inputs to compute some of its output, axis by axis: a rule for each kind of operation.

Positions are whole numbers and may lie beyond the map, where padding fills it.
"""

from typing import Any

import keras
import numpy as np

from cnnviz.networks.nesting import snake
from cnnviz.networks.reach import axes, windows
from cnnviz.networks.reach.step import NOTHING, Needs, Rule, Step

layers = keras.layers

_NORMS = (layers.LayerNormalization, layers.UnitNormalization, layers.RMSNormalization, layers.GroupNormalization)
_LAYERS: list[tuple[tuple[type, ...], Rule]] = [
    (
        (
            *(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU, layers.BatchNormalization),
            *(layers.Dropout, layers.SpatialDropout2D, layers.AlphaDropout, layers.GaussianDropout),
            *(layers.GaussianNoise, layers.ActivityRegularization, layers.Identity, layers.Rescaling, layers.Masking),
            *(layers.Normalization, layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum),
            layers.Minimum,
        ),
        axes.broadcast,
    ),
    ((layers.Conv2DTranspose,), windows.transposed),
    ((layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D), windows.windowed),
    ((layers.MaxPooling2D, layers.AveragePooling2D), windows.windowed),
    ((layers.ZeroPadding2D,), windows.moved(lambda step, axis: -step.operation.padding[axis - 1][0])),
    ((layers.Cropping2D,), windows.moved(lambda step, axis: step.operation.cropping[axis - 1][0])),
    ((layers.CenterCrop,), windows.cut),
    ((layers.RandomCrop,), lambda step, needs: needs),  # Keras crops only while training
    ((layers.UpSampling2D, layers.Resizing), windows.scaled),
    ((layers.Dense,), axes.last_mixed),
    ((layers.EinsumDense,), axes.einsum),
    ((layers.TimeDistributed,), lambda step, needs: _each(step, needs)),
    ((layers.Softmax,), axes.along),
    ((layers.Reshape, layers.Flatten), axes.reshaped),
    ((layers.Permute,), axes.permuted),
    ((layers.Concatenate,), axes.joined),
]
# operations of keras.ops, by their names
_POINTWISE = """
absolute abs fabs add subtract multiply divide divide_no_nan true_divide floor_divide power negative square sqrt rsqrt
reciprocal cbrt exp exp2 expm1 log log10 log1p log2 logaddexp logaddexp2 maximum minimum fmax fmin mod fmod clip where
select sign signbit round floor ceil trunc sin cos tan sinh cosh tanh arcsin arccos arctan arctan2 arcsinh arccosh
arctanh sinc deg2rad rad2deg hypot heaviside erf erfc equal not_equal greater greater_equal less less_equal logical_and
logical_not logical_or logical_xor isfinite isinf isnan nan_to_num copy cast saturate_cast stop_gradient
convert_to_tensor ones_like zeros_like broadcast_to relu relu6 sigmoid sparse_sigmoid softplus softsign soft_shrink
sparse_plus silu squareplus log_sigmoid leaky_relu hard_sigmoid hard_silu elu selu gelu celu tanh_shrink hard_tanh
hard_shrink threshold batch_norm
"""
_OPERATIONS: dict[str, Rule] = {
    **dict.fromkeys(_POINTWISE.split(), axes.broadcast),
    **dict.fromkeys(("softmax", "log_softmax", "sparsemax", "cumsum", "cumprod", "sort", "roll"), axes.along),
    **dict.fromkeys(("mean", "sum", "max", "min", "prod", "std", "var", "amax", "amin"), axes.reduced),
    **dict.fromkeys(("any", "all", "argmax", "argmin", "count_nonzero", "logsumexp", "median"), axes.reduced),
    **dict.fromkeys(("reshape", "expand_dims", "squeeze", "ravel"), axes.reshaped),
    **dict.fromkeys(("transpose", "swapaxes", "moveaxis"), axes.permuted),
    **dict.fromkeys(("max_pool", "average_pool", "conv", "depthwise_conv", "separable_conv"), windows.windowed),
    **dict.fromkeys(("adaptive_max_pool", "adaptive_average_pool"), windows.shared_out),
    **dict.fromkeys(("depth_to_space", "space_to_depth"), windows.blocks),
    **dict.fromkeys(("rgbto_grayscale", "rgbto_hsv", "hsvto_rgb"), axes.last_mixed),
    "resize": windows.scaled,
    "conv_transpose": windows.transposed,
    "get_item": axes.sliced,
    "flip": axes.flipped,
    "split": axes.split,
    "slice": axes.window,
    "pad": axes.padded,
    "concatenate": axes.joined,
    "stack": axes.stacked,
    "repeat": axes.repeated,
}


def before(step: Step, needs: Needs, local: bool) -> Needs:
    """What `needs` of the output asks of the source: everything, of an operation that no rule is known for.

    local: take a normalization over the map for what it does to each position.
    """
    one, kind = step.operation, snake(type(step.operation).__name__)
    if not isinstance(one, layers.Layer):
        rule = _OPERATIONS.get(kind)
        return rule(step, needs) if rule else {}
    if isinstance(one, _NORMS):
        return needs if local else {} if isinstance(one, layers.GroupNormalization) else _normalized(step, needs)
    for kinds, rule in _LAYERS:
        if isinstance(one, kinds):
            return rule(step, needs)
    if not type(one).__module__.startswith("keras."):
        return _nothing(needs) if getattr(one, "sees_nothing", False) else {}
    if kind.startswith("adaptive_"):
        return windows.shared_out(step, needs)
    drawn = kind.startswith(("random_", "rand_", "mix_up", "cut_mix", "aug_mix"))  # only while training
    return needs if drawn and step.source.shape == step.output.shape else {}


def keeps(operation: Any) -> bool:
    """Whether all that an operation does is to change the shape, or a number at each position by itself."""
    if isinstance(operation, layers.Layer):
        return isinstance(operation, (*_LAYERS[0][0], layers.Reshape, layers.Flatten))
    return _OPERATIONS.get(snake(type(operation).__name__)) in (axes.broadcast, axes.reshaped)


def _each(step: Step, needs: Needs) -> Needs:
    """A layer at each position of the first side by itself, at each of the others where it is known to be so."""
    inner = step.operation.layer
    if isinstance(inner, layers.Dense) or (keeps(inner) and step.source.shape == step.output.shape):
        return axes.last_mixed(step, needs)
    return {axis: interval for axis, interval in needs.items() if axis == 1}


def _normalized(step: Step, needs: Needs) -> Needs:
    return axes.without(needs, getattr(step.operation, "axis", -1), len(step.output.shape))


def _nothing(needs: Needs) -> Needs:
    """Of a layer whose output is a constant."""
    empty: Any = {axis: (first * 0 + NOTHING, first * 0 - NOTHING) for axis, (first, _) in needs.items()}
    return empty or {axis: (np.int64(NOTHING), np.int64(-NOTHING)) for axis in (1, 2)}
