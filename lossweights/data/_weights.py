"""Sample weights: one number for each row, for each element, or by output as the targets are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import tree
from numpy.typing import NDArray

from lossweights.base.errors import DataError


def whole_weights(weight: Any, y: Any) -> Any:
    """Weights for every output, 1 for those that have none; of one output they are as given.

    >>> y = {"depth": np.zeros((2, 1)), "mask": np.zeros((2, 1))}
    >>> whole_weights({"mask": [1.0, 2.0]}, y)
    {'depth': array([1., 1.], dtype=float32), 'mask': array([1., 2.])}
    """
    if isinstance(y, Mapping) and isinstance(weight, Mapping) and set(weight) <= set(y):
        return {name: _or_ones(weight.get(name), of) for name, of in y.items()}
    if _listed(y) and _listed(weight) and len(y) == len(weight):
        return type(y)(_or_ones(one, of) for one, of in zip(weight, y, strict=True))
    return weight


def checked_sample_weight(name: str, weight: Any, y: Any) -> Any:
    """Weights as trainings use them: ``(rows,)``, or an array for each element, or by output.

    Args:
        name: What to call the data in errors.
        weight: An array, or for several outputs what `whole_weights` gives.
        y: The targets, arrays alike.

    Returns:
        A column of weights as a row, and everything else as it is.

    Raises:
        DataError: They do not fit the targets, or one is negative.
    """
    if isinstance(y, np.ndarray) and isinstance(weight, np.ndarray):
        return _of_output(f"{name}.sample_weight", weight, y)
    if isinstance(weight, np.ndarray):  # one for all outputs
        if weight.shape[1:] in ((), (1,)):
            return _of_output(f"{name}.sample_weight", weight, tree.flatten(y)[0])
        raise refused_weights(
            f"{name}.sample_weight",
            f"one array of shape {weight.shape} for several outputs",
            "Give weights by output, as the targets are: {'output name': weights, ...}.",
        )
    if isinstance(y, Mapping) and isinstance(weight, Mapping) and set(y) == set(weight):
        return {k: _of_output(f"{name}.sample_weight.{k}", weight[k], of) for k, of in y.items()}
    if _listed(y) and _listed(weight) and len(y) == len(weight):
        pairs = enumerate(zip(weight, y, strict=True))
        return type(y)(_of_output(f"{name}.sample_weight.{i}", *pair) for i, pair in pairs)
    raise refused_weights(
        f"{name}.sample_weight",
        f"{_form(weight)} for {_form(y)}",
        "Give one array, or weights by output as the targets are given.",
    )


def check_some(name: str, weight: Any) -> None:
    """Refuse weights of an output that are all 0.

    Raises:
        DataError: They are.
    """
    for path, array in tree.flatten_with_path(weight):
        if not array.any():
            where = ".".join([f"{name}.sample_weight", *map(str, path)])
            raise refused_weights(where, "0 alone")


def are_of_elements(weight: Any) -> bool:
    """Whether some of these weights are of elements, and not of whole rows."""
    return any(array.ndim > 1 for array in tree.flatten(weight) if array is not None)


def refused_weights(
    where: str, found: str, advice: str = "Leave it out to weigh all alike."
) -> DataError:
    """The error for sample weights that cannot be used."""
    return DataError(
        f"Expected {where} as one number for each row, or for each element of y: of the shape of "
        f"y, with or without its last axis; none negative and not all 0. Found {found}. {advice}"
    )


def _of_output(where: str, weight: Any, y: Any) -> NDArray[Any]:
    """The weights of one output, if they fit its targets."""
    if not (isinstance(weight, np.ndarray) and isinstance(y, np.ndarray)):
        raise refused_weights(where, f"{_form(weight)} for {_form(y)}")
    of_rows, element = weight.shape[1:] in ((), (1,)), y.shape[1:]
    fitting = (element, (*element, 1), element[:-1], (*element[:-1], 1))
    if not of_rows and weight.shape[1:] not in fitting:
        raise refused_weights(where, f"weights of shape {weight.shape} for y of shape {y.shape}")
    if weight.min() < 0:
        raise refused_weights(where, f"weights from {weight.min()} to {weight.max()}")
    return weight.reshape(-1) if of_rows else weight


def _or_ones(weight: Any, y: Any) -> NDArray[Any]:
    return np.ones(len(y), "float32") if weight is None else np.asarray(weight)


def _listed(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _form(value: Any) -> str:
    """What there is: names of outputs, their number, or a shape."""
    if isinstance(value, Mapping):
        return f"weights or targets of the outputs {sorted(value)}"
    return f"{len(value)} arrays" if _listed(value) else f"an array of shape {value.shape}"
