"""Contests made by hand: no model is trained."""

import math

from lossweights.records import EpochReport, Outcome, TrialResult
from lossweights.results.contest import Contest, Contestant, Outing

SEEDS = (101, 102, 103, 104, 105)


def contestant(name, mse=1.0, under=1.0, *, trial=None, method=None, role=None):
    """A contestant with two terms; a pick if it has the number of a trial."""
    role = role or ("baseline" if trial is None else "pick")
    return Contestant(name, role, {"mse": mse, "under": under}, method, trial)


def training(weights, seed, val, test=None, *, outcome=Outcome.COMPLETE):
    """A training with these metrics; one that diverged has numbers of before."""
    magnitudes = dict.fromkeys(weights, 1.0)
    report = EpochReport(1, magnitudes, dict(magnitudes), dict(val))
    return TrialResult(dict(weights), seed, outcome, (report,), test=dict(test or {}))


STANDARD = {
    each.name: each
    for each in (
        contestant("knee", 1.0, 4.0, trial=1),
        contestant("equal"),
        contestant("today", 1.0, 0.2),
        contestant("only:mse", 1.0, 0.0),
        contestant("without:mse", 0.0, 1.0),
        contestant("dwa", method={"method": "DWA"}),
    )
}


def contest(numbers, *, look=1, seeds=SEEDS, tested=True, **others):
    """A contest of one look.

    Args:
        numbers: For each contestant, by name, its metrics by name, a number a seed; ``None`` for a
            training that diverged, and ``...`` for one that has not ended.
        look: Which look.
        seeds: The seeds.
        tested: Whether the numbers are of test data, and those of validation data larger by 1.
        **others: Contestants by name that are not the standard ones.
    """
    entered = tuple({**STANDARD, **others}[name] for name in numbers)
    outings = []
    for each, metrics in zip(entered, numbers.values(), strict=True):
        for place, seed in enumerate(seeds):
            found = {metric: values[place] for metric, values in metrics.items()}
            if ... in found.values():
                continue
            outcome = Outcome.DIVERGED if None in found.values() else Outcome.COMPLETE
            found = {metric: math.nan if v is None else v for metric, v in found.items()}
            val = {metric: value + 1.0 for metric, value in found.items()} if tested else found
            result = training(each.weights, seed, val, found if tested else None, outcome=outcome)
            outings.append(Outing(each.name, seed, look, result))
    return Contest({look: entered}, tuple(outings))


def both(one, other):
    """Two contests as one."""
    return Contest({**one.contestants, **other.contestants}, (*one.outings, *other.outings))
