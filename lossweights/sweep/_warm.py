"""A warm start: the front of an earlier sweep is tried first."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossweights.base.errors import RecipeError
from lossweights.results.result import SweepResult
from lossweights.search.ranking import crowding
from lossweights.search.selection import costs
from lossweights.search.space import Space
from lossweights.search.warm import warm_parameters

log = logging.getLogger("lossweights")

MOST = 16  # points of an earlier front, and at most a quarter of the trials


def warm_start(
    earlier: str,
    root: Path,
    space: Space,
    terms: Mapping[str, Any],
    trials: int,
    scales: Mapping[str, float] | None,
) -> dict[str, Any]:
    """What of an earlier sweep is tried first, as a manifest has it.

    Weights relative to reference scales mean the same in both sweeps, about. If only one of them
    has scales, it is the weights in the loss that do: they are taken over, in the units of now.

    Args:
        earlier: Name of a sweep below the root; its model and data may be others.
        root: Folder of the sweeps.
        space: What is sampled now.
        terms: Descriptions of the terms now; a term of the same name counts as the same if its
            description is.
        trials: How many weight sets are to be tried.
        scales: What sampled weights are divided by now, or ``None``.

    Raises:
        SweepNotFound: There is no sweep of this name below the root.
        RecipeError: It has no complete trial, or no terms in common whose ratio is searched.
    """
    result = SweepResult.read(earlier, root)
    front = result.pareto
    if front.empty:
        raise RecipeError(
            f"Expected a warm start from a sweep with complete trials. Found none in {earlier!r}. "
            f"Leave out warm_start, or name another sweep."
        )
    then = result.terms
    same = [n for n in space.names if n in then and then[n] == terms.get(n, then[n])]
    others = [name for name in space.names if name in then and name not in same]
    if len(same) >= 2 and not set(same) & set(space.parameters):
        raise RecipeError(
            f"Expected a warm start from a sweep with a term whose weight is searched here, one of "
            f"{list(space.parameters)}. Found {same} in {earlier!r}, which are fixed here. Leave "
            f"out warm_start, or name another sweep."
        )
    if len(same) < 2:
        changed = f" ({', '.join(others)} changed meanwhile)" if others else ""
        raise RecipeError(
            f"Expected a warm start from a sweep with two of the terms {list(space.names)} at "
            f"least. Found {same or 'none'} in {earlier!r}{changed}. Leave out warm_start, or name "
            f"another sweep."
        )
    if others:
        log.warning("warm start: %s changed since %s and start anew", ", ".join(others), earlier)
    if (result.scales is None) != (scales is None):
        log.warning(
            "warm start: only one of the sweeps has reference scales, so the weights in the loss "
            "of %s are tried, not those relative to scales",
            earlier,
        )
        units = {name: (scales or {}).get(name, 1.0) for name in same}
        front = front.assign(
            **{f"relative/{name}": front[f"weight/{name}"] * unit for name, unit in units.items()}
        )
    apart = crowding(costs(front, result.objectives))
    rows = front.assign(apart=apart).sort_values(["apart", "number"], ascending=[False, True])
    weights = [
        {name: float(row[f"relative/{name}"]) for name in same}
        for _, row in rows.head(max(min(MOST, trials // 4), 1)).iterrows()
    ]
    return {"start": earlier, "parameters": warm_parameters(space, weights)}
