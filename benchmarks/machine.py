"""What this machine can do at best: convolutions and matrix products of the sizes that VGG16 has."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

CONVOLUTIONS = ((16, 64, 128), (16, 32, 256))  # batch, height and width, channels in and out
MATRIX = 2048


def _gflops(run: Callable[[], Any], flops: float, seconds: float = 1.5) -> float:
    """Return the best rate of several runs."""
    run()
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return flops / best / 1e9


def _convolution(batch: int, size: int, channels: int, repeats: int = 4) -> float:
    rng = np.random.default_rng(0)
    images = tf.constant(rng.normal(size=(batch, size, size, channels)), tf.float32)
    kernel = tf.constant(rng.normal(size=(3, 3, channels, channels)) / (3 * channels**0.5), tf.float32)

    @tf.function
    def chain(maps: tf.Tensor) -> tf.Tensor:
        for _ in range(repeats):  # as in a network: one behind the other, no conversion between them
            maps = tf.nn.relu(tf.nn.conv2d(maps, kernel, 1, "SAME"))
        return tf.reduce_sum(maps)

    return _gflops(lambda: chain(images).numpy(), repeats * 2.0 * batch * size**2 * 9 * channels**2)


def _rewrite_to_bfloat16(on: bool) -> None:
    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": on})


def peaks(bfloat16: bool) -> dict[str, float]:
    """Return GFLOP/s by name; the bfloat16 ones only where the CPU has it."""
    _rewrite_to_bfloat16(False)
    found = {"float32 convolution": max(_convolution(*shape) for shape in CONVOLUTIONS)}
    if bfloat16:
        _rewrite_to_bfloat16(True)
        found["bfloat16 convolution"] = max(_convolution(*shape) for shape in CONVOLUTIONS)
        _rewrite_to_bfloat16(False)
        matrix = tf.cast(tf.random.normal((MATRIX, MATRIX)), tf.bfloat16)
        found["bfloat16 matmul"] = _gflops(lambda: tf.matmul(matrix, matrix).numpy(), 2.0 * MATRIX**3)
    return found


def cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
