"""Whether an optimizer's steps depend on a common factor of the loss.

Multiply all weights of a loss by one number, and all gradients are. Some optimizers divide by the
size of the gradients that they have seen, so that their steps stay what they were.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

LEAST_GRADIENT = 1e-5  # of one parameter: smaller ones are seldom what training is made of


def is_blind_to_factor(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether an optimizer makes the same steps when all weights of a loss are multiplied by one.

    Adam, AdamW, Nadam, Adamax, Lamb, Muon and Adafactor divide by the gradients' own size, plus an
    epsilon; Lion takes signs. Decoupled decay (AdamW, ``weight_decay=``) is not part of the loss
    and changes nothing. SGD is not blind: its factor is a learning rate. Nor are Adagrad, whose
    sums begin at 0.1, and RMSprop and Adadelta, whose epsilon lies under a root and at 1e-7 is as
    large as gradients of 3e-4: with other settings they are. Clipping by a value or a norm sees
    the factor, since it says which gradients are clipped. Regularisers and other losses of the
    model see it too; the optimizer cannot know.

    Args:
        optimizer: The optimizer; one of a class that Keras does not have is not known to be blind.

    >>> is_blind_to_factor(keras.optimizers.Adam()), is_blind_to_factor(keras.optimizers.SGD())
    (True, False)
    """
    given: Any = getattr(optimizer, "inner_optimizer", optimizer)  # of LossScaleOptimizer
    clips = (getattr(given, name, None) for name in ("clipnorm", "global_clipnorm", "clipvalue"))
    if any(clip is not None for clip in clips):
        return False
    smallest = _SMALLEST.get(type(given).__name__)
    is_keras = type(given).__module__.split(".")[0] == "keras"
    return is_keras and smallest is not None and smallest(given) <= LEAST_GRADIENT


def _beside(optimizer: Any) -> float:
    """Epsilon is added to the size."""
    return float(optimizer.epsilon)


def _under_root(optimizer: Any) -> float:
    """Epsilon is added to the square of the size."""
    return math.sqrt(optimizer.epsilon)


def _from_start(optimizer: Any) -> float:
    """Sums of squares begin above 0."""
    return math.sqrt(optimizer.initial_accumulator_value + optimizer.epsilon)


# By class: the gradient of one parameter at which the step begins to depend on its size.
_SMALLEST: dict[str, Callable[[Any], float]] = {
    "Adadelta": _under_root,
    "Adafactor": lambda optimizer: math.sqrt(optimizer.epsilon_1),
    "Adagrad": _from_start,
    "Adam": _beside,
    "AdamW": _beside,
    "Adamax": _beside,
    "Lamb": _beside,
    "Lion": lambda optimizer: 0.0,
    "Muon": _beside,
    "Nadam": _beside,
    "RMSprop": _under_root,
    "ScheduleFreeAdamW": _beside,
}
