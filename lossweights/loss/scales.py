"""Reference scales: how large each term is for a model that predicts a constant, without training.

A weight of 0.2 means nothing by itself: squared metres and metres, or a mask at half the
resolution, give the same term another size. Divided by what the best constant prediction costs,
every term starts near 1, and the weights say how much each one matters.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lossweights.base.errors import DataError, TermError, WeightError
from lossweights.terms._as_term import as_term
from lossweights.terms._distance_map import DistanceBoundary, HausdorffDistance
from lossweights.terms._foreign import KerasLoss
from lossweights.terms._on_mask import OnMask
from lossweights.terms._output import OnOutput, values_of
from lossweights.terms._region import Focal
from lossweights.terms.term import Term, ops, reduce_weighted

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = Sequence[int | None]

_ROWS = 1024  # at a time: the constant predictions of a whole data set need not fit into memory
_SMALLEST = 1e-7  # probabilities are kept off 0 and 1 by as much as Keras does


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
    for name, term in built.items():
        if isinstance(term, OnOutput):
            output = term.output
            group = [
                t.term for t in built.values() if isinstance(t, OnOutput) and t.output == output
            ]
            data = (term.read(y, "y"), term.weight_of(sample_weight), term.weight_of(output_shape))
            scales[name] = _scale(name, term.term, group, *data)
        else:
            group = [t for t in built.values() if not isinstance(t, OnOutput)]
            scales[name] = _scale(name, term, group, y, sample_weight, output_shape)
    advice = (
        "A constant prediction costs nothing there, so the data give no scale. Leave the term out, "
        "or pass scales={...} with a magnitude that you would call large."
    )
    return check_scales(scales, list(built), advice)


def check_scales(
    scales: object,
    names: Sequence[str],
    advice: str = "Give the magnitude that you would call large, in the units of the term.",
) -> dict[str, float]:
    """The scales as floats, in the order of ``names``, if weights can be divided by them.

    Raises:
        WeightError: A scale is missing or unknown, or not a finite number above 0.
    """
    if not isinstance(scales, Mapping) or set(scales) != set(names):
        found = list(scales) if isinstance(scales, Mapping) else scales
        raise WeightError(
            f"Expected one scale for each of the terms {list(names)}. Found {found!r}. "
            "Name every term once, or pass scales='data'."
        )
    checked = {}
    for name in names:
        scale = scales[name]
        try:
            number = math.nan if isinstance(scale, bool | str) else float(scale)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 < number < math.inf:
            raise WeightError(
                f"Expected a finite scale above 0 for the term {name!r}. Found {scale!r}. {advice}"
            )
        checked[name] = number
    return checked


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
    classes = None if output_shape is None else output_shape[-1]
    constant = _constant(name, term, group, y, weight, classes)
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


def _constant(
    name: str,
    term: Term,
    group: Sequence[Term],
    y: Array,
    weight: Array | None,
    classes: int | None,
) -> Array:
    """The constant prediction as ``term`` takes it, shape ``(1, ...)`` of one sample."""
    core = term.term if isinstance(term, OnMask) else term
    kind = core.loss if isinstance(core, KerasLoss) else ""
    if kind in ("CTC", "Circle"):
        raise TermError(
            f"Expected terms that a constant prediction can be given to. Found {kind} as the term "
            f"{name!r}. Pass scales={{...}} with a magnitude for every term."
        )
    if kind in ("SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy"):
        rates = _class_rates(name, core.arguments, y, weight, classes)
    else:
        rates = _means(group, y, weight, classes)
    if not _from_logits(core):
        return rates.astype(np.float32)
    bounded = np.clip(rates, _SMALLEST, 1 - _SMALLEST)
    binary = isinstance(core, Focal) or kind.startswith("Binary")
    logits: Array = np.log(bounded) - (np.log1p(-bounded) if binary else 0.0)
    return logits.astype(np.float32)


def _means(group: Sequence[Term], y: Array, weight: Array | None, classes: int | None) -> Array:
    """The mean of the targets for each channel, or for all where a term differences along it."""
    if any(isinstance(term, OnMask | DistanceBoundary | HausdorffDistance) for term in group):
        channels = classes or y.shape[-1] // 2  # the distance maps ride behind the masks
        y = y[..., :channels]
        if weight is not None and weight.ndim == y.ndim:
            weight = weight[..., :channels]
    last = y.ndim - 1
    differenced = {axis % y.ndim for term in group for axis in _axes(term)}
    over = tuple(range(y.ndim)) if last in differenced else tuple(range(max(last, 1)))
    means: Array = np.average(
        y.astype(np.float64), axis=over, weights=_full(weight, y), keepdims=True
    )
    return np.broadcast_to(means, (1, *y.shape[1:]))


def _class_rates(
    name: str,
    arguments: Mapping[str, Any],
    y: Array,
    weight: Array | None,
    classes: int | None,
) -> Array:
    """The frequency of each class, shape ``(1, ..., classes)`` for class numbers ``(n, ...)``."""
    labels = y[..., 0] if y.ndim > 1 and y.shape[-1] == 1 else y
    counted = np.ones(labels.shape, bool)
    if arguments.get("ignore_class") is not None:
        counted = labels != arguments["ignore_class"]
    numbers = labels[counted].astype(np.int64)
    if numbers.size == 0 or numbers.min() < 0:
        raise TermError(
            f"Expected class numbers from 0 for the term {name!r}. Found "
            f"{'none' if numbers.size == 0 else int(numbers.min())}. Number the classes from 0."
        )
    full = _full(weight, labels)
    counts = np.bincount(
        numbers,
        weights=None if full is None else full[counted],
        minlength=classes or 0,
    )
    rates = counts / counts.sum()
    return np.broadcast_to(rates, (1, *labels.shape[1:], len(rates)))


def _full(weight: Array | None, like: Array) -> Array | None:
    """A weight for each element, from weights for each sample or each element."""
    if weight is None:
        return None
    while weight.ndim > like.ndim:
        weight = weight[..., 0]
    return np.broadcast_to(np.expand_dims(weight, (*range(weight.ndim, like.ndim),)), like.shape)


def _axes(term: Term) -> tuple[int, ...]:
    core = term.term if isinstance(term, OnMask) else term
    axes: tuple[int, ...] = getattr(core, "axes", ())
    return axes


def _from_logits(term: Term) -> bool:
    if isinstance(term, KerasLoss):
        return bool(term.arguments.get("from_logits", False))
    return isinstance(term, Focal) and term.from_logits
