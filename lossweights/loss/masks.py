"""Keras' masks as weights of elements, for what is measured without a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def with_masks(weight: Any, masks: Any) -> Any:
    """Weights under which a mean over all elements is the mean over those that a mask leaves.

    Args:
        weight: Weights as given to ``fit``, or ``None``; a dict of them for several outputs.
        masks: The mask of the output, of shape ``(n, ...)``, or ``None``; a dict for several.

    >>> with_masks(None, np.array([[True, False], [True, True], [False, True]])).tolist()
    [[1.5, 0.0], [1.5, 1.5], [0.0, 1.5]]
    >>> with_masks([1.0, 3.0], np.array([[True, False], [True, False]])).tolist()
    [[2.0, 0.0], [6.0, 0.0]]
    """
    if masks is None:
        return weight
    if isinstance(masks, Mapping):
        several = isinstance(weight, Mapping)
        return {k: with_masks(weight.get(k) if several else weight, m) for k, m in masks.items()}
    counts = np.asarray(masks, dtype=np.float32)
    shared = counts / max(float(counts.mean()), 1e-7)
    if weight is None:
        return shared
    given = np.asarray(weight, dtype=np.float32)
    rank = max(shared.ndim, given.ndim)
    one, other = (a.reshape(*a.shape, *[1] * (rank - a.ndim)) for a in (shared, given))
    return one * other
