"""Ranges to search the weights in, from what one look at a model has measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lossweights.loss.weights import FLOAT32_MAX, FLOAT32_TINY
from lossweights.search.space import Fixed, LogUniform

DECADES = 2.0  # to each side of the centre


def suggested_space(
    names: Sequence[str],
    anchor: str,
    centres: Mapping[str, float],
    balances: Mapping[str, Sequence[float]],
) -> dict[str, Fixed | LogUniform]:
    """A range for each weight, measured against that of one term.

    The anchor has the weight 1: only ratios matter to where training ends, and a weight that is
    fixed takes a dimension from the search. The others have two decades to each side of the weight
    at which they count as much as the anchor for the best constant prediction, which depends on no
    seed and no untrained model. Where the weight at which the gradients are equally long lies
    beyond, the range is widened to it, to the next power of ten: a range in which one gradient is
    always the longer could not show the exchange. Without reference scales the range lies about
    that weight alone.

    Args:
        names: The terms.
        anchor: The term that the others are measured against; it should be the accuracy.
        centres: Weight at which a term counts as much as the anchor by their reference scales, for
            the terms that have such.
        balances: Weights at which a term's gradient is as long as the anchor's, one a measurement.

    >>> suggested_space(["mse", "under"], "mse", {"under": 1.0}, {"under": [0.5, 300.0]})
    {'mse': Fixed(value=1.0), 'under': LogUniform(low=0.01, high=1000.0)}
    >>> suggested_space(["mse", "own"], "mse", {}, {"own": [2.0, 8.0]})
    {'mse': Fixed(value=1.0), 'own': LogUniform(low=0.04, high=400.0)}
    """
    space: dict[str, Fixed | LogUniform] = {}
    for name in names:
        if name == anchor:
            space[name] = Fixed(1.0)
            continue
        equal = [w for w in balances.get(name, ()) if FLOAT32_TINY < w < FLOAT32_MAX]
        centre = centres.get(name) or (math.exp(_mean_log(equal)) if equal else 1.0)
        low, high = centre / 10**DECADES, centre * 10**DECADES
        if equal and min(equal) < low:
            low = 10.0 ** math.floor(math.log10(min(equal)))
        if equal and max(equal) > high:
            high = 10.0 ** math.ceil(math.log10(max(equal)))
        space[name] = LogUniform(_inside(_rounded(low)), _inside(_rounded(high)))
    return space


def _mean_log(numbers: Sequence[float]) -> float:
    return sum(map(math.log, numbers)) / len(numbers)


def _rounded(number: float) -> float:
    """To one digit, as a person would write it."""
    return float(f"{number:.0e}")


def _inside(number: float) -> float:
    return min(max(number, FLOAT32_TINY), FLOAT32_MAX)
