"""Small models trained to their optimum, and the samples they are trained on.

Samples are quantiles at equal steps, not random draws: they are the distribution up to 1/n, and the
same in every run.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy import stats

NORMAL = stats.norm.ppf((np.arange(2001) + 0.5) / 2001)
EXPONENTIAL = stats.expon.ppf((np.arange(2001) + 0.5) / 2001)


def train(
    loss: Any,
    x: Any,
    y: Any,
    *,
    steps: int = 60,
    optimizer: Any = None,
    bias: bool = True,
) -> keras.Model:
    """A linear model from zero, trained on the whole data in each step."""
    x, y = np.asarray(x, "float32"), np.asarray(y, "float32")
    model = keras.Sequential(
        [
            keras.layers.Input(x.shape[1:]),
            keras.layers.Dense(y.shape[1], use_bias=bias, kernel_initializer="zeros"),
        ]
    )
    model.compile(optimizer or keras.optimizers.SGD(0.25), loss=loss)
    x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
    for _ in range(steps):  # what `fit` does with a single batch, without its overhead an epoch
        model.train_on_batch(x, y)
    return model


def best_constant(loss: Any, y: Any, **options: Any) -> float:
    """The constant prediction that training arrives at: a model that sees only zeros."""
    y = np.reshape(y, (-1, 1))
    model = train(loss, np.zeros_like(y), y, **options)
    return float(predict(model, np.zeros((1, 1)))[0, 0])


def predict(model: keras.Model, x: Any) -> np.ndarray:
    """The predictions in double precision, for the arithmetic that follows."""
    return np.asarray(model(np.asarray(x, "float32")), "float64")


def settling(rate: float, steps: int) -> keras.optimizers.Optimizer:
    """Gradient descent whose steps shrink, for losses whose gradient does not."""
    boundaries = [steps // 2, 3 * steps // 4, 7 * steps // 8]
    rates = [rate, rate / 8, rate / 64, rate / 512]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)
    return keras.optimizers.SGD(schedule)


def term_gradients(terms: Sequence[Any], model: keras.Model, x: Any, y: Any) -> np.ndarray:
    """The gradient of the mean of each term by the parameters of a linear model, one a row."""
    x, y = np.asarray(x, "float32"), np.asarray(y, "float32")
    rows = []
    for term in terms:
        by_output = _gradient(lambda p, term=term: ops.mean(term.per_sample(y, p)), model(x))
        rows.append(np.concatenate([(x.T @ by_output).ravel(), by_output.sum(axis=0)]))
    return np.asarray(rows, "float64")


def _gradient(function: Any, at: Any) -> np.ndarray:
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(at))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(at)
        value = function(at)
    return np.asarray(tape.gradient(value, at))
