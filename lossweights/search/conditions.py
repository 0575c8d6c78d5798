"""Conditions on metrics: ``shortfall<=5``, as picks and the constraints of a sweep say them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_CONDITION = re.compile(r"\s*(?P<metric>[^<>=\s]+)\s*(?P<sign><=|>=|<|>)\s*(?P<bound>\S+)\s*")
_COMPARE = {"<=": np.less_equal, ">=": np.greater_equal, "<": np.less, ">": np.greater}

# Names of the weighted total, Keras' own among them: smaller weights would win.
WEIGHTED = ("loss", "val_loss", "total", "total_loss", "weighted_loss")

# How far a number is beyond a bound if it is none, or further away than that. A plain number, since
# what reads a study, such as JavaScript, may know no infinity.
FAR = 1e9


@dataclass(frozen=True)
class Condition:
    """A bound on a metric.

    Attributes:
        metric: Name of the metric.
        sign: ``"<="``, ``">="``, ``"<"`` or ``">"``.
        bound: A finite number.

    >>> str(Condition("shortfall", "<=", 5.0))
    'shortfall<=5'
    """

    metric: str
    sign: str
    bound: float

    def __str__(self) -> str:
        return f"{self.metric}{self.limit}"

    @property
    def limit(self) -> str:
        """The condition without its metric."""
        return f"{self.sign}{short(self.bound)}"

    @property
    def is_upper(self) -> bool:
        """Whether the metric is to be small."""
        return self.sign.startswith("<")

    def holds(self, values: ArrayLike) -> NDArray[np.bool_]:
        """Where it holds; a number that is not finite satisfies nothing."""
        numbers = np.asarray(values, dtype=np.float64)
        found: NDArray[np.bool_] = _COMPARE[self.sign](numbers, self.bound) & np.isfinite(numbers)
        return found

    def excess(self, value: float) -> float:
        """By how much a value misses the bound, in parts of it; 0 or less if the condition holds.

        In parts of the bound, so that a limit of 5 and one of 5,000 count alike, and a number
        depends on nothing but its trial. A bound of 0 has no parts: there it is the plain
        difference. At most `FAR`, which is also what no finite number misses it by.

        >>> Condition("shortfall", "<=", 5.0).excess(6.0)
        0.2
        >>> Condition("dice", ">=", 0.8).excess(float("nan"))
        1000000000.0
        """
        if not math.isfinite(value):
            return FAR
        beyond = value - self.bound if self.is_upper else self.bound - value
        parts = min(max(beyond / (abs(self.bound) or 1.0), -FAR), FAR)
        if bool(self.holds(value)):
            return min(parts, 0.0)
        return max(parts, math.ulp(0.0))  # "<5" misses 5, if by nothing that can be measured


def short(number: float) -> str:
    """A number as a person writes it, without loss.

    >>> short(55.0), short(0.1), short(1e-05)
    ('55', '0.1', '1e-05')
    """
    return repr(float(number)).removesuffix(".0")


def parse_condition(text: str) -> Condition | None:
    """The condition that a text says, or ``None`` if it says none.

    >>> parse_condition("shortfall <= 0.1")
    Condition(metric='shortfall', sign='<=', bound=0.1)
    >>> parse_condition("shortfall<=nan") is None
    True
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        return None
    try:
        bound = float(match["bound"])
    except ValueError:
        return None
    return Condition(match["metric"], match["sign"], bound) if math.isfinite(bound) else None


def split_conditions(text: str) -> list[str]:
    """The parts of a text that stand between ``and``.

    >>> split_conditions("a<=1 and b>0")
    ['a<=1', 'b>0']
    """
    return [part for part in re.split(r"\s+and\s+", text) if part]


def contradiction(conditions: list[Condition]) -> tuple[Condition, Condition] | None:
    """Two conditions on one metric that no number satisfies together, or ``None``.

    >>> contradiction([Condition("bias", ">=", 1.0), Condition("bias", "<", 1.0)]) is None
    False
    """
    for upper in (each for each in conditions if each.is_upper):
        for lower in (c for c in conditions if c.metric == upper.metric and not c.is_upper):
            touch = upper.bound == lower.bound and upper.sign == "<=" and lower.sign == ">="
            if upper.bound <= lower.bound and not touch:
                return lower, upper
    return None


def as_json(conditions: tuple[Condition, ...]) -> dict[str, str]:
    """Conditions by metric, as a manifest holds them.

    >>> as_json((Condition("bias", ">=", -1.0), Condition("bias", "<=", 1.0)))
    {'bias': '>=-1 and <=1'}
    """
    found: dict[str, str] = {}
    for each in conditions:
        before = f"{found[each.metric]} and " if each.metric in found else ""
        found[each.metric] = f"{before}{each.limit}"
    return found


def from_json(limits: Mapping[str, str]) -> tuple[Condition, ...] | None:
    """The conditions that a manifest holds, or ``None`` if one of them is none.

    >>> from_json({"bias": ">=-1 and <=1"})[1]
    Condition(metric='bias', sign='<=', bound=1.0)
    """
    found = [
        parse_condition(f"{metric}{limit}")
        for metric, text in limits.items()
        for limit in split_conditions(text) or [""]
    ]
    return None if None in found else tuple(each for each in found if each is not None)
