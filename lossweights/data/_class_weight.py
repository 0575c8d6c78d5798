"""Weights of classes, as weights of the rows or elements whose targets they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lossweights.base.errors import DataError
from lossweights.data._split import Split
from lossweights.data._weights import check_some

ClassWeight: TypeAlias = "Mapping[int, float] | Mapping[str, Mapping[int, float]]"

_ROUNDING = 1e-3  # by which one-hot targets of half precision, or smoothed ones, miss a sum of 1


def weighed_by_class(name: str, split: Split, class_weight: ClassWeight) -> Split:
    """Rows whose sample weights are multiplied by the weights of their classes.

    Args:
        name: What to call the data in errors.
        split: The rows.
        class_weight: Weight of each class by its number, 1 for those that are left out; for several
            outputs a dict of such by the names of those that have any.

    Raises:
        DataError: The weights are none, or the targets no classes.

    >>> rows = Split(np.zeros((3, 1)), np.array([[0.0], [1.0], [0.0]]))
    >>> weighed_by_class("train", rows, {1: 5.0}).sample_weight.tolist()
    [1.0, 5.0, 1.0]
    """
    where, y, given = f"{name}.y", split.y, split.sample_weight
    if not isinstance(class_weight, Mapping) or not class_weight:
        raise _refused(f"class_weight={class_weight!r:.80}")
    found: Any
    if isinstance(y, np.ndarray):
        found = _product(of_classes(where, y, class_weight), given)
    elif isinstance(y, Mapping) and set(class_weight) <= set(y):
        each = given if isinstance(given, Mapping) else dict.fromkeys(y, given)
        found = {key: _or_ones(each[key], of) for key, of in y.items()}
        for key, table in class_weight.items():
            weights = of_classes(f"{where}.{key}", y[key], table)
            found[key] = _product(weights, found[key])
    else:
        outputs = f"the outputs {sorted(y)}" if isinstance(y, Mapping) else f"{len(y)} targets"
        raise _refused(f"class_weight={class_weight!r:.80} for {outputs}")
    check_some(name, found)
    return Split(split.x, y, found)


def of_classes(where: str, y: NDArray[Any], class_weight: Any) -> NDArray[Any]:
    """The weight of each target's class: of the shape of ``y`` without its channels.

    Targets are one-hot where the numbers of their last axis are those of a distribution, else the
    numbers of classes. What is not known, NaN, weighs 1.

    >>> of_classes("y", np.eye(3)[[0, 2]], {0: 2.0, 2: 7.0}).tolist()
    [2.0, 7.0]
    """
    table = _checked(class_weight)
    if y.ndim > 1 and y.shape[-1] == 1:
        y = y[..., 0]
    number = np.asarray(y, np.float64)
    unknown: Any = np.isnan(number)
    if _are_one_hot(number):
        unknown = unknown.any(axis=-1)
        highest, number = y.shape[-1] - 1, np.where(unknown, -1, number.argmax(axis=-1))
    else:
        if (number[~unknown] != np.round(number[~unknown])).any():
            raise DataError(
                f"Expected targets that are classes in {where}, for class_weight=: numbers, or "
                f"one-hot on the last axis. Found shape {y.shape} with other numbers. Give weights "
                f"of elements yourself: train=(x, y, np.where(y[..., 0] == 1, 5.0, 1.0))."
            )
        several = y.ndim > 1  # which might be meant as labels beside each other
        highest = number[~unknown].max(initial=0) if several else math.inf
    if beyond := [key for key in table if key > highest]:
        raise DataError(
            f"Expected class_weight= of classes up to {int(highest)}, which {where} has. Found "
            f"{beyond}. Number the classes from 0, and give targets that are class numbers or "
            f"one-hot; weigh labels that do not exclude each other by elements: train=(x, y, w)."
        )
    found = np.ones(number.shape, "float32")
    for key, weight in table.items():
        found[(number == key) & ~unknown] = weight
    return found


def _are_one_hot(y: NDArray[np.float64]) -> bool:
    if y.ndim < 2:
        return False
    rows = y[~np.isnan(y).any(axis=-1)]
    whole = np.abs(rows.sum(axis=-1) - 1) <= _ROUNDING
    return bool(whole.all() and rows.min(initial=0) >= 0)


def _checked(class_weight: Any) -> dict[int, float]:
    """The table of one output."""
    fine = isinstance(class_weight, Mapping) and all(
        isinstance(key, Integral) and isinstance(weight, Real) and 0 <= float(weight) < math.inf
        for key, weight in class_weight.items()
    )
    if not fine:
        raise _refused(f"class_weight={class_weight!r:.80}")
    return {int(key): float(weight) for key, weight in class_weight.items()}


def _refused(found: str) -> DataError:
    return DataError(
        f"Expected class_weight={{0: 1.0, 1: 5.0}}, a number of at least 0 for each class, or a "
        f"dict of these by the names of outputs, as y is. Found {found}. Leave it out to weigh all "
        f"alike."
    )


def _or_ones(weight: Any, y: NDArray[Any]) -> NDArray[Any]:
    return np.ones(len(y), "float32") if weight is None else weight


def _product(weights: NDArray[Any], given: NDArray[Any] | None) -> NDArray[Any]:
    """Weights of classes times those that were given, of rows or elements."""
    if given is None:
        return weights
    if given.ndim == weights.ndim + 1 and given.shape[-1] == 1:
        given = given[..., 0]
    axes = max(weights.ndim, given.ndim)
    one, other = (a.reshape(*a.shape, *[1] * (axes - a.ndim)) for a in (weights, given))
    product: NDArray[Any] = one * other
    return product
