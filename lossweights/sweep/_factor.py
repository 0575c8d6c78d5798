"""The dimension of a search that does nothing: the common factor of all weights."""

from __future__ import annotations

import keras

from lossweights.search.redundant import redundant_scale
from lossweights.search.space import Space
from lossweights.training.factor import is_blind_to_factor


def redundancy(space: Space, optimizer: keras.optimizers.Optimizer, *, sees_more: bool) -> str:
    """What to say where all weights are free and the optimizer does not see their factor.

    Args:
        space: The space.
        optimizer: What trains.
        sees_more: Whether the model is trained on more than the terms, such as regularisers, whose
            part in the sum the factor decides about.

    Returns:
        A sentence with the remedy; empty where every dimension does something.
    """
    if sees_more or not is_blind_to_factor(optimizer):
        return ""
    given = getattr(optimizer, "inner_optimizer", optimizer)  # of LossScaleOptimizer
    return redundant_scale(space, type(given).__name__)
