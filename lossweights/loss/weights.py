"""What the weights and scales of a loss must be; checked without Keras, which is slow to load."""

import math
from collections.abc import Mapping, Sequence

from lossweights.base.errors import WeightError
from lossweights.base.numbers import as_number

FLOAT32_MAX = 3.4028234663852886e38
# The smallest normal float32. Below it float32 has few digits and then none, and TensorFlow's
# kernels take such numbers for 0 at once: a weight as small would switch its term off unsaid.
FLOAT32_TINY = 1.1754943508222875e-38


def check_weights(
    weights: Mapping[str, object],
    names: Sequence[str] | None = None,
    *,
    smallest: float = FLOAT32_TINY,
) -> dict[str, float]:
    """The weights as floats, in the order of ``names``, if they make a loss.

    Args:
        weights: Weight of each term, by the term's name.
        names: The terms that must have a weight, no more and no fewer. ``None`` accepts any.
        smallest: The smallest weight other than 0. Only records of the past have reason to take
            more than is trained with.

    Raises:
        WeightError: A weight is missing, unknown, not a number, negative, not finite, too large
            for float32 or so small that float32 takes it for 0; or all of them are zero.

    >>> check_weights({"under": 0.5, "mse": 1}, ["mse", "under"])
    {'mse': 1.0, 'under': 0.5}
    """
    if not isinstance(weights, Mapping):
        raise WeightError(
            f"Expected a mapping from term names to weights. Found {weights!r}. "
            f"Write weights={{'mse': 1.0, ...}}."
        )
    names = list(weights) if names is None else list(names)
    missing = [name for name in names if name not in weights]
    unknown = [name for name in weights if name not in names]
    if missing or unknown or not names:
        raise WeightError(
            f"Expected one weight for each of the terms {names}. Found weights for "
            f"{list(weights)}: missing {missing}, unknown {unknown}. Name every term once."
        )
    checked = {name: _check_weight(name, weights[name], smallest) for name in names}
    if not any(checked.values()):
        raise WeightError(
            f"Expected at least one weight above zero. Found all zero: {checked}. "
            f"A loss that is zero everywhere trains nothing."
        )
    return checked


def _check_weight(name: str, weight: object, smallest: float) -> float:
    number = as_number(weight)
    if number == 0.0 or smallest <= number <= FLOAT32_MAX:
        return number + 0.0  # -0.0 becomes 0.0
    if 0.0 < number < smallest:
        raise WeightError(
            f"Expected a weight of the term {name!r} that is 0 or at least {smallest:.3g}. Found "
            f"{weight!r}, which counts as 0 in float32, in which losses are computed: the term "
            f"would be switched off. Use 0 to say so, or multiply all weights by a common factor."
        )
    raise WeightError(
        f"Expected a finite weight of at least 0 for the term {name!r}. Found {weight!r}. "
        f"Use 0 to switch the term off."
    )


def divided_weights(
    weights: Mapping[str, float], scales: Mapping[str, float] | None
) -> dict[str, float]:
    """What multiplies each term: its weight, divided by its scale if there is one.

    Raises:
        WeightError: A quotient is no weight, since float32 does not hold it.

    >>> divided_weights({"mse": 1.0, "under": 0.5}, {"mse": 4.0, "under": 1.0})
    {'mse': 0.25, 'under': 0.5}
    """
    if scales is None:
        return check_weights(weights)
    try:
        return check_weights({name: weight / scales[name] for name, weight in weights.items()})
    except WeightError as error:
        raise WeightError(
            f"{error} It is a weight over its scale: weights {dict(weights)}, scales "
            f"{dict(scales)}."
        ) from None


def check_scales(scales: object, names: Sequence[str]) -> dict[str, float]:
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
        number = as_number(scale)
        if not 0 < number < math.inf:
            raise WeightError(
                f"Expected a finite scale above 0 for the term {name!r}. Found {scale!r}. Give the "
                f"magnitude that you would call large, in the units of the term."
            )
        checked[name] = number
    return checked
