"""Reference scales: how large each term is for a model that predicts a constant, without training.

A weight of 0.2 means nothing by itself: squared metres and metres, or a mask at half the
resolution, give the same term another size. Divided by what the best constant prediction costs,
every term starts near 1, and the weights say how much each one matters.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lossweights.base.errors import WeightError
from lossweights.loss._constant import Shape, best_constant
from lossweights.loss._parts import about_targets, parts_of
from lossweights.terms import Term
from lossweights.terms.targets import Targets

_SMALLEST = float(np.finfo(np.float32).tiny)  # by less, float32 cannot divide


def reference_scales(
    terms: Mapping[str, Any],
    y: ArrayLike | Mapping[str, ArrayLike],
    sample_weight: Any = None,
    *,
    output_shape: Shape | Mapping[str, Shape] | None = None,
) -> dict[str, float]:
    """The value of each term for the constant prediction that suits it best.

    A constant prediction has the shape of the model's output and is the same for every sample: one
    number for each channel of the last axis, or one alone where a term of the same loss takes
    differences along that axis. The best one is that of the term's formula, where one is known: the
    mean of the targets for squared errors, their quantile for absolute and pinball losses, the
    frequency of each class, as log-odds or log-probabilities under ``from_logits=True``, for
    cross-entropies. So squared error has the variance of ``y`` as its scale, cross-entropy the
    entropy of the classes, a boundary term the mean absolute difference of neighbours.

    For all other terms, functions and losses of your own among them, it is searched for, on 2048
    rows at most that stand for all. Several channels are then tuned together; above 32 channels the
    search keeps to what the targets suggest, such as the same quantile of every channel. What the
    model adds itself (`lossweights.terms.added`) knows no targets, and has the scale 1.

    Where no constant is the best one, because ever larger ones cost less or nothing, as under a
    penalty on one side alone, the mean of the targets is taken. It is taken for `Underestimation`,
    whose scale is then the mean absolute deviation, and the base rate for terms of distance maps.

    Args:
        terms: Terms by name, or anything that a combined loss takes as terms.
        y: Targets of the training data, shape ``(n, ...)``; a dict of them for several outputs.
        sample_weight: Weights as given to ``fit``, or ``None``.
        output_shape: ``model.output_shape``, where predictions are not of the shape of the targets:
            these are class numbers, or hold more than is predicted. A dict for several outputs.

    Returns:
        A scale above 0 for each term, in the order of ``terms``, in the units of the term.

    Raises:
        WeightError: A term has no scale: it is 0, below 0 or not finite for its best constant
            prediction; the message says which.
        TermError: A term has no constant prediction (``CTC``, ``Circle``) or does not fit ``y``.
        DataError: ``y`` is empty.

    Source: the normalisation of multi-term losses by a baseline; Var(y) as the scale of squared
    error is that of the coefficient of determination.

    >>> scales = reference_scales({"mse": "mse", "mae": "mae"}, [[1.0], [3.0], [5.0]])
    >>> {name: round(scale, 4) for name, scale in scales.items()}
    {'mse': 2.6667, 'mae': 1.3333}
    """
    scales = {
        name: _scale(term, targets, part.shape)
        for part in parts_of(about_targets(terms), y, sample_weight, output_shape)
        for name, term, targets in part.terms
    }
    return {name: scales.get(name, 1.0) for name in terms}


def of_mean_one(scales: Mapping[str, float]) -> dict[str, float]:
    """Scales brought to a mean of 1: the terms are balanced by them, and their sum keeps its size.

    Divided by its scale, each term is about 1. What a model adds to the sum by itself, such as
    regularisers, is not divided, and would count that much more or less. With these scales the sum
    of all terms at weight 1 is, for the constant prediction, what it is without any scales.

    Args:
        scales: Reference magnitude of each term.

    >>> of_mean_one({"mse": 9e6, "under": 3e3})
    {'mse': 1.9993335554815062, 'under': 0.0006664445184938354}
    """
    mean = sum(scales.values()) / len(scales)
    return {name: scale / mean for name, scale in scales.items()}


def _scale(term: Term, targets: Targets, shape: Shape | None) -> float:
    magnitude = best_constant(term, targets, shape)
    if _SMALLEST <= magnitude < math.inf:
        return magnitude
    raise WeightError(
        f"Expected a finite scale above 0 for the term {targets.term!r}. Found {magnitude!r}. "
        f"{_why_not(magnitude, targets.y)}"
    )


def _why_not(magnitude: float, y: ArrayLike) -> str:
    """Why a magnitude is no scale, and what helps."""
    if not math.isfinite(magnitude):
        if not np.isfinite(np.asarray(y, dtype=np.float64)).all():
            return "The targets hold numbers that are not finite. Replace them."
        return (
            "The term is finite for no constant prediction that was tried. Change its formula "
            f"where it is not finite, leave it out, {_OR_WITHOUT_DATA}"
        )
    if magnitude < 0:
        return (
            "The term is negative for a constant prediction, and weights are divided by what is "
            f"above 0. If it has a lowest value, add a number that keeps it above 0, "
            f"{_OR_WITHOUT_DATA}"
        )
    if magnitude > 0:
        return f"float32 takes it for 0. Give the targets a smaller unit, {_OR_WITHOUT_DATA}"
    return (
        "A constant prediction costs nothing there, so the data give no scale. "
        f"Leave the term out, {_OR_WITHOUT_DATA}"
    )


_OR_WITHOUT_DATA = (
    "or pass scales={...} with a magnitude that you would call large (a sweep finds those of the "
    "terms that you do not name), or scales=None to take weights as they are."
)
