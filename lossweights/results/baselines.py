"""Baselines of a sweep: those that are trials, those that stand beside them, and their table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from lossweights.dominance.judge import judge_results
from lossweights.results._table import baseline_row
from lossweights.results.contest import Contest, Contestant
from lossweights.results.folder import Finished
from lossweights.search.aims import Aims
from lossweights.search.baselines import Baselines
from lossweights.search.space import Space

ROLE = "baseline"


def starting_magnitudes(
    finished: Mapping[int, Finished], scales: Mapping[str, float] | None
) -> dict[str, float] | None:
    """Magnitude of each term before training, in units of the space; ``None`` before any trial.

    All trials begin with the same parameters, so the first one that has a report tells them all.

    Args:
        finished: The trials that have ended, by number.
        scales: What sampled weights are divided by, or ``None``.
    """
    units = scales or {}
    for number in sorted(finished):
        result = finished[number].result
        if result.reports and result.reports[0].epoch == 0:
            first = result.reports[0].train
            return {name: first[name] / units.get(name, 1.0) for name in result.weights}
    return None


def contestants_outside(
    baselines: Baselines,
    space: Space,
    finished: Mapping[int, Finished],
    scales: Mapping[str, float] | None,
) -> tuple[Contestant, ...]:
    """The baselines that are trained beside the trials, as contestants.

    Args:
        baselines: Those of the run.
        space: The search space.
        finished: The trials that have ended, by number; ``inverse`` needs one that measured.
        scales: What sampled weights are divided by, or ``None``.
    """
    outside = baselines.outside(space, starting_magnitudes(finished, scales))
    return tuple(
        Contestant(
            each.name,
            ROLE,
            {term: each.weights[term] for term in space.names},
            each.method,
            chosen=space.chosen({}),
        )
        for each in outside
    )


def contestants_inside(
    baselines: Baselines, space: Space, finished: Mapping[int, Finished]
) -> tuple[Contestant, ...]:
    """The baselines that are trials, as contestants of a confirmation.

    A trial is found by what was tried, not by its name: it may have been tried before anybody
    asked for the baseline.

    Args:
        baselines: Those of the run.
        space: The search space.
        finished: The trials that have ended, by number.
    """
    ended = {
        tuple(sorted(each.asked.parameters.items())): number
        for number, each in sorted(finished.items())
        if not each.again
    }
    return tuple(
        Contestant(
            name,
            ROLE,
            space.weights(at),
            trial=ended.get(tuple(sorted(at.items()))),
            chosen=space.chosen(at),
        )
        for name, at in baselines.inside(space).items()
    )


def baselines_table(
    contest: Contest,
    objectives: Iterable[str],
    scales: Mapping[str, float] | None,
    aims: Aims,
    baseline: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """One row for each baseline that was trained beside the trials, of several trainings the last.

    Args:
        contest: All that is known of the contest.
        objectives: Names of the objectives.
        scales: What relative weights were divided by, or ``None``.
        aims: What the sweep aims at besides.
        baseline: Magnitude of each term for the mean of the targets, or ``None``.
    """
    entered = {each.name: each for each in contest.contestants.get(0, ()) if each.role == ROLE}
    last = {o.contestant: o.result for o in contest.outings if o.look == 0}
    found = [(each, last[name]) for name, each in entered.items() if name in last]
    verdicts = judge_results({place: result for place, (_, result) in enumerate(found)}, baseline)
    rows = [
        baseline_row(each, result, verdicts.get(place), objectives, scales, aims)
        for place, (each, result) in enumerate(found)
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["name", "method", *objectives])
