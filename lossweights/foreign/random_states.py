"""The generators that a whole process draws random numbers from, kept as they are for a while."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

KERAS_GENERATOR = "global_seed_generator"  # of `keras.random`, where no seed is given
KERAS_SEED = "global_random_seed"  # what `keras.utils.set_random_seed` was given


@contextmanager
def kept_random_states() -> Iterator[None]:
    """Put back what Python, NumPy, Keras and TensorFlow draw from, whatever is drawn meanwhile.

    Layers have generators of their own: those are variables of the model.
    """
    put_back = [_of_python(), _of_numpy(), _of_keras(), _of_tensorflow()]
    try:
        yield
    finally:
        for put in put_back:
            put()


def _of_python() -> Callable[[], None]:
    state = random.getstate()
    return lambda: random.setstate(state)


def _of_numpy() -> Callable[[], None]:
    state = np.random.get_state()
    return lambda: np.random.set_state(state)


def _of_keras() -> Callable[[], None]:
    """The generator itself, which setting a seed replaces, and what it has come to."""
    states = keras_states()
    if states is None:
        return lambda: None
    get, put = states
    generator, seed = get(KERAS_GENERATOR), get(KERAS_SEED)
    reached = None if generator is None else np.array(generator.state)

    def put_back() -> None:
        put(KERAS_GENERATOR, generator)
        put(KERAS_SEED, seed)
        if generator is not None:
            generator.state.assign(reached)

    return put_back


def _of_tensorflow() -> Callable[[], None]:
    """What operations without a seed of their own draw one from, and the global generator."""
    found = tensorflow_states()
    if found is None:
        return lambda: None
    context, generators = found
    seed, drawn_from = context._seed, context._rng
    # Kernels keep a count for each seed that was drawn. Those that are made meanwhile get seeds
    # from elsewhere, so that the seeds to come have none.
    if drawn_from is not None:
        context._rng = random.Random(__name__)
    generator = generators.global_generator
    reached = None if generator is None else np.array(generator.state)

    def put_back() -> None:
        context._seed, context._rng = seed, drawn_from
        generators.global_generator = generator
        if generator is not None:
            generator.state.assign(reached)

    return put_back


def keras_states() -> tuple[Callable[..., Any], Callable[..., None]] | None:
    """How Keras reads and sets what it keeps for the process; ``None`` if nobody knows."""
    try:
        from keras.src.backend.common import global_state
    except ImportError:
        return None
    return global_state.get_global_attribute, global_state.set_global_attribute


def tensorflow_states() -> tuple[Any, Any] | None:
    """TensorFlow's context, and the module with its global generator; ``None`` if nobody knows."""
    try:
        from tensorflow.python.eager.context import context
        from tensorflow.python.ops import stateful_random_ops
    except ImportError:
        return None
    found = context()
    known = hasattr(found, "_seed") and hasattr(found, "_rng")
    return (
        (found, stateful_random_ops)
        if known and hasattr(stateful_random_ops, "global_generator")
        else None
    )
