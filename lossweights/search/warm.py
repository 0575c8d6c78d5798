"""A warm start: what an earlier sweep found, as first points of another space.

Only relative weights carry over from one sweep to another: divided by reference scales they mean
the same for other data and another model, about. Metrics do not, so every point is trained anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lossweights.base.sampled import Value
from lossweights.search.space import Space
from lossweights.search.start import equal_weights


def warm_parameters(space: Space, earlier: Sequence[Mapping[str, float]]) -> list[dict[str, Value]]:
    """Parameter values of a space that come nearest to weight sets of another one.

    Only the ratios of weights are taken over: all are multiplied so that the terms that are fixed
    here have their weights (if several are, as nearly as one factor can make it). A term that the
    other sweep did not have gets the weight that it has among equal ones. What is out of bounds
    goes to the bound; a weight of 0 switches off a term that may be off here. Those that come out
    alike are given once.

    Args:
        space: The space.
        earlier: Relative weights by term; other terms than those of the space are left out.

    >>> from lossweights.search.space import Fixed, LogUniform
    >>> spec = {"mse": Fixed(1.0), "under": LogUniform(0.1, 10.0), "shape": LogUniform(0.1, 10.0)}
    >>> warm_parameters(Space(list(spec), spec), [{"mse": 2.0, "under": 6.0}, {"under": 90.0}])
    [{'under': 3.0, 'shape': 1.0}, {'under': 10.0, 'shape': 1.0}]
    """
    equal = space.weights(equal_weights(space))
    found: list[dict[str, Value]] = []
    for weights in earlier:
        known = {name: weights[name] for name in space.names if name in weights}
        parameters = _nearest(space, equal, known)
        if parameters not in found:
            found.append(parameters)
    return found


def _nearest(
    space: Space, equal: Mapping[str, float], known: Mapping[str, float]
) -> dict[str, Value]:
    free = space.parameters
    if space.simplex is not None:
        mean = sum(known.values()) / len(known)  # a new term is as heavy as the others on average
        return space.parameters_of({name: known.get(name, mean) for name in space.names})
    fixed = [name for name in known if name not in free and equal[name] > 0 and known[name] > 0]
    logs = [math.log(equal[name] / known[name]) for name in fixed]
    factor = math.exp(sum(logs) / len(logs)) if logs else 1.0
    wanted = {name: known[name] * factor if name in known else equal[name] for name in free}
    held = {name: min(max(wanted[name], part.low), part.high) for name, part in free.items()}
    off = [name for name in space.choices.optional if known.get(name) == 0]
    for name in off:  # its weight says nothing
        held[name] = min(max(1.0, free[name].low), free[name].high)
    return {**held, **space.choices.usual, **space.choices.switched_off(off)}
