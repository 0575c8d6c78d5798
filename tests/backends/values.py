"""Every term on the backend that Keras runs on: its values of samples, and its slope.

``KERAS_BACKEND=tensorflow python -m tests.backends.values FILE`` writes what the others are
compared with.
"""

import sys
from typing import Any

import keras
import numpy as np
from keras import ops

from ..unit.terms.ladder import ALL_TERMS


def value_and_slope(term: Any, y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of a term, one a sample, and the gradient of their sum by the predictions."""
    backend = keras.backend.backend()
    y, p = ops.convert_to_tensor(y), ops.convert_to_tensor(p)

    def total(pred: Any) -> tuple[Any, Any]:
        values = term(y, pred)
        return ops.sum(values), values

    if backend == "jax":
        import jax

        (_, values), slope = jax.jit(jax.value_and_grad(total, has_aux=True))(p)
    elif backend == "torch":
        p = p.clone().detach().requires_grad_(True)
        summed, values = total(p)
        summed.backward()
        slope = p.grad
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(p)
            summed, values = total(p)
        slope = tape.gradient(summed, p)
    return ops.convert_to_numpy(values), ops.convert_to_numpy(slope)


def of(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Values and slope of one of the terms, on the data that suit it."""
    rung = ALL_TERMS[name]
    return value_and_slope(rung.make(reduction=None), *rung.data())


if __name__ == "__main__":
    found = {name: of(name) for name in ALL_TERMS}
    np.savez(
        sys.argv[1],
        **{f"value/{name}": value for name, (value, _) in found.items()},
        **{f"slope/{name}": slope for name, (_, slope) in found.items()},
    )
