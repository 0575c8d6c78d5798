"""Where the search starts: parameter values that every sweep tries before anything is sampled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lossweights.base.errors import WeightError
from lossweights.base.sampled import Value
from lossweights.search.space import Space


def starting_points(
    space: Space, baselines: Iterable[Mapping[str, Value]] = ()
) -> list[dict[str, Value]]:
    """Parameter values to try before anything is sampled, without repetitions.

    They are the baselines inside the space; all weights equal, as near as the bounds allow; and for
    each term a corner of the space, where that term is as heavy and the others are as light as they
    can be. The corners bound what any weighting can reach in one term.

    Args:
        space: The search space.
        baselines: Parameter values of the baselines, see `lossweights.search.baselines`.

    >>> from lossweights.search.space import Fixed, LogUniform
    >>> starting_points(Space(["mse", "under"], {"mse": Fixed(1.0), "under": LogUniform(0.1, 10)}))
    [{'under': 1.0}, {'under': 0.1}, {'under': 10.0}]
    """
    found = [dict(parameters) for parameters in baselines]
    found.append(equal_weights(space))
    found.extend(_corner(space, name) for name in space.names)
    unique: list[dict[str, Value]] = []
    for parameters in found:
        if parameters not in unique and _makes_a_loss(space, parameters):
            unique.append(parameters)
    return unique


def _makes_a_loss(space: Space, parameters: Mapping[str, Value]) -> bool:
    """Whether any weight is above 0: the corner of a term fixed at 0 may have none."""
    try:
        space.weights(parameters)
    except WeightError:
        return False
    return True


def equal_weights(space: Space) -> dict[str, Value]:
    """Parameter values at which all weights are equal, as near as the bounds allow.

    What is chosen beside weights has its usual value.
    """
    if space.simplex is not None:
        return {**dict.fromkeys(space.parameters, 0.5), **space.choices.usual}
    equal = {name: min(max(1.0, part.low), part.high) for name, part in space.parameters.items()}
    return {**equal, **space.choices.usual}


def _corner(space: Space, heavy: str) -> dict[str, Value]:
    """One term at its heaviest. On a simplex a small coordinate is a heavy weight."""
    flip = space.simplex is not None
    unit = {name: float((name == heavy) != flip) for name in space.parameters}
    return space.at(unit)
