"""Where fresh models start: values, without the models."""

from __future__ import annotations

import gc
from typing import Any

from lossweights.training._sizes import HELD_BYTES
from lossweights.training._stacked_variables import ModelValues, model_values
from lossweights.training.problem import Problem


def start_values(problem: Problem, seed: int, x: Any) -> ModelValues:
    """The values that a fresh model of this seed starts with.

    Args:
        problem: What is trained.
        seed: Seed of the model.
        x: A few inputs, for models that learn their shapes from data.
    """
    values = model_values(problem.make_model(seed, x=x))
    if is_large(values):
        gc.collect()  # models hold themselves in circles, and Python counts objects, not bytes
    return values


def is_large(values: ModelValues) -> bool:
    """Whether values take so much memory that they are not held for long."""
    return sum(array.nbytes for part in values for array in part) > HELD_BYTES
