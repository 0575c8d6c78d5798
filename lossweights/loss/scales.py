"""Reference scales: how large each term is for a model that predicts a constant, without training.

A weight of 0.2 means nothing by itself: squared metres and metres, or a mask at half the
resolution, give the same term another size. Divided by what the best constant prediction costs,
every term starts near 1, and the weights say how much each one matters.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from lossweights.base.errors import DataError, TermError
from lossweights.loss.weights import check_scales
from lossweights.terms import Term, as_term
from lossweights.terms.reduction import reduce_weighted
from lossweights.terms.summands import terms_by_output, values_of
from lossweights.terms.targets import Array, Targets

Shape: TypeAlias = Sequence[int | None]

_ROWS = 1024  # at a time: the constant predictions of a whole data set need not fit into memory
_SMALLEST = 1e-7  # probabilities are kept off 0 and 1 by as much as Keras does

# From a constant in the units of the targets to the predictions of a term, by its `Term.link`.
_LINKS: Mapping[str, Callable[[Array], Array]] = {
    "identity": lambda constant: constant,
    "logit": lambda rates: np.log(_off_the_ends(rates)) - np.log1p(-_off_the_ends(rates)),
    "softmax": lambda rates: np.log(_off_the_ends(rates)),
}


def reference_scales(
    terms: Mapping[str, Any],
    y: ArrayLike | Mapping[str, ArrayLike],
    sample_weight: Any = None,
    *,
    output_shape: Shape | Mapping[str, Shape] | None = None,
) -> dict[str, float]:
    """The value of each term for the constant prediction that fits the targets ``y`` best.

    The constant is the mean of ``y``: over the samples, over every axis that a term differences
    along, and over all axes between the first and the last, so that there is one constant for each
    channel (and one alone for series ``(n, time)`` under a boundary along time). For class numbers
    it is the frequency of each class; for losses made with ``from_logits=True`` it is given as
    log-odds or log-probabilities. So squared error has the variance of ``y`` as its scale, the
    linear underestimation penalty the mean absolute deviation, a boundary term the mean absolute
    difference of neighbours.

    Args:
        terms: Terms by name, or anything that a combined loss takes as terms.
        y: Targets of the training data, shape ``(n, ...)``; a dict of them for several outputs.
        sample_weight: Weights as given to ``fit``, or ``None``.
        output_shape: ``model.output_shape``, where the targets do not tell the number of classes; a
            dict of them for several outputs.

    Returns:
        A scale above 0 for each term, in the order of ``terms``, in the units of the term.

    Raises:
        WeightError: A scale is 0 or not finite, as for a term that no constant prediction costs
            anything.
        TermError: A term has no constant prediction (``CTC``, ``Circle``) or does not fit ``y``.
        DataError: ``y`` is empty.

    Source: the normalisation of multi-term losses by a baseline; Var(y) as the scale of squared
    error is that of the coefficient of determination.

    >>> scales = reference_scales({"mse": "mse", "mae": "mae"}, [[1.0], [3.0], [5.0]])
    >>> {name: round(scale, 4) for name, scale in scales.items()}
    {'mse': 2.6667, 'mae': 1.3333}
    """
    built = {name: as_term(term, name) for name, term in terms.items()}
    scales = {}
    for part in terms_by_output(built):
        data = (part.read(y, "y"), part.weight_of(sample_weight), part.weight_of(output_shape))
        for name, term in part.terms.items():
            scales[name] = _scale(name, term, list(part.terms.values()), *data)
    advice = (
        "A constant prediction costs nothing there, so the data give no scale. Leave the term out, "
        "or pass scales={...} with a magnitude that you would call large."
    )
    return check_scales(scales, list(built), advice)


def _scale(
    name: str, term: Term, group: Sequence[Term], y: Any, sample_weight: Any, output_shape: Any
) -> float:
    """The mean of one term over the data, for the constant that the whole group shares."""
    y = np.asarray(y)
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float32)
    if y.ndim == 0 or len(y) == 0 or (weight is not None and not weight.any()):
        raise DataError(
            "Expected targets with at least one sample of a weight above 0. "
            f"Found targets of shape {y.shape}. Pass the targets of the training data."
        )
    targets = Targets(
        y,
        weight,
        classes=None if output_shape is None else output_shape[-1],
        axes=[axis for each in group for axis in each.axes],
        mapped=any(each.mapped for each in group),
        term=name,
    )
    constant = _constant(term, targets)
    total = 0.0
    for start in range(0, len(y), _ROWS):
        rows = slice(start, start + _ROWS)
        y_pred = np.broadcast_to(constant, (len(y[rows]), *constant.shape[1:]))
        given = weight if weight is None or weight.ndim == 0 else weight[rows]
        values = reduce_weighted(
            partial(values_of, name, term), y[rows], y_pred, given, None, "float32"
        )
        total += float(np.sum(ops.convert_to_numpy(values), dtype=np.float64))
    return total / len(y)


def _constant(term: Term, targets: Targets) -> Array:
    """The constant prediction as ``term`` takes it, shape ``(1, ...)`` of one sample.

    The one place that asks a term for its constant: terms that know no closed form would have
    theirs searched for here.

    Raises:
        TermError: The term has none, or does not say how predictions are to be read.
    """
    if term.link not in _LINKS:
        raise TermError(
            f"Expected the term {targets.term!r} to have a link among {list(_LINKS)}. "
            f"Found {term.link!r}. Leave it out where predictions are in the units of the targets."
        )
    return _LINKS[term.link](term.best_constant(targets)).astype(np.float32)


def _off_the_ends(rates: Array) -> Array:
    """Probabilities that have a logarithm, as have their complements."""
    return np.clip(rates, _SMALLEST, 1 - _SMALLEST)


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
