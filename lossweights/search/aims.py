"""What a sweep aims at beside its objectives: a wish and constraints, and how far a trial misses.

Optuna's samplers take one number for each constraint, and a trial is feasible if none is above 0.
Feasible trials come first, and the others in the order of what they violate in sum. That is the
rule of Deb ("An efficient constraint handling method for genetic algorithms", 2000), and it is all
that makes the search concentrate where constraints hold.

A wish concentrates the search in the same way, by one more number for each metric. So a wish that
can be reached makes the search spread over the part of the front that fulfils it; and one that
cannot makes it gather around the nearest trials, without anybody having to relax it.

- A metric that misses its wish by a part ``m`` counts as ``m (1 + m) / 10``. The square keeps what
  is nearest in balance: by plain sums, all of a straight front would be as near. The tenth is for
  constraints, which come first: a little of a violation outweighs much of a miss.
- The numbers are smooth where a wish begins to be fulfilled, and one a metric, since samplers that
  model constraints find such a border best. (With the largest miss as the only number, a Gaussian
  process met a box in the middle of a front in 35 % of its trials, instead of 83 %.)
- Misses are in parts of what was wished, which no trial changes: a number that moved with the front
  would have to be found anew for every trial at every step, and a resumed sweep would not sample
  what it would have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lossweights.base.errors import StoreError
from lossweights.search.conditions import FAR, Condition, as_json, from_json

_WISH = 0.1  # what a wish counts beside a constraint


@dataclass(frozen=True)
class Aims:
    """A wish and constraints, on metrics of validation data.

    With several seeds a metric is its mean over them.

    Attributes:
        wish: What is wished for, as conditions.
        constraints: What must hold.

    >>> aims = Aims(constraints=(Condition("shortfall", "<=", 5.0),))
    >>> aims.violations({"shortfall": 6.0})
    {'shortfall<=5': 0.2}
    """

    wish: tuple[Condition, ...] = ()
    constraints: tuple[Condition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.wish or self.constraints)

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any]) -> Aims:
        """The aims that a manifest holds; none, if it was written before there were any.

        Raises:
            StoreError: They cannot be read.
        """
        parts = {}
        for field in ("wish", "constraints"):
            said = manifest.get(field, {})
            whole = isinstance(said, Mapping) and all(isinstance(v, str) for v in said.values())
            conditions = from_json(said) if whole else None
            if conditions is None:
                raise StoreError(
                    f"Expected conditions by metric as {field!r} of the manifest of "
                    f"{manifest.get('name')!r}. Found {said!r}. The file was edited; bring "
                    f"it back, or start a new sweep."
                )
            parts[field] = conditions
        return cls(**parts)

    def to_json(self) -> dict[str, dict[str, str]]:
        """As a manifest holds them: what was not declared is not there."""
        said = {"wish": as_json(self.wish), "constraints": as_json(self.constraints)}
        return {field: conditions for field, conditions in said.items() if conditions}

    def violations(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """The numbers that Optuna takes of a complete trial, by name; 0 or less is feasible.

        Args:
            metrics: Its metrics on validation data.

        >>> wish = (Condition("rmse", "<=", 50.0), Condition("dice", ">=", 0.8))
        >>> Aims(wish).violations({"rmse": 75.0, "dice": 0.9})
        {'wish rmse<=50': 0.07500000000000001, 'wish dice>=0.8': -0.012499999999999997}
        """
        found = {str(each): _excess(each, metrics) for each in self.constraints}
        for each in self.wish:
            missed = _excess(each, metrics)
            counted = max(missed * (1 + max(missed, 0.0)) * _WISH, -FAR)
            # Tiny numbers must not be rounded to 0, which would be fulfilled.
            found[f"wish {each}"] = min(max(counted, math.ulp(0.0)), FAR) if missed > 0 else counted
        return found

    def missed(self, metrics: Mapping[str, float]) -> float:
        """What a trial misses of the wish and of constraints in sum, as samplers see it.

        >>> Aims(wish=(Condition("rmse", "<=", 50.0),)).missed({"rmse": 75.0})
        0.07500000000000001
        """
        return sum((max(each, 0.0) for each in self.violations(metrics).values()), 0.0)

    def violation(self, metrics: Mapping[str, float]) -> float:
        """What a trial violates of the constraints in sum, in parts of their bounds; 0 if none."""
        return sum((max(_excess(each, metrics), 0.0) for each in self.constraints), 0.0)


def _excess(condition: Condition, metrics: Mapping[Any, Any]) -> float:
    return condition.excess(float(metrics.get(condition.metric, math.nan)))
