"""How variables climb: momentum on gradients of unit length, or Adam."""

from typing import Any

import tensorflow as tf

from cnnviz.maximization.ascent.settings import LANES, TINY, Settings

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Adam's own defaults; BETA1 also for momentum


def started(optimizer: str, variables: Any) -> tuple[Any, ...]:
    """The state before the first step: variables, and the means that the optimizer keeps."""
    return (variables, *[tf.zeros_like(variables)] * (1 if optimizer == "momentum" else 2))


def ascend(settings: Settings, state: Any, gradient: Any, count: Any) -> tuple[Any, ...]:
    """One update, the `count`-th: momentum on gradients of unit root mean square per image, or Adam."""
    rate = settings.learning_rate
    if settings.optimizer == "momentum":
        variables, mean = state
        every = list(range(1, len(gradient.shape)))
        mean_square = tf.reduce_mean(gradient**2, every, keepdims=True)
        # rsqrt of one number rounds unlike that of a whole vector register: fill one for each image
        ones = tf.ones([*[1] * (len(every)), LANES])
        length = tf.math.rsqrt(mean_square * ones + TINY)[..., :1]
        mean = BETA1 * mean + (1 - BETA1) * gradient * length
        return variables + rate * mean, mean
    variables, mean, square = state
    mean = BETA1 * mean + (1 - BETA1) * gradient
    square = BETA2 * square + (1 - BETA2) * gradient**2
    unbiased = tf.sqrt(square / (1 - BETA2**count)) + EPSILON
    return variables + rate * mean / (1 - BETA1**count) / unbiased, mean, square
