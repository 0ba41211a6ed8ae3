"""Kernels of single filters with their batch normalization folded in."""

from typing import Any

import keras
import numpy as np

from cnnviz.networks.graph import Conv


def foldable(conv: Any) -> bool:
    """Whether a call is one of Keras's own convolutions: what a class derived from them computes is unknown."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
    return isinstance(conv, Conv) and type(conv.layer) in kinds and conv.layer.data_format == "channels_last"


def filter_kernels(conv: Conv, filters: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernels `(n, kh, kw, in)` and offsets `(n,)` of some filters, batch normalization folded in.

    For a depthwise layer the kernel is 0 for all input channels but its own.
    """
    layer, index = conv.layer, np.asarray(filters)
    if isinstance(layer, keras.layers.SeparableConv2D):
        depthwise, pointwise = layer.depthwise_kernel.numpy(), layer.pointwise_kernel.numpy()[0, 0]
        split = pointwise.reshape(*depthwise.shape[2:], -1)
        kernel = np.einsum("hwim,imo->hwio", depthwise, split)[..., index]
    elif isinstance(layer, keras.layers.DepthwiseConv2D):
        native = layer.kernel.numpy()
        multiplier = native.shape[3]
        kernel = np.zeros((*native.shape[:3], len(index)), "float32")
        for n, k in enumerate(index):
            kernel[:, :, k // multiplier, n] = native[:, :, k // multiplier, k % multiplier]
    elif isinstance(layer, keras.layers.Conv2DTranspose):
        kernel = np.moveaxis(layer.kernel.numpy(), 2, 3)[..., index]
    else:
        native = layer.kernel.numpy()
        native = native.transpose(0, 1, 3, 2) if conv.transposed else native
        kernel = _ungrouped(native, int(conv.input.shape[-1]), index)
    offset = layer.bias.numpy()[index] if layer.use_bias else np.zeros(len(index), "float32")
    if conv.norm is not None:
        norm: Any = conv.norm.layer
        factor = 1 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
        factor = factor * norm.gamma.numpy() if norm.scale else factor
        beta = norm.beta.numpy() if norm.center else np.zeros_like(factor)
        kernel = kernel * factor[index]
        offset = (offset - norm.moving_mean.numpy()[index]) * factor[index] + beta[index]
    return np.ascontiguousarray(np.moveaxis(kernel, -1, 0), "float32"), offset.astype("float32")


def _ungrouped(kernel: np.ndarray, in_channels: int, index: np.ndarray) -> np.ndarray:
    kh, kw, group_size, filters = kernel.shape
    if group_size == in_channels:
        return kernel[..., index]
    full = np.zeros((kh, kw, in_channels, len(index)), "float32")
    for n, k in enumerate(index):
        start = k // (filters // (in_channels // group_size)) * group_size
        full[:, :, start : start + group_size, n] = kernel[..., k]
    return full
