"""What the weights and scales of a loss must be; checked without Keras, which is slow to load."""

import math
from collections.abc import Mapping, Sequence

from lossweights.base.errors import WeightError

FLOAT32_MAX = 3.4028234663852886e38


def check_weights(
    weights: Mapping[str, object], names: Sequence[str] | None = None
) -> dict[str, float]:
    """The weights as floats, in the order of ``names``, if they make a loss.

    Args:
        weights: Weight of each term, by the term's name.
        names: The terms that must have a weight, no more and no fewer. ``None`` accepts any.

    Raises:
        WeightError: A weight is missing, unknown, not a number, negative, not finite, or too
            large for float32; or all of them are zero.

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
    checked = {name: _check_weight(name, weights[name]) for name in names}
    if not any(checked.values()):
        raise WeightError(
            f"Expected at least one weight above zero. Found all zero: {checked}. "
            f"A loss that is zero everywhere trains nothing."
        )
    return checked


def _check_weight(name: str, weight: object) -> float:
    number = as_number(weight)
    if 0.0 <= number <= FLOAT32_MAX:
        return number + 0.0  # -0.0 becomes 0.0
    raise WeightError(
        f"Expected a finite weight of at least 0 for the term {name!r}. Found {weight!r}. "
        f"Use 0 to switch the term off."
    )


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
        number = as_number(scale)
        if not 0 < number < math.inf:
            raise WeightError(
                f"Expected a finite scale above 0 for the term {name!r}. Found {scale!r}. {advice}"
            )
        checked[name] = number
    return checked


def as_number(value: object) -> float:
    """The value as a float, or NaN if it is no single number: truth values and texts are none."""
    if isinstance(value, (bool, str, bytes)) or "bool" in str(getattr(value, "dtype", "")):
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]  # numpy scalars and tensors too
    except (TypeError, ValueError, OverflowError):
        return math.nan
