"""Wish and constraints of a sweep, checked when it is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lossweights.base.errors import ObjectiveError
from lossweights.metrics import Metric
from lossweights.search.aims import Aims
from lossweights.search.conditions import (
    Condition,
    contradiction,
    parse_condition,
    split_conditions,
)
from lossweights.search.wish import Wish, refuse_weighted


def declared_aims(
    wish: Wish | None, constraints: Mapping[str, str] | None, metrics: Mapping[str, Metric]
) -> Aims:
    """The aims of a sweep.

    Args:
        wish: What is wished for.
        constraints: Limits by metric, such as ``"<=5"`` or ``">=-1 and <=1"``.
        metrics: The metrics of the sweep.

    Raises:
        ObjectiveError: They name no metric of the sweep, a weighted loss, or a metric without a
            better end as a wish; a limit cannot be read; or they contradict each other.
    """
    if not isinstance(wish, Wish | None):
        raise ObjectiveError(
            f"Expected a wish such as lw.Wish(rmse=55). Found {wish!r}. Make one of it."
        )
    directions = {name: metric.direction for name, metric in metrics.items()}
    wished = () if wish is None else wish.conditions(directions)
    limits = _limits(constraints or {}, metrics)
    clash = contradiction([*limits, *wished])
    if clash is not None:
        raise ObjectiveError(
            f"Expected a wish and constraints that some number satisfies together. Found "
            f"{clash[0]} and {clash[1]}. Loosen one of them."
        )
    return Aims(wished, limits)


def _limits(constraints: Mapping[str, str], metrics: Mapping[str, Metric]) -> tuple[Condition, ...]:
    if not isinstance(constraints, Mapping):
        raise ObjectiveError(
            f"Expected constraints by metric, such as {{'shortfall': '<=5'}}. Found "
            f"{constraints!r}. Name the metric of each."
        )
    found: list[Condition] = []
    for name, limit in constraints.items():
        refuse_weighted(name, "constraints")
        if name not in metrics:
            raise ObjectiveError(
                f"Expected constraints on the metrics {list(metrics)}. Found {name!r}. "
                f"Add it to metrics=."
            )
        found += [_limit(name, part, limit) for part in _parts(limit)]
    return tuple(found)


def _parts(limit: object) -> Sequence[str]:
    return split_conditions(limit) or [""] if isinstance(limit, str) else [""]


def _limit(name: str, part: str, limit: object) -> Condition:
    condition = parse_condition(f"{name}{part}")
    # The name ends where the sign begins: what stands between belongs to neither.
    if condition is None or condition.metric != name:
        raise ObjectiveError(
            f"Expected a limit such as '<=5', '>= 0.8' or '>=-1 and <=1' for {name!r}. Found "
            f"{limit!r}. Write a sign and a number."
        )
    return condition
