"""Functions whose batches have one size, the same every time on a card: op determinism on, TF32 where it is asked for.

Both are settings of the whole process, so they are set inside alone: what a user trains beside it is left as it is.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import config  # op determinism can't be asked for, nor be turned off, otherwise

LACKING = (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, tf.errors.NotFoundError)


class _Process:
    """What the process was set to before the first of those that are inside came."""

    def __init__(self) -> None:
        self.lock, self.inside, self.before = threading.Lock(), 0, (False, False)


_process = _Process()


@contextmanager
def repeatably(precision: str) -> Iterator[None]:
    """Inside, kernels are chosen that add in one order; products are rounded to TF32 only if that is the precision.

    Threads that are inside at the same time agree about that, or the last one decides.
    """
    here = _process
    with here.lock:
        if not here.inside:
            rounds = tf.config.experimental.tensor_float_32_execution_enabled()
            here.before = config.is_op_determinism_enabled(), rounds
        here.inside += 1
        config.enable_op_determinism()
        tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    try:
        yield
    finally:
        with here.lock:
            here.inside -= 1
            if not here.inside:
                tf.config.experimental.enable_tensor_float_32_execution(here.before[1])
                if not here.before[0]:
                    config.disable_op_determinism()


class Repeatable:
    """A function of tensors, compiled by XLA; as a graph where XLA lacks one of the network's operations, or if that is
    asked for. Which of both is decided by the first call, and follows from the network and the packages alone.
    """

    def __init__(self, function: Callable[..., Any], signature: Sequence[Any], compiled: bool, precision: str) -> None:
        self.precision, self.compiled, self.signature = precision, compiled, signature
        self._plain = tf.function(function, signature, autograph=False)
        self._fused = tf.function(function, signature, autograph=False, jit_compile=True)
        self._first = threading.Lock()
        self._tried = False

    def __call__(self, *tensors: Any) -> Any:
        with repeatably(self.precision):
            with self._first:
                if self.compiled and not self._tried:
                    try:
                        return self._fused(*tensors)
                    except LACKING:
                        self.compiled = False
                    finally:
                        self._tried = True
            return (self._fused if self.compiled else self._plain)(*tensors)

    def ready(self, *sizes: int) -> None:
        """Have it compiled, by a call with nothing but zeros; sizes: of axes that may have any, in their order."""
        free = iter(sizes)

        def zeros(spec: tf.TensorSpec) -> tf.Tensor:
            return tf.zeros([next(free) if side is None else side for side in spec.shape], spec.dtype)

        self(*tf.nest.map_structure(zeros, list(self.signature)))
