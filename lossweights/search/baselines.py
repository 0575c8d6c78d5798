"""Where the search starts: baselines that every sweep should have tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lossweights.base.errors import WeightError
from lossweights.search.space import Space


def baselines(space: Space, given: Sequence[Mapping[str, float]] = ()) -> list[dict[str, float]]:
    """Parameter values to try before anything is sampled, without repetitions.

    They are the weight sets that the user gave; all weights equal, as near as the bounds allow;
    and for each term a corner of the space, where that term is as heavy and the others are as
    light as they can be. The corners bound what any weighting can reach in one term.

    Args:
        space: The search space.
        given: Weight sets of the user's own, such as the ones in use today.

    Raises:
        SpaceError: A given weight set is outside the space.

    >>> from lossweights.search.space import Fixed, LogUniform
    >>> baselines(Space(["mse", "under"], {"mse": Fixed(1.0), "under": LogUniform(0.1, 10.0)}))
    [{'under': 1.0}, {'under': 0.1}, {'under': 10.0}]
    """
    found = [space.parameters_of(weights) for weights in given]
    found.append(equal_weights(space))
    found.extend(_corner(space, name) for name in space.names)
    unique: list[dict[str, float]] = []
    for parameters in found:
        if parameters not in unique and _makes_a_loss(space, parameters):
            unique.append(parameters)
    return unique


def _makes_a_loss(space: Space, parameters: Mapping[str, float]) -> bool:
    """Whether any weight is above 0: the corner of a term fixed at 0 may have none."""
    try:
        space.weights(parameters)
    except WeightError:
        return False
    return True


def equal_weights(space: Space) -> dict[str, float]:
    """Parameter values at which all weights are equal, as near as the bounds allow."""
    if space.simplex is not None:
        return dict.fromkeys(space.parameters, 0.5)
    return {name: min(max(1.0, part.low), part.high) for name, part in space.parameters.items()}


def _corner(space: Space, heavy: str) -> dict[str, float]:
    """One term at its heaviest. On a simplex a small coordinate is a heavy weight."""
    flip = space.simplex is not None
    unit = {name: float((name == heavy) != flip) for name in space.parameters}
    return space.at(unit)
