"""The lowest value of a function of a few numbers that may have kinks, plateaus and gaps."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

# Widths to either side that are looked at. They go far, because predictions may be in other units
# than targets.
_FAR = 1e6
_BEYOND = 1e2  # what still falls from here on has left the data behind
_STEPS = (1e-4, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, _BEYOND, 1e3, 1e4, 1e5, _FAR)
_VALLEYS = 3  # of a line that are followed to their bottom
_FINE = 1e-5  # of the width of a valley: how finely its bottom is found
_FALL = 1e-4  # a smaller relative fall is none
_ROUNDING = 1e-6  # two values are the same if they differ by less, relatively

_MOST_TUNED = 32  # numbers that are tuned one by one
_TUNED = 3.0  # widths to either side
_EVALUATIONS = 400  # at most, to tune them
_HIGH = 1e30  # stands for what is not finite where SciPy wants a number


@dataclass(frozen=True)
class Minimum:
    """The lowest value that was found.

    Attributes:
        at: Where, shape ``(numbers,)``.
        value: How low.
        endless: There is no best place: the further out in one direction, the lower it gets, or it
            is 0 or less from some place on, however far.
    """

    at: Array
    value: float
    endless: bool


def find_minimum(
    function: Callable[[Array], float], guesses: Sequence[Array], width: Array
) -> Minimum | None:
    """Search for the lowest value of a function from some guesses.

    All guesses are tried, then the line through the best of them on which all numbers move
    together. Several numbers are then tuned by Powell's method, unless they are more than 32: for
    those the guesses have to be good. The same call gives the same result.

    Args:
        function: A function of an array of shape ``(numbers,)``. What is not finite counts as
            worse than everything that is.
        guesses: Places to start from, at least one.
        width: How far each number may be expected to move, above 0.

    Returns:
        The minimum, or ``None`` if the function was finite nowhere.

    Source: Brent, "Algorithms for Minimization without Derivatives" (1973); Powell, "An efficient
    method for finding the minimum of a function of several variables" (Computer Journal 7, 1964);
    both as in SciPy.

    >>> found = find_minimum(lambda x: abs(float(x[0]) - 3.0), [np.array([0.0])], np.array([1.0]))
    >>> round(float(found.at[0]), 4), round(found.value, 4), found.endless
    (3.0, 0.0, False)
    """
    tried = _Tried(function)
    for guess in guesses:
        tried.value(guess)
    origin = guesses[0] if tried.at is None else tried.at
    endless = _follow(tried, origin, width, guesses if len(origin) == 1 else ())
    if tried.at is None:
        return None
    if not endless and 1 < len(origin) <= _MOST_TUNED:
        _tune(tried, width)
    return Minimum(tried.at, tried.lowest, endless)


@dataclass
class _Tried:
    """A function, and the lowest of its values so far."""

    function: Callable[[Array], float]
    lowest: float = math.inf
    at: Array | None = field(default=None)

    def value(self, x: Array) -> float:
        """The value at a place; infinite where there is none."""
        value = float(self.function(x))
        if not math.isfinite(value):
            return math.inf
        if self.at is None or value < self.lowest - _ROUNDING * abs(self.lowest):
            self.lowest, self.at = value, x
        return value


def _follow(tried: _Tried, origin: Array, width: Array, others: Sequence[Array]) -> bool:
    """Search the line ``origin + step * width``, which ``others`` lie on; whether it is endless."""
    from scipy import optimize

    def along(step: float) -> float:
        return tried.value(origin + step * width)

    known = [float((other - origin)[0] / width[0]) for other in others]
    steps = np.array(sorted({0.0, *known, *_STEPS, *(-step for step in _STEPS)}))
    values = np.array([along(step) for step in steps])
    inner = np.arange(1, len(steps) - 1)
    low = (values[inner] <= values[inner - 1]) & (values[inner] <= values[inner + 1])
    valleys = inner[low & np.isfinite(values[inner])]
    for i in sorted(valleys, key=lambda i: (values[i], abs(steps[i])))[:_VALLEYS]:
        left, right = float(steps[i - 1]), float(steps[i + 1])
        optimize.minimize_scalar(
            along,
            bounds=(left, right),
            method="bounded",
            options={"xatol": _FINE * (right - left), "maxiter": 50},
        )
    by_step = dict(zip(steps.tolist(), values.tolist(), strict=True))
    return any(_is_endless(by_step[s * _BEYOND], by_step[s * _FAR], tried.lowest) for s in (-1, 1))


def _is_endless(beyond: float, far: float, lowest: float) -> bool:
    """Whether the lowest value lies as far out as was looked, and is no plateau above 0."""
    if not math.isfinite(far) or far > lowest + _ROUNDING * abs(lowest):
        return False
    return lowest <= 0 or not far >= beyond - _FALL * abs(beyond)


def _tune(tried: _Tried, width: Array) -> None:
    """Tune the numbers of the lowest place so far, each within some widths."""
    from scipy import optimize

    assert tried.at is not None
    around = _TUNED * width
    optimize.minimize(
        lambda x: min(tried.value(x), _HIGH),
        tried.at,
        method="Powell",
        # Without bounds its steps would be fine relative to a place near 0, which takes for ever.
        bounds=np.stack([tried.at - around, tried.at + around], axis=1),
        options={"maxfev": _EVALUATIONS, "xtol": 1e-4, "ftol": 1e-5, "direc": np.diag(width)},
    )
