"""Functions whose batches have one size, the same every time on a card: op determinism on, TF32 where it is asked for.

Both are settings of the whole process, so they are set inside alone: what a user trains beside it is left as it is.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import config  # op determinism can't be asked for, nor be turned off, otherwise

LACKING = (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, tf.errors.NotFoundError)


@contextmanager
def repeatably(precision: str) -> Iterator[None]:
    """Inside, kernels are chosen that add in one order; products are rounded to TF32 only if that is the precision."""
    before = config.is_op_determinism_enabled(), tf.config.experimental.tensor_float_32_execution_enabled()
    config.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before[1])
        if not before[0]:
            config.disable_op_determinism()


class Repeatable:
    """A function of tensors, compiled by XLA; as a graph where XLA lacks one of the network's operations, or if that is
    asked for. Which of both is decided by the first call, and follows from the network and the packages alone.
    """

    def __init__(self, function: Callable[..., Any], signature: Sequence[Any], compiled: bool, precision: str) -> None:
        self.precision, self.compiled, self._sure = precision, compiled, not compiled
        self._plain = tf.function(function, signature, autograph=False)
        self._fused = tf.function(function, signature, autograph=False, jit_compile=True)

    def __call__(self, *tensors: Any) -> Any:
        with repeatably(self.precision):
            if not self._sure:
                try:
                    found = self._fused(*tensors)
                except LACKING:
                    self.compiled = False
                else:
                    self._sure = True
                    return found
                self._sure = True
            return (self._fused if self.compiled else self._plain)(*tensors)
